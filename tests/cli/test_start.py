"""Starting hwprof touches nothing."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

# What is tested is this source tree, wherever another may be installed.
HERE = Path(__file__).parents[2]
HEAVY = {
    *("torch", "onnxruntime", "onnx", "numpy", "pyarrow", "psutil", "msgspec"),
    # What typer can do without until a command is named.
    *("rich", "pydantic", "click"),
}


def modules_after(statement: str, home: Path) -> set[str]:
    """Top-level modules loaded by `statement` in a process whose home is an empty folder."""
    done = subprocess.run(
        [sys.executable, "-c", f"import sys\n{statement}\nprint('modules:', *sys.modules)"],
        capture_output=True,
        text=True,
        check=True,
        cwd=home,
        env={"HOME": str(home), "PATH": "/usr/bin:/bin", "PYTHONPATH": str(HERE)},
    )
    modules = done.stdout.rpartition("modules:")[2]
    return {module.partition(".")[0] for module in modules.split()}


def test_importing_hwprof_loads_nothing_heavy_and_writes_nothing(tmp_path: Path) -> None:
    loaded = modules_after("import hwprof", tmp_path)
    assert not (HEAVY | {"typer"}) & loaded
    assert not HEAVY & modules_after("import hwprof.cli", tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_help_loads_nothing_heavy(tmp_path: Path) -> None:
    for words in (["--help"], ["-h"], ["--version"]):
        statement = f"from hwprof.cli.app import run; assert run({words}) == 0"
        assert not HEAVY & modules_after(statement, tmp_path)
