"""Importing ncnn."""

from __future__ import annotations

from types import ModuleType

from hwprof.convert.ncnn.conversion import INSTALL
from hwprof.errors import DeviceError


def import_runtime() -> ModuleType:
    """ncnn. Raises DeviceError with the reason it is not usable."""
    try:
        import ncnn
    except Exception as error:  # a missing library is an ImportError, a wrong NumPy anything
        raise DeviceError(
            f"ncnn is installed but does not import ({error}); reinstall it with {INSTALL}"
        ) from error
    module: ModuleType = ncnn
    return module
