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

from hwprof.predictors.pool import DevicePool

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


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


@dataclass(frozen=True, slots=True, eq=False)
class Measured:
    """Measurements on the target: one entry per measurement, repeats allowed."""

    indices: IntArray
    """Rows of the pool, shape `[k]`."""
    latency_s: FloatArray
    std_error_s: FloatArray | None = None


class AdaptedPredictor(ABC):
    """A predictor for one device."""

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
    def fit(cls, pool: DevicePool, *, kernels: object | None = None, seed: int = 0) -> Self:
        """Fit on a pool. Deterministic in `seed`."""

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
