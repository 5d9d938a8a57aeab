"""What an objective asks of whatever tells the cost of architectures.

Shapes: n architectures, p positions of a space. Rows are canonical: what the space's `indices`
gives.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hwprof.errors import OptionError
from hwprof.metrics import Metric
from hwprof.predictors.base import (
    AdaptedPredictor,
    FloatArray,
    IntArray,
    MetricPrediction,
    metric_told,
    of_any_metric,
)
from hwprof.search.architectures import Architectures

Kind = Literal["measured", "table", "additive", "analytical", "learned", "counted"]
"""What stands behind a cost: a device measured now; measurements made before; a sum over choices;
arithmetic about an idealised machine; a model that learned from measurements; or, of what the space
alone decides, a count."""
KINDS: tuple[str, ...] = get_args(Kind)

BoolArray = NDArray[np.bool_]


class Estimator(ABC):
    """Tells the cost of architectures of a space on one device. Authors of plugins write one, and
    run `hwprof.testing.estimators.check_estimator` against it."""

    @property
    @abstractmethod
    def space(self) -> Architectures:
        """The space whose rows it takes."""

    @property
    @abstractmethod
    def metric(self) -> Metric:
        """What is told."""

    @property
    @abstractmethod
    def kind(self) -> Kind:
        """What stands behind the numbers."""

    @abstractmethod
    def cost(self, rows: IntArray) -> FloatArray:
        """The cost of canonical rows `[n, p]` in the metric's base unit, `[n]`.

        Raises an HwprofError where it cannot tell one of them.
        """

    def covered(self, rows: IntArray) -> BoolArray:
        """Which rows it answers from what it holds, `[n]`: the others it leaves to a substitute,
        or refuses. All, unless an estimator knows better."""
        return np.ones(len(rows), dtype=np.bool_)

    def distribution(self, rows: IntArray) -> MetricPrediction:
        """How the cost is distributed, by row. Raises OptionError where that is not known."""
        raise OptionError(
            f"this {self.kind} cost comes without a distribution, so that it has no quantiles and "
            "no probabilities; use statistic='mean' and violation(), or a predictor"
        )

    def moments(self, rows: IntArray) -> tuple[FloatArray, FloatArray]:
        """Mean and standard deviation, each `[n]`; NaN where no deviation is known.

        The mean is `cost`.
        """
        return self.cost(rows), np.full(len(rows), np.nan)


@dataclass(frozen=True, slots=True, eq=False)
class Looked:
    """Costs, and which of them were measured."""

    values: FloatArray
    """Base unit, shape `[n]`."""
    measured: BoolArray
    """Shape `[n]`; the others come from a substitute."""

    @property
    def share(self) -> float:
        """Of the architectures, the share that was measured. Raises OptionError for none at all."""
        if len(self.measured) == 0:
            raise OptionError("nothing was looked up; give at least one architecture")
        return float(self.measured.mean())


@dataclass(frozen=True, slots=True, eq=False)
class Learned(Estimator):
    """A predictor adapted to a device, as an estimator over a space."""

    predictor: AdaptedPredictor
    view: Architectures

    @classmethod
    def of(cls, predictor: AdaptedPredictor, space: object) -> Learned:
        """From what `adapt` gave. Raises OptionError for what is no space."""
        return cls(predictor, Architectures.of(space))

    @property
    def space(self) -> Architectures:
        """See `Estimator.space`."""
        return self.view

    @property
    def metric(self) -> Metric:
        """See `Estimator.metric`."""
        return metric_told(self.predictor)

    @property
    def kind(self) -> Kind:
        """See `Estimator.kind`."""
        return "learned"

    def cost(self, rows: IntArray) -> FloatArray:
        """See `Estimator.cost`: the mean."""
        return self.distribution(rows).mean

    def distribution(self, rows: IntArray) -> MetricPrediction:
        """See `Estimator.distribution`."""
        return of_any_metric(self.predictor.predict(self.view.features(rows)))

    def moments(self, rows: IntArray) -> tuple[FloatArray, FloatArray]:
        """See `Estimator.moments`."""
        found = self.distribution(rows)
        return found.mean, found.std


def as_estimator(given: object, space: object, metric: Metric) -> Estimator:
    """An estimator of `metric` over `space` from one, or from a predictor.

    Raises OptionError for anything else, and for another metric or another space.
    """
    view = Architectures.of(space)
    found = Learned(given, view) if isinstance(given, AdaptedPredictor) else given
    if not isinstance(found, Estimator):
        raise OptionError(
            f"an estimator or an adapted predictor is needed, but this is {type(given).__name__}; "
            "pass one of hwprof.search.estimators, or what adapt() gives"
        )
    if not found.metric.is_same(metric):
        raise OptionError(
            f"it tells {found.metric.name}, but {metric.name} is asked; pass one of {metric.name}"
        )
    check_space(found, view)
    return found


def check_space(estimator: Estimator, view: Architectures) -> None:
    """Raise OptionError unless the estimator takes rows of this space."""
    own = estimator.space
    if own.names != view.names or own.choices != view.choices:
        raise OptionError(
            f"the estimator is of the space {own.space.name}, but {view.space.name} is searched; "
            "make one for the space of the search"
        )


def canonical(view: Architectures, archs: ArrayLike) -> IntArray:
    """Texts or rows as canonical rows `[n, p]`; nothing gives none. Raises OptionError."""
    given = [archs] if isinstance(archs, str) else archs
    if np.asarray(given).size == 0:
        return np.zeros((0, len(view.sizes)), dtype=np.int64)
    return view.indices(given)
