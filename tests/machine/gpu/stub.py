"""Compiles the stand-in for the CUDA driver: real calls through ctypes, on the host's memory."""

from __future__ import annotations

import ctypes
import shutil
import subprocess
from pathlib import Path

import pytest

SOURCE = Path(__file__).with_name("stub_cuda.c")


def compile_stub(folder: Path) -> ctypes.CDLL:
    """Skips the test on a machine without a C compiler."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        pytest.skip("no C compiler")
    library = folder / "libcuda.so.1"
    subprocess.run(
        [compiler, "-std=c11", "-shared", "-fPIC", "-o", str(library), str(SOURCE)],
        check=True,
        capture_output=True,
    )
    return ctypes.CDLL(str(library))
