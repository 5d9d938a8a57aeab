"""What a predictor is: fitted values that predict. `fit`, `adapt` and `update` give new values.

Shapes: n architectures, d features, m devices, k measurements. Latencies are seconds.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hwprof.errors import OptionError
from hwprof.predictors.pool import DevicePool
from hwprof.similarity import Similarity

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

# Halvings of (0, 1) when a distribution is only known by its quantiles: to 1/4096.
_HALVINGS = 12


class Prediction(ABC):
    """A distribution per architecture. Whoever uses it never learns which model made it."""

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
        """The q-quantile, seconds, shape `[n]`. Raises OptionError unless 0 < q < 1."""

    def interval(self, level: float = 0.9) -> tuple[FloatArray, FloatArray]:
        """Central interval of probability `level`: (low, high), seconds, each `[n]`."""
        tail = (1 - level) / 2
        return self.quantile(tail), self.quantile(1 - tail)

    def cdf(self, value_s: ArrayLike) -> FloatArray:
        """Probability of at most `value_s` seconds, one for all or `[n]`, shape `[n]`.

        By bisection over `quantile`, within 1/4096, unless a model knows better. Raises OptionError
        for values that are not numbers or do not fit.
        """
        count = len(self.mean_s)
        value = broadcast(value_s, count)
        # Architectures share the few probabilities that a halving can ask for.
        place, cells = np.zeros(count, dtype=np.int64), 1
        for _ in range(_HALVINGS):
            cells *= 2
            place *= 2
            for cell in np.unique(place):
                asked = place == cell
                reached = self.quantile((int(cell) + 1) / cells) <= value
                place[asked & reached] += 1
        return (place + 0.5) / cells


def broadcast(value_s: ArrayLike, count: int) -> FloatArray:
    """One number for all or one each, as `[count]`. Raises OptionError for anything else."""
    try:
        value = np.broadcast_to(np.asarray(value_s, dtype=np.float64), (count,))
    except (TypeError, ValueError) as error:
        raise OptionError(
            f"the value must be one number or {count} of them; pass one per architecture"
        ) from error
    if np.isnan(value).any():
        raise OptionError("the value must be a number, but is NaN; pass seconds")
    return value


@dataclass(frozen=True, slots=True, eq=False)
class Measured:
    """Measurements on the target: one entry per measurement, repeats allowed."""

    indices: IntArray
    """Rows of the pool, shape `[k]`."""
    latency_s: FloatArray
    std_error_s: FloatArray | None = None


class AdaptedPredictor(ABC):
    """A predictor for one device."""

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
        latency_s: ArrayLike,
        std_error_s: ArrayLike | None = None,
    ) -> Self:
        """A new predictor that has seen these measurements as well."""


class Predictor(ABC):
    """A predictor for devices to come, fitted on a pool of known ones."""

    @classmethod
    @abstractmethod
    def fit(cls, pool: DevicePool, *, similarity: Similarity | None = None, seed: int = 0) -> Self:
        """Fit on a pool. Deterministic in `seed`.

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
        latency_s: ArrayLike,
        device: str | None = None,
        std_error_s: ArrayLike | None = None,
    ) -> AdaptedPredictor:
        """A predictor for the device on which `indices` took `latency_s` seconds."""
