"""Importing MNN, and what is known about its builds."""

from __future__ import annotations

import ctypes
import importlib.util
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

from hwprof.convert.mnn.conversion import CONVERTER
from hwprof.devices.declared import installed
from hwprof.errors import DeviceError
from hwprof.machine.availability import Availability

INSTALL = "pip install 'hwprof[mnn]'"

ENGINE = "_mnncengine"


def availability() -> Availability:
    """Whether MNN and its converter are installed, without importing them."""
    found = installed(INSTALL, "MNN")
    if not found.ok:
        return found
    engine, tools = (importlib.util.find_spec(name) for name in (ENGINE, CONVERTER))
    if engine is None or tools is None or not _neighbours(engine.origin, tools.origin):
        # The converter's name is a common one: any other module could stand in its place.
        reason = "MNN's converter is not beside its engine"
        return Availability(False, f"{reason}; reinstall it with {INSTALL}", INSTALL)
    return found


def _neighbours(one: str | None, two: str | None) -> bool:
    return one is not None and two is not None and Path(one).parent == Path(two).parent


def import_runtime() -> ModuleType:
    """MNN. Raises DeviceError with the reason it is not usable."""
    try:
        with silenced():
            import MNN
    except Exception as error:  # a missing library is an ImportError, a wrong NumPy anything
        raise DeviceError(
            f"MNN is installed but does not import ({error}); reinstall it with {INSTALL}"
        ) from error
    module: ModuleType = MNN
    return module


@contextmanager
def silenced() -> Iterator[None]:
    """Drop what native code writes to standard output meanwhile: MNN talks, and JSON goes there."""
    sys.stdout.flush()
    kept = os.dup(1)
    try:
        with open(os.devnull, "wb") as nowhere:  # noqa: PTH123 - a device, not a path
            os.dup2(nowhere.fileno(), 1)
        yield
    finally:
        if os.name == "posix":
            # C keeps a buffer of its own, which would otherwise be written out afterwards.
            ctypes.CDLL(None).fflush(None)
        os.dup2(kept, 1)
        os.close(kept)


def runtime_build(runtime: ModuleType) -> str:
    """What identifies the binary beyond its version: size of the engine, in bytes.

    MNN tells nothing about how it was built.
    """
    spec = importlib.util.find_spec(ENGINE)
    if spec is None or spec.origin is None:
        return f"MNN {runtime.version()}"
    engine = Path(spec.origin)
    return f"{engine.name}, {engine.stat().st_size} bytes"
