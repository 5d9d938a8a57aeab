"""Costs that are sums over the choices of an architecture."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from hwprof.errors import OptionError
from hwprof.metrics import LATENCY, Metric, check_metric
from hwprof.predictors.base import FloatArray, IntArray
from hwprof.search.additive import AdditiveTable
from hwprof.search.architectures import Architectures
from hwprof.search.estimators.base import Estimator, Kind


class Additive(Estimator):
    """An `AdditiveTable` of costs per choice, as ProxylessNAS and FBNet use it.

    A table tells nothing of its errors: there is no distribution.
    """

    def __init__(
        self,
        table: AdditiveTable | ArrayLike,
        space: object,
        metric: Metric | str = LATENCY,
    ) -> None:
        """From a table, or from one row of costs per position, in the metric's base unit.

        Raises OptionError for a table that does not fit the space, and for sums that are not
        positive: nothing costs nothing.
        """
        view = Architectures.of(space)
        if not isinstance(table, AdditiveTable):
            table = AdditiveTable.of(table)
        if not np.array_equal(table.sizes, view.sizes):
            raise OptionError(
                f"the table has {table.sizes.tolist()} choices by position, but the space "
                f"{view.space.name} has {view.sizes.tolist()}; give a cost for each of these"
            )
        padding = np.where(np.arange(table.table.shape[1]) < table.sizes[:, None], 0.0, np.inf)
        least = float((table.table + padding).min(axis=1).sum()) + table.constant
        if not least > 0:
            raise OptionError(
                f"the cheapest architecture of this table costs {least:.3g}, and a cost is "
                "positive; correct the table, or add what every architecture costs as its constant"
            )
        self.table, self.view, self._metric = table, view, check_metric(metric)

    @property
    def space(self) -> Architectures:
        """See `Estimator.space`."""
        return self.view

    @property
    def metric(self) -> Metric:
        """See `Estimator.metric`."""
        return self._metric

    @property
    def kind(self) -> Kind:
        """See `Estimator.kind`."""
        return "additive"

    def cost(self, rows: IntArray) -> FloatArray:
        """See `Estimator.cost`."""
        return self.table(rows)
