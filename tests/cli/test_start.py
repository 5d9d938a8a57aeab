"""Starting hwprof touches nothing."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

HEAVY = {"torch", "onnxruntime", "onnx", "numpy", "pyarrow", "rich", "psutil"}


def modules_after(statement: str, home: Path) -> set[str]:
    """Top-level modules loaded by `statement` in a process whose home is an empty folder."""
    done = subprocess.run(
        [sys.executable, "-c", f"import sys\n{statement}\nprint(*sys.modules)"],
        capture_output=True,
        text=True,
        check=True,
        cwd=home,
        env={"HOME": str(home), "PATH": "/usr/bin:/bin"},
    )
    return {module.partition(".")[0] for module in done.stdout.split()}


def test_importing_hwprof_loads_nothing_heavy_and_writes_nothing(tmp_path: Path) -> None:
    assert not HEAVY & modules_after("import hwprof", tmp_path)
    assert not HEAVY & modules_after("import hwprof.cli", tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_help_loads_nothing_heavy(tmp_path: Path) -> None:
    statement = "from hwprof.cli.app import run; assert run(['--help']) == 0"
    assert not HEAVY & modules_after(statement, tmp_path)


def test_public_names_are_found_when_asked_for() -> None:
    import hwprof

    for name in hwprof.__all__:
        assert getattr(hwprof, name) is not None
    assert set(hwprof.__all__) <= set(dir(hwprof))
    assert not hasattr(hwprof, "no_such_name")
