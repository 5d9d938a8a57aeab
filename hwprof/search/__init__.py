"""Costs as objectives and limits of a search: predicted, looked up, worked out or measured.

The adapters to search libraries are modules of their own, imported only by who uses them:
`hwprof.search.adapters.optuna`, `pymoo`, `botorch`, `syne_tune`, `ax` and `torch`.
"""

from __future__ import annotations

from hwprof.search.additive import (
    AdditiveTable,
    BilinearCost,
    LinearCost,
    additive_table,
    hard_constrained,
)
from hwprof.search.architectures import Architectures
from hwprof.search.bounds import Bounds
from hwprof.search.devices import DeviceObjectives
from hwprof.search.estimators import Additive, Estimator, Learned, Roofline, TableLookup
from hwprof.search.evolve import Evolved, evolve
from hwprof.search.filter import Filtered, RejectionFilter
from hwprof.search.goals import Evaluated, Goals, Limited
from hwprof.search.limited import LimitedSearch
from hwprof.search.objective import Objective
from hwprof.search.pareto import pareto_front
from hwprof.search.preferences import PreferenceObjective
from hwprof.search.sampling import CostTiers, Sampled, sample_at_cost

__all__ = [
    "Additive",
    "AdditiveTable",
    "Architectures",
    "BilinearCost",
    "Bounds",
    "CostTiers",
    "DeviceObjectives",
    "Estimator",
    "Evaluated",
    "Evolved",
    "Filtered",
    "Goals",
    "Learned",
    "Limited",
    "LimitedSearch",
    "LinearCost",
    "Objective",
    "PreferenceObjective",
    "RejectionFilter",
    "Roofline",
    "Sampled",
    "TableLookup",
    "additive_table",
    "evolve",
    "hard_constrained",
    "pareto_front",
    "sample_at_cost",
]
