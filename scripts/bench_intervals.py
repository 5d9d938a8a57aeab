"""How often intervals hold what is measured later, and what a quiet machine gives.

Each model is measured `--rounds` times, all models once and then again, quiet and beside busy loops
(`--load`) that the scheduler puts anywhere, with each of `--threads`. Every figure is saved in
`--json` at once; the same command goes on where it was stopped, and `--conditions` splits it.
Printed per condition: how many headlines lay inside the intervals of the same model's earlier
measurements, how many quiet figures (median over the rounds) inside the contended intervals, all
and those without a warning of contention, and the median half-width. Must show: 85 % of each.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from itertools import combinations
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import onnx
from common import STEADY, light_models, name, write

from hwprof import spaces
from hwprof.latency import restart_headlines
from hwprof.measurement import WarningCode
from hwprof.models.load import load_model
from hwprof.profiler.bench import measure_on
from hwprof.profiler.plan import Plan
from hwprof.targets.worker import WorkerTarget

SPACES = ("nasbench201", "fbnet", "mobilenetv3")
MARKS = {WarningCode.CONTENDED, WarningCode.FEW_CLEAN_SAMPLES, WarningCode.RESTARTS_DISAGREE}
Row = dict[str, Any]


def models(number: int, folder: Path) -> list[tuple[str, Path]]:
    """Names and files: random architectures of each space in turn, then the light models."""
    light = [(name(path), path) for path in light_models()][: number // 3]
    found = []
    each = -(-(number - len(light)) // len(SPACES))
    for label in SPACES:
        space = spaces.get(label)
        for i, text in enumerate(space.texts(space.sample(each, np.random.default_rng(0)))):
            path = folder / f"{label}_{i}.onnx"
            onnx.save(space.build(text, 1, None), str(path))
            found.append((path.stem, path))
    found.sort(key=lambda item: int(item[0].rpartition("_")[2]))
    return found[: number - len(light)] + light


@contextlib.contextmanager
def loops(number: int) -> Iterator[None]:
    """So many processes that never rest, wherever the scheduler puts them."""
    # Each asks to be killed with this script (PR_SET_PDEATHSIG).
    program = f"import ctypes; ctypes.CDLL(None).prctl(1, 9)\n{STEADY}"
    running = [subprocess.Popen([sys.executable, "-c", program]) for _ in range(number)]
    try:
        yield
    finally:
        for process in running:
            process.kill()
            process.wait()


def measured(path: Path, threads: int, plan: Plan) -> Row:
    """One measurement, with what it says of itself."""
    began_s = time.perf_counter()
    target = WorkerTarget(f"onnxruntime-cpu:threads={threads}")
    measurement = measure_on(load_model(path), target, plan)
    latency = measurement.latency
    return {
        "headline_s": latency.headline_s,
        "ci95_s": latency.ci95_s,
        "half_width": latency.relative_half_width,
        "basis": latency.basis.value,
        "clean_share": latency.clean_share,
        "waiting_share": latency.waiting_share,
        "restarts": len(measurement.restarts),
        "heads_s": restart_headlines([r.steady for r in measurement.restarts], threads).tolist(),
        "disturbed": latency.disturbed,
        "warnings": [warning.code.value for warning in measurement.warnings],
        "marked": any(warning.code in MARKS for warning in measurement.warnings),
        "took_s": time.perf_counter() - began_s,
    }


def condition(load: int, threads: int) -> str:
    return f"{f'load{load}' if load else 'quiet'}:{threads}"


def holds(row: Row, seconds: float) -> bool:
    """Whether the interval of a measurement holds a figure."""
    return row["ci95_s"] is not None and row["ci95_s"][0] <= seconds <= row["ci95_s"][1]


def share(hits: list[bool]) -> float | None:
    return sum(hits) / len(hits) if hits else None


def summary(rows: list[Row], label: str) -> Row:
    """Shares of one condition."""
    own = [row for row in rows if row["condition"] == label]
    threads = label.rpartition(":")[2]
    quiet: dict[str, list[float]] = {}
    for row in rows:
        if row["condition"] == f"quiet:{threads}":
            quiet.setdefault(row["model"], []).append(row["headline_s"])
    later, unmarked_later = [], []
    for model in {row["model"] for row in own}:
        same = sorted((r for r in own if r["model"] == model), key=lambda r: int(r["round"]))
        for one, two in combinations(same, 2):
            later.append(holds(one, two["headline_s"]))
            if not one["marked"] and not two["marked"]:
                unmarked_later.append(later[-1])
    true = [(row, holds(row, median(quiet[row["model"]]))) for row in own if row["model"] in quiet]
    widths = [row["half_width"] for row in own if row["half_width"] is not None]
    return {
        "condition": label,
        "measurements": len(own),
        "later_inside": share(later),
        "later_inside_unmarked": share(unmarked_later),
        "quiet_inside": share([held for _, held in true]),
        "quiet_inside_unmarked": share([held for row, held in true if not row["marked"]]),
        "marked": share([bool(row["marked"]) for row in own]),
        "median_half_width": median(widths) if widths else None,
        "median_restarts": median(row["restarts"] for row in own) if own else None,
        "median_took_s": median(row["took_s"] for row in own) if own else None,
    }


def told(value: float | None) -> str:
    return "-" if value is None else f"{value:.1%}"


def show(rows: list[Row], labels: list[str]) -> list[Row]:
    found = [summary(rows, label) for label in labels]
    print(
        f"{'condition':10s} {'n':>4s} {'later inside':>13s} {'unmarked':>9s} {'quiet inside':>13s} "
        f"{'unmarked':>9s} {'marked':>7s} {'half-width':>11s}  restarts, seconds each"
    )
    for row in found:
        print(
            f"{row['condition']:10s} {row['measurements']:4d} {told(row['later_inside']):>13s} "
            f"{told(row['later_inside_unmarked']):>9s} {told(row['quiet_inside']):>13s} "
            f"{told(row['quiet_inside_unmarked']):>9s} {told(row['marked']):>7s} "
            f"{told(row['median_half_width']):>11s}  {row['median_restarts']}, "
            f"{row['median_took_s'] or 0.0:.1f}"
        )
    return found


def numbers(text: str) -> list[int]:
    return [int(part) for part in text.split(",")]


def main() -> None:
    options = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    options.add_argument(
        "--json", type=Path, help="write every figure to this file, or go on in it"
    )
    options.add_argument("--models", type=int, default=30)
    options.add_argument("--rounds", type=int, default=5)
    options.add_argument("--contended-rounds", type=int, default=2)
    options.add_argument("--load", type=numbers, default=[0, 2, 4], help="busy loops, as in 0,2,4")
    options.add_argument("--threads", type=numbers, default=[1, 2])
    options.add_argument("--budget", type=float, default=2.0)
    options.add_argument("--conditions", nargs="*", help="only these, as in quiet:1 load4:2")
    arguments = options.parse_args()
    plan = Plan(budget_s=arguments.budget, per_op=False)
    wanted = {condition(n, t): (n, t) for n in arguments.load for t in arguments.threads}
    labels = [label for label in wanted if label in (arguments.conditions or wanted)]
    rows: list[Row] = []
    if arguments.json is not None and arguments.json.exists():
        rows = json.loads(arguments.json.read_text())["rows"]
    done = {(row["condition"], row["model"], row["round"]) for row in rows}
    with tempfile.TemporaryDirectory() as folder:
        files = models(arguments.models, Path(folder))
        for number in range(max(arguments.rounds, arguments.contended_rounds)):
            for label in labels:
                load, threads = wanted[label]
                if number >= (arguments.contended_rounds if load else arguments.rounds):
                    continue
                missing = [item for item in files if (label, item[0], number) not in done]
                if not missing:
                    continue
                with loops(load):
                    for model, path in missing:
                        key = {"condition": label, "model": model, "round": number}
                        rows.append(key | measured(path, threads, plan))
                        write(arguments.json, {"rows": rows})
                print(f"{label}, round {number + 1}: {len(missing)} models", flush=True)
    every = sorted({row["condition"] for row in rows} | set(labels))
    write(arguments.json, {"rows": rows, "summary": show(rows, every)})


if __name__ == "__main__":
    main()
