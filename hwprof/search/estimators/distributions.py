"""Distributions of costs that were measured, alone and beside others."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import ndtr, ndtri

from hwprof.errors import OptionError
from hwprof.metrics import Metric
from hwprof.predictors.base import FloatArray, MetricPrediction, broadcast
from hwprof.search.estimators.base import BoolArray

# Least value believed, relative to the mean: nothing runs in no time.
_LEAST = 1e-3


@dataclass(frozen=True, slots=True, eq=False)
class MeasuredPrediction(MetricPrediction):
    """Normal around what was measured, cut off just above zero."""

    told: Metric
    values: FloatArray
    """Base unit, shape `[n]`."""
    std_error: FloatArray
    """Base unit, shape `[n]`; 0 only where a value is certain."""

    @classmethod
    def of(cls, metric: Metric, values: FloatArray, std_error: FloatArray) -> MeasuredPrediction:
        """Raises OptionError where a standard error is not known (NaN)."""
        unknown = int(np.isnan(std_error).sum())
        if unknown:
            raise OptionError(
                f"{unknown} of {len(values)} architectures come without a standard error of their "
                f"{metric.name}, so that it has no quantiles and no probabilities; use "
                "statistic='mean' and violation()"
            )
        return cls(metric, values, std_error)

    @property
    def metric(self) -> Metric:
        """See `OfMetric.metric`."""
        return self.told

    @property
    def mean(self) -> FloatArray:
        """See `MetricPrediction.mean`."""
        return self.values

    @property
    def std(self) -> FloatArray:
        """See `MetricPrediction.std`."""
        return self.std_error

    def quantile(self, q: float) -> FloatArray:
        """See `Prediction.quantile`."""
        check_quantile(q)
        found: FloatArray = self.values + self.std_error * float(ndtri(q))
        return np.maximum(found, _LEAST * self.values)

    def cdf(self, value: ArrayLike, /) -> FloatArray:
        """See `Prediction.cdf`; exact."""
        asked = broadcast(value, len(self.values))
        score = (asked - self.values) / np.maximum(self.std_error, 1e-300)
        # What is certain is reached by its own value.
        share = np.where(self.std_error > 0, ndtr(score), asked >= self.values)
        return np.where(asked < _LEAST * self.values, 0.0, share)


@dataclass(frozen=True, slots=True, eq=False)
class JoinedPrediction(MetricPrediction):
    """One prediction for some architectures, another for the rest."""

    some: BoolArray
    """Which are of `first`, shape `[n]`."""
    first: MetricPrediction
    rest: MetricPrediction

    @property
    def metric(self) -> Metric:
        """See `OfMetric.metric`."""
        return self.first.metric

    @property
    def mean(self) -> FloatArray:
        """See `MetricPrediction.mean`."""
        return joined(self.some, self.first.mean, self.rest.mean)

    @property
    def std(self) -> FloatArray:
        """See `MetricPrediction.std`."""
        return joined(self.some, self.first.std, self.rest.std)

    def quantile(self, q: float) -> FloatArray:
        """See `Prediction.quantile`."""
        return joined(self.some, self.first.quantile(q), self.rest.quantile(q))

    def cdf(self, value: ArrayLike, /) -> FloatArray:
        """See `Prediction.cdf`."""
        asked = broadcast(value, len(self.some))
        first, rest = self.first.cdf(asked[self.some]), self.rest.cdf(asked[~self.some])
        return joined(self.some, first, rest)


def joined(some: BoolArray, first: FloatArray, rest: FloatArray) -> FloatArray:
    """`first` where `some`, `rest` elsewhere, in order, `[n]`."""
    found = np.empty(len(some))
    found[some], found[~some] = first, rest
    return found


def check_quantile(q: float) -> None:
    """Raise OptionError unless it lies between 0 and 1."""
    if not 0 < q < 1:
        raise OptionError(f"q must lie between 0 and 1, but is {q}; 0.5 is the median")
