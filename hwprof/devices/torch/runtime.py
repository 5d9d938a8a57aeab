"""Importing PyTorch, and what identifies the one that is installed."""

from __future__ import annotations

import shutil
import subprocess
from typing import Any

from hwprof.errors import DeviceError, one_line


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
