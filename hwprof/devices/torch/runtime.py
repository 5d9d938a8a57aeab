"""Importing PyTorch, and what identifies the one that is installed."""

from __future__ import annotations

import importlib.util
import logging
import shutil
import subprocess
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

from hwprof.devices.program import one_line
from hwprof.errors import DeviceError

MISSING = "torch is not installed; install it with pip install 'hwprof[torch]'"


def is_installed() -> bool:
    """Whether a package of that name is there, without importing it."""
    try:
        return importlib.util.find_spec("torch") is not None
    except (ImportError, ValueError):
        return False


def import_runtime() -> ModuleType:
    """PyTorch. Raises DeviceError with the reason it is not usable."""
    if not is_installed():
        raise DeviceError(MISSING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of its own modules, about its own modules
            import torch
    except Exception as error:  # a missing library, a wrong NumPy, half an installation
        raise DeviceError(
            f"torch is installed but does not import ({one_line(error)}); "
            "reinstall it with pip install --force-reinstall torch"
        ) from error
    logging.getLogger("torch").setLevel(logging.ERROR)
    module: ModuleType = torch
    return module


@contextmanager
def quiet() -> Iterator[None]:
    """Without the warnings that torch gives of itself while it exports and compiles."""
    with warnings.catch_warnings():
        for category in (DeprecationWarning, FutureWarning, UserWarning):
            warnings.filterwarnings("ignore", category=category)
        yield


def set_threads(torch: Any, threads: int) -> None:
    """Run operators on `threads` threads, one operator at a time."""
    torch.set_num_threads(threads)
    if torch.get_num_interop_threads() != 1:
        try:
            torch.set_num_interop_threads(1)
        except RuntimeError:  # decided once per process, and only forked graphs would use it
            return


def build_of(torch: Any, compiler: str) -> str:
    """What identifies the binary: source revision, vector instructions in use, libraries."""
    parts = [str(torch.version.git_version or "")[:12]]
    parts.append(str(torch.backends.cpu.get_cpu_capability()))
    if torch.backends.mkldnn.is_available():
        parts.append("oneDNN")
    if torch.backends.mkl.is_available():
        parts.append("MKL")
    return ", ".join(filter(None, [*parts, compiler]))


def find_compiler() -> str | None:
    """The C++ compiler that inductor would call, as a path; None where there is none."""
    for name in ("g++", "clang++", "c++"):
        found = shutil.which(name)
        if found is not None:
            return found
    return None


def compiler_version() -> str:
    """One line that names the compiler and its version. Raises DeviceError without one."""
    path = find_compiler()
    if path is None:
        raise DeviceError(
            "mode=compiled needs a C++ compiler and found none; install g++, or use mode=eager"
        )
    try:
        text = subprocess.run(
            [path, "--version"], capture_output=True, text=True, check=True, timeout=30
        ).stdout
    except (OSError, subprocess.SubprocessError) as error:
        raise DeviceError(
            f"the C++ compiler {path} does not run ({one_line(error)}); "
            "reinstall it, or use mode=eager"
        ) from error
    return text.splitlines()[0].strip() if text.strip() else path
