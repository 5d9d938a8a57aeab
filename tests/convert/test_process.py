"""Converters as processes."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from hwprof.convert.process import run_converter
from hwprof.errors import DeviceError, MeasurementError


def test_a_converter_that_crashes_is_told_from_one_that_gives_up(tmp_path: Path) -> None:
    python = [sys.executable, "-c"]
    gave_up = run_converter([*python, "print('\x1b[31mno\x1b[0m'); exit(3)"], tmp_path, "m.onnx")
    assert (gave_up.returncode, gave_up.crashed, gave_up.text.strip()) == (3, "", "no")
    crash = "import os, signal; os.kill(os.getpid(), signal.SIGSEGV)"
    assert run_converter([*python, crash], tmp_path, "m.onnx").crashed == "SIGSEGV"
    killed = crash.replace("SEGV", "KILL")
    with pytest.raises(MeasurementError, match="memory ran out"):
        run_converter([*python, killed], tmp_path, "m.onnx")
    with pytest.raises(DeviceError, match="'no-such-program' does not start"):
        run_converter([str(tmp_path / "no-such-program")], tmp_path, "m.onnx")
