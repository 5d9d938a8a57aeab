"""Importing PyTorch, or saying why it cannot be."""

from __future__ import annotations

import importlib.util
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType

from hwprof.errors import DeviceError, one_line

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
