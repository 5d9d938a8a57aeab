"""What an objective may rest on besides a predictor: tables, sums, rooflines, devices.

`MeasuredDevice` is a module of its own, `hwprof.search.estimators.device`, and is imported when it
is first used: it brings the profiler.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from hwprof.search.estimators.additive import Additive
from hwprof.search.estimators.base import KINDS, Estimator, Kind, Learned, Looked, as_estimator
from hwprof.search.estimators.lookup import TableLookup
from hwprof.search.estimators.roofline import Roofline

if TYPE_CHECKING:
    from hwprof.search.estimators.device import BudgetSpent as BudgetSpent
    from hwprof.search.estimators.device import MeasuredDevice as MeasuredDevice

__all__ = [
    "KINDS",
    "Additive",
    "BudgetSpent",
    "Estimator",
    "Kind",
    "Learned",
    "Looked",
    "MeasuredDevice",
    "Roofline",
    "TableLookup",
    "as_estimator",
]


def __getattr__(name: str) -> Any:
    if name in ("BudgetSpent", "MeasuredDevice"):
        return getattr(import_module("hwprof.search.estimators.device"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
