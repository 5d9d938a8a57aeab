"""Costs that are sums over layers, from kernels that were measured once."""

from __future__ import annotations

from functools import cached_property

from hwprof.metrics import Metric
from hwprof.predictors.base import FloatArray, IntArray
from hwprof.search.architectures import Architectures
from hwprof.search.estimators.base import BoolArray, Estimator, Kind
from hwprof.search.layers.costs import LayerCosts


class Layered(Estimator):
    """`LayerCosts` as an estimator; how far sums are off is in their `agreement`."""

    def __init__(self, costs: LayerCosts) -> None:
        self.costs = costs

    @cached_property
    def space(self) -> Architectures:
        """See `Estimator.space`."""
        return Architectures.of(self.costs.space)

    @property
    def metric(self) -> Metric:
        """See `Estimator.metric`."""
        return self.costs.metric

    @property
    def kind(self) -> Kind:
        """See `Estimator.kind`."""
        return "additive"

    def cost(self, rows: IntArray) -> FloatArray:
        """See `Estimator.cost`."""
        return self.costs(rows)

    def covered(self, rows: IntArray) -> BoolArray:
        """See `Estimator.covered`: those whose every layer was measured as it is chosen."""
        return self.costs.covered(rows) > 1 - 1e-9
