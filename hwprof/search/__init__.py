"""Predicted costs as objectives and limits of a search.

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
from hwprof.search.evolve import Evolved, evolve
from hwprof.search.filter import Filtered, RejectionFilter
from hwprof.search.goals import Evaluated, Goals, Limited
from hwprof.search.limited import LimitedSearch
from hwprof.search.objective import Objective
from hwprof.search.pareto import pareto_front
from hwprof.search.preferences import PreferenceObjective
from hwprof.search.sampling import CostTiers, Sampled, sample_at_cost

__all__ = [
    "AdditiveTable",
    "Architectures",
    "BilinearCost",
    "Bounds",
    "CostTiers",
    "DeviceObjectives",
    "Evaluated",
    "Evolved",
    "Filtered",
    "Goals",
    "Limited",
    "LimitedSearch",
    "LinearCost",
    "Objective",
    "PreferenceObjective",
    "RejectionFilter",
    "Sampled",
    "additive_table",
    "evolve",
    "hard_constrained",
    "pareto_front",
    "sample_at_cost",
]
