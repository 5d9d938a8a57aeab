"""Importing ExecuTorch's runtime, sizing its thread pool, and naming the build."""

from __future__ import annotations

import platform
from types import ModuleType

from hwprof.convert.executorch.quiet import quiet
from hwprof.errors import DeviceError, one_line

XNNPACK = "XnnpackBackend"
NATIVE = "native kernels"
"""Kernels of the runtime's own library: portable C++, some of them vectorised."""

INSTALL = "pip install 'hwprof[executorch]'"


def import_runtime() -> ModuleType:
    """ExecuTorch's Python binding, `portable_lib`. Imports torch, which takes seconds.

    Raises DeviceError with the reason it is not usable.
    """
    try:
        with quiet():
            from executorch.extension.pybindings import portable_lib
    except Exception as error:  # a missing library is an ImportError, a mismatched torch anything
        raise DeviceError(
            f"executorch does not import ({one_line(error)}); reinstall it with {INSTALL}"
        ) from error
    module: ModuleType = portable_lib
    return module


def import_compiler() -> None:
    """Import what lowers models, with its imports' warnings silenced. Raises DeviceError."""
    try:
        with quiet():
            import executorch.backends.xnnpack.partition.xnnpack_partitioner
            import executorch.devtools.etdump.serialize
            import executorch.exir  # noqa: F401
    except Exception as error:  # as above
        raise DeviceError(
            f"executorch's compiler does not import ({one_line(error)}); "
            f"reinstall it with {INSTALL}"
        ) from error


def runtime_version() -> str:
    """For example `1.5.1+cpu`."""
    from executorch.version import __version__

    return str(__version__)


def runtime_build() -> str:
    """Commit of the runtime and what it was installed beside: torch lowers the models."""
    import torch
    from executorch.version import git_version

    commit = str(git_version or "unknown")[:12]
    return f"git {commit}, torch {torch.__version__}, {platform.libc_ver()[0] or 'libc'}"


def set_threads(runtime: ModuleType, threads: int) -> None:
    """Size the process's thread pool, the calling thread included. Raises DeviceError.

    XNNPACK keeps a pointer to the pool from the moment a program is loaded, so this comes before
    loading, and no program of another size may be running in the process.
    """
    if runtime._threadpool_get_thread_count() != threads:
        runtime._unsafe_reset_threadpool(threads)
    found = runtime._threadpool_get_thread_count()
    if found != threads:
        raise DeviceError(
            f"executorch runs on {found} threads where {threads} were asked for; "
            f"ask for threads={found}"
        )
