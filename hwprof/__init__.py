"""hwprof: what a neural network costs on a piece of hardware.

Importing this package loads nothing else: each public name is imported when first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from hwprof.version import __version__

if TYPE_CHECKING:
    from hwprof.errors import (
        DeviceError,
        HwprofError,
        MeasurementError,
        ModelError,
        OptionError,
        TableError,
    )
    from hwprof.lut import Table
    from hwprof.measurement import Failure, Measurement
    from hwprof.profiler.api import measure
    from hwprof.profiler.compare import compare_now, compare_stored
    from hwprof.profiler.plan import Plan
    from hwprof.search import Objective

_HOMES = {
    "DeviceError": "hwprof.errors",
    "Failure": "hwprof.measurement",
    "HwprofError": "hwprof.errors",
    "Measurement": "hwprof.measurement",
    "MeasurementError": "hwprof.errors",
    "ModelError": "hwprof.errors",
    "Objective": "hwprof.search",
    "OptionError": "hwprof.errors",
    "Plan": "hwprof.profiler.plan",
    "Table": "hwprof.lut",
    "TableError": "hwprof.errors",
    "compare_now": "hwprof.profiler.compare",
    "compare_stored": "hwprof.profiler.compare",
    "measure": "hwprof.profiler.api",
}

__all__ = [
    "DeviceError",
    "Failure",
    "HwprofError",
    "Measurement",
    "MeasurementError",
    "ModelError",
    "Objective",
    "OptionError",
    "Plan",
    "Table",
    "TableError",
    "__version__",
    "compare_now",
    "compare_stored",
    "measure",
]


# What needs more than the core: the extra that brings it.
_EXTRAS = {"Objective": "predict"}


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        try:
            return getattr(import_module(_HOMES[name]), name)
        except ImportError as error:
            if name not in _EXTRAS:
                raise
            from hwprof.errors import OptionError

            raise OptionError(
                f"hwprof.{name} needs {error.name}, which is not installed; install it with "
                f"pip install 'hwprof[{_EXTRAS[name]}]'"
            ) from error
    raise AttributeError(f"module 'hwprof' has no attribute '{name}'")


def __dir__() -> list[str]:
    return sorted(__all__)
