"""Predicted costs as objectives and limits of a search.

The adapters to search libraries are modules of their own, imported only by who uses them:
`hwprof.predictors.objective.optuna`, `pymoo`, `botorch`, `syne_tune`, `ax` and `torch`.
"""

from __future__ import annotations

from hwprof.predictors.objective.additive import (
    AdditiveTable,
    BilinearCost,
    LinearCost,
    additive_table,
    hard_constrained,
)
from hwprof.predictors.objective.architectures import Architectures
from hwprof.predictors.objective.closed_loop import LimitedSearch
from hwprof.predictors.objective.devices import DeviceObjectives
from hwprof.predictors.objective.goals import Goals, Limited
from hwprof.predictors.objective.objective import Objective
from hwprof.predictors.objective.pareto import pareto_front
from hwprof.predictors.objective.preferences import PreferenceObjective
from hwprof.predictors.objective.rejection import Filtered, RejectionFilter

__all__ = [
    "AdditiveTable",
    "Architectures",
    "BilinearCost",
    "DeviceObjectives",
    "Filtered",
    "Goals",
    "Limited",
    "LimitedSearch",
    "LinearCost",
    "Objective",
    "PreferenceObjective",
    "RejectionFilter",
    "additive_table",
    "hard_constrained",
    "pareto_front",
]
