"""Each extra of hwprof in a fresh environment of its own: does it install, and does it work?

    python scripts/check_extras.py [--docs docs/backends.md] [EXTRA ...]

Sizes are the site-packages folder, without compiled bytecode, without what a fresh environment
holds already (pip). hwprof alone must stay under 250 MB.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

import onnx

ROOT = Path(__file__).resolve().parents[1]
LIMIT_MB = 250
ALONE = "(none)"
BEGIN, END = "<!-- figures: scripts/check_extras.py -->", "<!-- end of extras -->"
MODEL = Path(onnx.__file__).parent / "backend/test/data/light/light_squeezenet.onnx"
# What an extra is for, tried in the smallest way. Devices are measured on.
DEVICES = {
    ALONE: "onnxruntime-cpu",
    "torch": "torch-cpu",
    "torch-int8": "torch-cpu:mode=compiled,precision=int8",
    "openvino": "openvino-cpu",
    "tvm": "tvm-cpu",
    "litert": "litert-cpu",
    "executorch": "executorch-cpu",
    "mnn": "mnn-cpu",
    "ncnn": "ncnn-cpu",
}
PROGRAMS = {
    "predict": "from hwprof.predictors.shipped import fit_shipped; fit_shipped('fbnet').select(3)",
    "parquet": "import hwprof.lut.exchange.parquet, pyarrow",
    "lightgbm": "from hwprof.predictors.baselines.boosting import BoostedTrees; import lightgbm",
    "sklearn": "from hwprof.predictors.baselines.gp import GaussianProcess; import sklearn",
    "nvml": "import pynvml; from hwprof.machine.meters import list_meters; list_meters()",
    "optuna": "import hwprof.search.adapters.optuna, optuna",
    "pymoo": "import hwprof.search.adapters.pymoo, pymoo",
    "botorch": "import hwprof.search.adapters.botorch, botorch",
    "syne-tune": "import hwprof.search.adapters.syne_tune, syne_tune.blackbox_repository",
    "ax": "import hwprof.search.adapters.ax, ax",
}


def size_mb(python: Path) -> float:
    """Bytes of an environment's packages, MB, compiled bytecode left out."""
    site = next((python.parents[1] / "lib").glob("python3*/site-packages"))
    files = (f for f in site.rglob("*") if f.is_file() and not f.is_symlink())
    return sum(f.stat().st_size for f in files if f.suffix != ".pyc") / 1e6


def run(*command: str | Path, cwd: Path) -> tuple[bool, str]:
    """Whether a command succeeded, and the last line it printed."""
    done = subprocess.run(list(map(str, command)), cwd=cwd, capture_output=True, text=True)
    lines = (done.stderr if done.returncode else done.stdout).strip().splitlines()
    return done.returncode == 0, lines[-1][:200] if lines else ""


def try_extra(extra: str, constraints: Path) -> dict[str, object]:
    """Install hwprof with one extra from nothing, and use it."""
    with tempfile.TemporaryDirectory() as text:
        folder = Path(text)
        subprocess.run([sys.executable, "-m", "venv", folder / "venv"], check=True)
        python = folder / "venv/bin/python"
        empty = size_mb(python)
        wanted = str(ROOT) if extra == ALONE else f"{ROOT}[{extra}]"
        pip = (python, "-m", "pip", "install", "--quiet", "--no-compile")
        ok, said = run(*pip, "-c", constraints.resolve(), wanted, cwd=folder)
        row: dict[str, object] = {"extra": extra, "installs": ok, "works": False, "says": said}
        if not ok:
            return row
        row["mb"] = round(size_mb(python) - empty)
        if extra in DEVICES:
            command = [folder / "venv/bin/hwprof", "measure", MODEL, "--budget", "1"]
            command += ["--no-per-op", "--device", DEVICES[extra]]
            row["works"], row["says"] = run(*command, cwd=folder)
        else:
            row["works"], row["says"] = run(python, "-c", PROGRAMS[extra], cwd=folder)
        return row


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("extras", nargs="*")
    parser.add_argument("--constraints", type=Path, default=ROOT / "constraints.txt")
    parser.add_argument("--docs", type=Path, help="write the table into this page")
    parser.add_argument("--json", type=Path, help="write every figure to this file")
    options = parser.parse_args()
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    single = [e for e in declared["optional-dependencies"] if e in DEVICES or e in PROGRAMS]
    rows = []
    lines = ["| extra | installed MB | works alone |", "| --- | --- | --- |"]
    for extra in options.extras or [ALONE, *single]:
        row = try_extra(extra, options.constraints)
        rows.append(row)
        verdict = "yes" if row["works"] else f"**no**: {row['says']}"
        lines.append(f"| {extra} | {row.get('mb', '-')} | {verdict} |")
        print(lines[-1], flush=True)
    if options.json is not None:
        options.json.write_text(json.dumps(rows, indent=1) + "\n")
    if options.docs is not None:
        page = options.docs.read_text()
        before, rest = page.split(BEGIN)
        body = "\n".join(lines)
        options.docs.write_text(f"{before}{BEGIN}\n\n{body}\n\n{END}{rest.split(END)[1]}")
    alone = next((r for r in rows if r["extra"] == ALONE), None)
    too_large = alone is not None and float(str(alone.get("mb", 0))) >= LIMIT_MB
    raise SystemExit(1 if too_large or not all(row["works"] for row in rows) else 0)


if __name__ == "__main__":
    main()
