"""What a predictor is: fitted values that predict. `fit`, `adapt` and `update` give new values.

Shapes: n architectures, d features, m devices, k measurements. Values are in the base unit of
their metric: seconds for latency, joules for energy. What is called `_s` is seconds and nothing
else (`naming`).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hwprof.errors import OptionError
from hwprof.metrics import LATENCY, Metric
from hwprof.predictors.naming import need_latency
from hwprof.predictors.pool import DevicePool
from hwprof.similarity import Similarity

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

# Halvings of (0, 1) when a distribution is only known by its quantiles: to 1/4096.
_HALVINGS = 12


class Prediction(ABC):
    """A distribution per architecture. Whoever uses it never learns which model made it.

    A model of latencies writes `mean_s`, `std_s` and `quantile`; one of any metric is a
    `MetricPrediction`. `of_any_metric` reads both alike.
    """

    @property
    @abstractmethod
    def mean_s(self) -> FloatArray:
        """Expected latency, seconds, shape `[n]`."""

    @property
    @abstractmethod
    def std_s(self) -> FloatArray:
        """Standard deviation, seconds, shape `[n]`; never negative."""

    @abstractmethod
    def quantile(self, q: float) -> FloatArray:
        """The q-quantile, base unit, shape `[n]`. Raises OptionError unless 0 < q < 1."""

    def interval(self, level: float = 0.9) -> tuple[FloatArray, FloatArray]:
        """Central interval of probability `level`: (low, high), base unit, each `[n]`."""
        tail = (1 - level) / 2
        return self.quantile(tail), self.quantile(1 - tail)

    def cdf(self, value: ArrayLike, /) -> FloatArray:
        """Probability of at most `value` in the base unit, one for all or `[n]`, shape `[n]`.

        By bisection over `quantile`, within 1/4096, unless a model knows better. Raises OptionError
        for values that are not numbers or do not fit.
        """
        count = len(self.quantile(0.5))
        asked_value = broadcast(value, count)
        # Architectures share the few probabilities that a halving can ask for.
        place, cells = np.zeros(count, dtype=np.int64), 1
        for _ in range(_HALVINGS):
            cells *= 2
            place *= 2
            for cell in np.unique(place):
                asked = place == cell
                reached = self.quantile((int(cell) + 1) / cells) <= asked_value
                place[asked & reached] += 1
        return (place + 0.5) / cells


class OfMetric(ABC):
    """What says which metric it is of. A predictor or prediction that does not is of latency."""

    __slots__ = ()

    @property
    @abstractmethod
    def metric(self) -> Metric:
        """What is predicted."""


def metric_told(of: object) -> Metric:
    """The metric of a predictor or a prediction."""
    return of.metric if isinstance(of, OfMetric) else LATENCY


class MetricPrediction(Prediction, OfMetric):
    """A prediction of any metric: `mean_s` and `std_s` are for latency alone."""

    __slots__ = ()

    @property
    @abstractmethod
    def mean(self) -> FloatArray:
        """Expected value in the metric's base unit, shape `[n]`."""

    @property
    @abstractmethod
    def std(self) -> FloatArray:
        """Standard deviation in the metric's base unit, shape `[n]`; never negative."""

    @property
    def mean_s(self) -> FloatArray:
        """See `Prediction.mean_s`. Raises OptionError for another metric than latency."""
        need_latency(self.metric, "prediction", "mean")
        return self.mean

    @property
    def std_s(self) -> FloatArray:
        """See `Prediction.std_s`. Raises OptionError for another metric than latency."""
        need_latency(self.metric, "prediction", "std")
        return self.std


@dataclass(frozen=True, slots=True, eq=False)
class _OfLatency(MetricPrediction):
    """A prediction that knows of latency alone, read like one of any metric."""

    inner: Prediction

    @property
    def metric(self) -> Metric:
        return LATENCY

    @property
    def mean(self) -> FloatArray:
        return self.inner.mean_s

    @property
    def std(self) -> FloatArray:
        return self.inner.std_s

    def quantile(self, q: float) -> FloatArray:
        return self.inner.quantile(q)

    def cdf(self, value: ArrayLike, /) -> FloatArray:
        return self.inner.cdf(value)


