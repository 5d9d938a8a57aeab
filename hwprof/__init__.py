"""hwprof: what a neural network costs on a piece of hardware.

Importing this package loads nothing else: each public name is imported when first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from hwprof.version import __version__

if TYPE_CHECKING:
    # What type checkers see of _HOMES; a test holds the two together.
    from hwprof.errors import DeviceError as DeviceError
    from hwprof.errors import HwprofError as HwprofError
    from hwprof.errors import MeasurementError as MeasurementError
    from hwprof.errors import ModelError as ModelError
    from hwprof.errors import OptionError as OptionError
    from hwprof.errors import TableError as TableError
    from hwprof.lut import Table as Table
    from hwprof.measurement import Failure as Failure
    from hwprof.measurement import Measurement as Measurement
    from hwprof.profiler.api import measure as measure
    from hwprof.profiler.campaign import Outcome as Outcome
    from hwprof.profiler.compare import Comparison as Comparison
    from hwprof.profiler.compare import compare as compare
    from hwprof.profiler.compare import compare_now as compare_now
    from hwprof.profiler.compare import compare_stored as compare_stored
    from hwprof.profiler.judge import Judgement as Judgement
    from hwprof.profiler.judge import judge as judge
    from hwprof.profiler.plan import Plan as Plan
    from hwprof.profiler.sweep import Sweep as Sweep
    from hwprof.profiler.sweep import sweep as sweep
    from hwprof.search import Objective as Objective
    from hwprof.spaces.example import write_example as write_example

_HOMES = {
    "Comparison": "hwprof.profiler.compare",
    "DeviceError": "hwprof.errors",
    "Failure": "hwprof.measurement",
    "HwprofError": "hwprof.errors",
    "Judgement": "hwprof.profiler.judge",
    "Measurement": "hwprof.measurement",
    "MeasurementError": "hwprof.errors",
    "ModelError": "hwprof.errors",
    "Objective": "hwprof.search",
    "OptionError": "hwprof.errors",
    "Outcome": "hwprof.profiler.campaign",
    "Plan": "hwprof.profiler.plan",
    "Sweep": "hwprof.profiler.sweep",
    "Table": "hwprof.lut",
    "TableError": "hwprof.errors",
    "compare": "hwprof.profiler.compare",
    "compare_now": "hwprof.profiler.compare",
    "compare_stored": "hwprof.profiler.compare",
    "judge": "hwprof.profiler.judge",
    "measure": "hwprof.profiler.api",
    "sweep": "hwprof.profiler.sweep",
    "write_example": "hwprof.spaces.example",
}
"""Every public name, and the module that it is imported from when it is first used."""

__all__ = [*sorted(_HOMES), "__version__"]

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
