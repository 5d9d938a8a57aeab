"""OpenVINO is imported without what reports the import."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

import hwprof
from hwprof.devices.openvino.runtime import REPORTER, _unreported

IMPORT = (
    "import sys\n"
    "from hwprof.devices.openvino.runtime import REPORTER, import_runtime\n"
    "print(import_runtime().__name__, REPORTER in sys.modules)\n"
    "from openvino.tools.ovc import telemetry_utils\n"
    "print(telemetry_utils.tm.__name__)\n"
)


def test_it_takes_its_own_stub_and_leaves_nothing_in_the_home(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", IMPORT],
        capture_output=True,
        text=True,
        check=True,
        env={
            "HOME": str(tmp_path),
            "PATH": "/usr/bin:/bin",
            "PYTHONPATH": str(Path(hwprof.__file__).parents[1]),
        },
    )
    assert done.stdout.split() == ["openvino", "False", "openvino.tools.ovc.telemetry_stub"]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("consent", "left_out"), [(None, True), ("0", True), ("", True), ("1\n", False)]
)
def test_whoever_opted_in_keeps_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, consent: str | None, left_out: bool
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    if consent is not None:
        (tmp_path / "intel").mkdir()
        (tmp_path / "intel" / REPORTER).write_text(consent)
    reporter = ModuleType(REPORTER)
    monkeypatch.setitem(sys.modules, REPORTER, reporter)
    with _unreported():
        assert (sys.modules[REPORTER] is None) == left_out
    assert sys.modules[REPORTER] is reporter
    monkeypatch.delitem(sys.modules, REPORTER)
    with _unreported():
        assert (REPORTER in sys.modules) == left_out
    assert REPORTER not in sys.modules