def of_any_metric(prediction: Prediction) -> MetricPrediction:
    """The prediction by its general names, whoever wrote it."""
    return prediction if isinstance(prediction, MetricPrediction) else _OfLatency(prediction)


def broadcast(given: ArrayLike, count: int) -> FloatArray:
    """One number for all or one each, as `[count]`. Raises OptionError for anything else."""
    try:
        value = np.broadcast_to(np.asarray(given, dtype=np.float64), (count,))
    except (TypeError, ValueError) as error:
        raise OptionError(
            f"the value must be one number or {count} of them; pass one per architecture"
        ) from error
    if np.isnan(value).any():
        raise OptionError("the value must be a number, but is NaN; pass one in the base unit")
    return value


@dataclass(frozen=True, slots=True, eq=False)
class Measured:
    """Measurements on the target: one entry per measurement, repeats allowed."""

    indices: IntArray
    """Rows of the pool, shape `[k]`."""
    values: FloatArray
    """In the base unit of `metric`, shape `[k]`."""
    std_error: FloatArray | None = None
    """In the same unit, shape `[k]`; zero where unknown."""
    metric: Metric = LATENCY
    own: int | None = None
    """Rows that the pool has; the others are of architectures that it never held. None where all
    are of it."""

    def label(self, place: int) -> str:
        """How messages call the architecture of one measurement."""
        row = int(self.indices[place])
        known = self.own is None or row < self.own
        return f"row {row}" if known else f"architecture {place + 1} of those measured"

    @property
    def latency_s(self) -> FloatArray:
        """The values, seconds. Raises OptionError for another metric than latency."""
        need_latency(self.metric, "set of measurements", "values")
        return self.values

    @property
    def std_error_s(self) -> FloatArray | None:
        """The errors, seconds. Raises OptionError for another metric than latency."""
        need_latency(self.metric, "set of measurements", "std_error")
        return self.std_error


class AdaptedPredictor(ABC):
    """A predictor for one device; of latency, unless it is `OfMetric` too."""

    @property
    def warnings(self) -> tuple[str, ...]:
        """Reasons to trust this device's intervals less than usual, a sentence each.

        Empty unless a predictor knows of some: measurements unlike all that the pool holds, or a
        pool too small to learn intervals from.
        """
        return ()

    @abstractmethod
    def predict(self, architectures: ArrayLike) -> Prediction:
        """Predict rows of the pool (integers `[n]`) or feature rows (floats `[n, d]`)."""

    @abstractmethod
    def update(
        self,
        indices: ArrayLike,
        values: ArrayLike,
        /,
        std_error: ArrayLike | None = None,
    ) -> Self:
        """A new predictor that has seen these measurements as well, in the base unit."""


class Predictor(ABC):
    """A predictor for devices to come, fitted on a pool of known ones.

    Of latency, unless it is `OfMetric` too.
    """

    @classmethod
    @abstractmethod
    def fit(cls, pool: DevicePool, *, similarity: Similarity | None = None, seed: int = 0) -> Self:
        """Fit on a pool. Deterministic in `seed`. A predictor of latencies alone reads the
        pool's `latency_s`, which refuses any other metric.

        `similarity` is what is known of the space, `hwprof.spaces.get(NAME).similarity()`; None
        where the features are all there is.
        """

    @abstractmethod
    def select(
        self,
        k: int,
        candidates: Sequence[int] | None = None,
        exclude: Sequence[int] | None = None,
    ) -> IntArray:
        """The k rows of the pool to measure on a new device, shape `[k]`, best first."""

    @abstractmethod
    def adapt(
        self,
        indices: ArrayLike,
        values: ArrayLike,
        /,
        device: str | None = None,
        std_error: ArrayLike | None = None,
    ) -> AdaptedPredictor:
        """A predictor for the device on which the rows `indices` cost `values`, base unit.

        A predictor that learns of architectures which the pool never held takes their features
        `[k, d]` in place of rows; others raise OptionError for such.
        """
