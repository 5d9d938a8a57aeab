"""Predictions with intervals that come from residuals."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import stdtr, stdtrit

from hwprof.errors import OptionError
from hwprof.metrics import LATENCY, Metric
from hwprof.predictors.base import FloatArray, MetricPrediction, broadcast

# Least latency believed, relative to the mean: nothing runs in no time.
_LEAST = 1e-3


@dataclass(frozen=True, slots=True, eq=False)
class StudentPrediction(MetricPrediction):
    """Student's t around the mean, cut off just above zero, for nothing costs nothing."""

    # Without `field()` the property of the base class would be taken for a default.
    mean: FloatArray = field()
    """Base unit, shape `[n]`."""
    scale: FloatArray
    """Base unit, shape `[n]`."""
    degrees: float
    """Degrees of freedom, above 2."""
    metric: Metric = LATENCY

    @property
    def std(self) -> FloatArray:
        """See `MetricPrediction.std`."""
        return self.scale * float(np.sqrt(self.degrees / (self.degrees - 2)))

    def quantile(self, q: float) -> FloatArray:
        """See `Prediction.quantile`."""
        if not 0 < q < 1:
            raise OptionError(f"q must lie between 0 and 1, but is {q}; 0.5 is the median")
        low = self.mean + self.scale * float(stdtrit(self.degrees, q))
        return np.maximum(low, self._least)

    @property
    def _least(self) -> FloatArray:
        return _LEAST * self.mean

    def cdf(self, value: ArrayLike, /) -> FloatArray:
        """See `Prediction.cdf`; exact."""
        asked = broadcast(value, len(self.mean))
        # A deviation of zero leaves all of the probability at the mean.
        score = (asked - self.mean) / np.maximum(self.scale, 1e-300)
        return np.where(
            asked < self._least, 0.0, np.where(score == 0, 0.5, stdtr(self.degrees, score))
        )


# What is believed of the spread beforehand counts like so many residuals, shared among those seen:
# it decides where there are none, and fades twice as fast as residuals come in.
_PRIOR_RESIDUALS = 2.0


@dataclass(frozen=True, slots=True)
class Spread:
    """Relative deviation of a value from its prediction, and how well it is known."""

    relative: float
    degrees: float
    level: float
    """Below this value, base unit, the deviation shrinks no further."""

    @classmethod
    def of(cls, prior: float, residuals: FloatArray, level: float) -> Spread:
        """Scaled inverse chi-squared posterior (Gelman et al., Bayesian Data Analysis, 2.6).

        `residuals` are relative errors on measurements left out of the fit, shape `[r]`.
        """
        believed = _PRIOR_RESIDUALS / max(len(residuals), 1)
        degrees = believed + len(residuals)
        total = believed * prior**2 + float((residuals**2).sum())
        # With the prior alone the deviation would be infinite: one more degree bounds it.
        return cls(float(np.sqrt(total / degrees)), degrees + 1, level)

    def around(self, mean: FloatArray, metric: Metric = LATENCY) -> StudentPrediction:
        """The prediction whose mean is given in the base unit, shape `[n]`."""
        scale = self.relative * np.maximum(mean, self.level)
        return StudentPrediction(mean, scale, self.degrees, metric)
