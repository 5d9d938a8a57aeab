"""What all baselines share: a regression on k measurements, judged by leaving measurements out.

A baseline says which numbers describe an architecture (`inputs`) and how latencies follow from
them (`regress`). Shapes: n architectures, p inputs, k measurements.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Self, cast

import numpy as np
from numpy.typing import ArrayLike

from hwprof.metrics import LATENCY, Metric
from hwprof.predictors.base import (
    AdaptedPredictor,
    FloatArray,
    IntArray,
    Measured,
    OfMetric,
    Predictor,
)
from hwprof.predictors.baselines.candidates import candidate_rows
from hwprof.predictors.baselines.prediction import Spread, StudentPrediction
from hwprof.predictors.fewshot.checks import (
    check_measured,
    check_rows,
    check_units,
    combine,
    merge,
)
from hwprof.predictors.naming import given
from hwprof.predictors.pool import DevicePool, check_features

Regression = Callable[[FloatArray], FloatArray]
"""Inputs `[n, p]` to latencies `[n]`, seconds."""

# Up to so many measurements each is left out alone; beyond, in this many groups.
_ALONE, _GROUPS = 20, 10
# Predictions below this share of the fastest measurement are extrapolations gone wrong.
FLOOR = 0.01
# Errors are relative to the latency down to this share of the mean, and absolute below it.
LEVEL = 0.1
_OWN_ERROR = 0.03
# Deviation of a measurement that `select` reckons with, in units of the inputs' own.
_NOISE = 0.1


@dataclass(frozen=True, slots=True, eq=False)
class Known:
    """What a baseline keeps of its pool."""

    features: FloatArray
    """Shape `[n, d]`."""
    inputs: FloatArray
    """Shape `[n, p]`."""
    prior_spread: float
    """Relative error expected before any measurement."""
    typical: FloatArray
    """Mean over devices of the relative latency, shape `[n]`; 1 where nothing was measured."""
    scale_s: FloatArray
    """Mean cost of each device, base unit of `metric`, shape `[m]`."""
    devices: tuple[str, ...]
    metric: Metric = LATENCY
    """What the pool holds."""

    @classmethod
    def of(cls, pool: DevicePool, inputs: FloatArray, prior_spread: float) -> Known:
        """From a pool, and what a baseline makes of its features."""
        scale = np.nanmean(pool.values, axis=0)
        counts = pool.measured.sum(axis=1)
        total = np.nansum(pool.values / scale, axis=1)
        typical = np.where(counts > 0, total / np.maximum(counts, 1), 1.0)
        return cls(pool.features, inputs, prior_spread, typical, scale, pool.devices, pool.metric)

    def check(
        self,
        indices: ArrayLike,
        values: ArrayLike,
        std_error: ArrayLike | None,
        metric: Metric,
        *,
        units: bool = True,
    ) -> Measured:
        """The measurements. Raises OptionError where they or their unit cannot be right."""
        measured = check_measured(indices, values, std_error, len(self.features), metric)
        if units:
            scale = self.scale_s if metric.is_same(self.metric) else None
            check_units(measured, self.typical[measured.indices], scale, self.devices)
        return measured


class Baseline(Predictor, OfMetric):
    """A regression from scratch on the measurements of the target."""

    known: Known

    @property
    def metric(self) -> Metric:
        """What the pool holds."""
        return self.known.metric

    @abstractmethod
    def inputs(self, features: FloatArray) -> FloatArray:
        """Numbers the regression works on, `[n, d] -> [n, p]`."""

    @abstractmethod
    def regress(self, inputs: FloatArray, latency_s: FloatArray, weight: FloatArray) -> Regression:
        """The regression on k measurements: inputs `[k, p]`, seconds `[k]`, weights `[k]`."""

    def select(
        self,
        k: int,
        candidates: Sequence[int] | None = None,
        exclude: Sequence[int] | None = None,
    ) -> IntArray:
        """See `Predictor.select`: the row least explained by those chosen before, each time.

        Pivoted Cholesky on the standardised inputs, which greedily maximises the determinant of
        their covariance (Krause, Singh, Guestrin, JMLR 2008). Raises OptionError when fewer than
        k rows may be chosen.
        """
        rows = candidate_rows(k, len(self.known.features), candidates, exclude)
        return rows[spread_out(self.known.inputs[rows], k)]

    def adapt(
        self,
        indices: ArrayLike,
        values: ArrayLike | None = None,
        device: str | None = None,
        std_error: ArrayLike | None = None,
        *,
        metric: Metric | str | None = None,
        check_units: bool = True,
        latency_s: ArrayLike | None = None,
        std_error_s: ArrayLike | None = None,
    ) -> BaselineAdapted:
        """See `Predictor.adapt`. Raises OptionError for measurements that cannot be used.

        `metric` is the pool's unless named; `latency_s` and `std_error_s` name values that are
        seconds. `check_units=False` accepts a device a hundred times beyond those of the pool.
        """
        values, error, wanted = given(
            *(self.metric, values, std_error, metric), latency_s=latency_s, std_error_s=std_error_s
        )
        measured = self.known.check(indices, values, error, wanted, units=check_units)
        return self._adapted(measured, device)

    def _adapted(self, measured: Measured, device: str | None) -> BaselineAdapted:
        rows, latency, variance = combine(measured)
        weight = weights_of(latency, variance)
        regression = self.regress(self.known.inputs[rows], latency, weight)
        errors = self._residuals(rows, latency, weight)
        spread = Spread.of(self.known.prior_spread, errors, _level(latency))
        floor = FLOOR * float(latency.min())
        return BaselineAdapted(self, measured, device, regression, spread, floor)

    def _residuals(self, rows: IntArray, latency: FloatArray, weight: FloatArray) -> FloatArray:
        """Relative errors on measurements left out of the fit, `[k]`, or `[0]` for a single one."""
        count = len(rows)
        if count == 1:
            return np.zeros(0)
        inputs = self.known.inputs[rows]
        group = np.arange(count) % (count if count <= _ALONE else _GROUPS)
        errors = np.zeros(count)
        for out in np.unique(group):
            left, kept = group == out, group != out
            fitted = self.regress(inputs[kept], latency[kept], weight[kept])
            predicted = np.maximum(fitted(inputs[left]), FLOOR * latency.min())
            errors[left] = (latency[left] - predicted) / np.maximum(predicted, _level(latency))
        return errors


@dataclass(frozen=True, slots=True, eq=False)
class BaselineAdapted(AdaptedPredictor, OfMetric):
    """A baseline on one device."""

    predictor: Baseline
    measured: Measured
    device: str | None
    regression: Regression
    spread: Spread
    floor: float

    def predict(self, architectures: ArrayLike) -> StudentPrediction:
        """See `AdaptedPredictor.predict`.

        Raises OptionError for rows or features that do not fit.
        """
        inputs = self.inputs(architectures)
        return self.spread.around(np.maximum(self.regression(inputs), self.floor), self.metric)

    def inputs(self, architectures: ArrayLike) -> FloatArray:
        """Rows of the pool or features as what the regression works on, `[n, p]`.

        Raises OptionError for what does not fit.
        """
        known = self.predictor.known
        given = np.asarray(architectures)
        if given.ndim == 1:
            return known.inputs[check_rows(given, len(known.inputs), "architectures")]
        return self.predictor.inputs(check_features(given, known.features.shape[1]))

    @property
    def metric(self) -> Metric:
        """What is predicted: what was measured on the device."""
        return self.measured.metric

    def update(
        self,
        indices: ArrayLike,
        values: ArrayLike | None = None,
        std_error: ArrayLike | None = None,
        *,
        latency_s: ArrayLike | None = None,
        std_error_s: ArrayLike | None = None,
    ) -> Self:
        """See `AdaptedPredictor.update`: fitted anew on all measurements."""
        known = self.predictor.known
        # The first measurements have settled the unit.
        values, error, metric = given(
            *(self.metric, values, std_error), latency_s=latency_s, std_error_s=std_error_s
        )
        new = known.check(indices, values, error, metric, units=False)
        both = merge(self.measured, new)
        return cast(Self, self.predictor._adapted(both, self.device))


def _level(latency_s: FloatArray) -> float:
    return LEVEL * float(latency_s.mean())


def weights_of(latency: FloatArray, variance: FloatArray) -> FloatArray:
    """Square roots of the weights of errors, `[k]`: noisy measurements count less."""
    # A model is wrong by a few percent itself: no measurement counts for all the others.
    return 1 / np.sqrt(1 + variance / (_OWN_ERROR * latency) ** 2)


def spread_out(inputs: FloatArray, k: int) -> IntArray:
    """k rows of `[n, p]`, each the least explained by those before it; ties to the lower row."""
    deviation = inputs.std(axis=0)
    varying = deviation > 1e-9 * np.maximum(np.abs(inputs).max(axis=0), 1e-300)
    standard = (inputs[:, varying] - inputs[:, varying].mean(axis=0)) / deviation[varying]
    # The constant: without it the first choice would be the most extreme row instead of any.
    rest = np.hstack([np.ones((len(inputs), 1)), standard / np.sqrt(max(varying.sum(), 1))])
    variance = (rest**2).sum(axis=1)
    factors = np.zeros((len(inputs), k))
    free = np.ones(len(inputs), dtype=np.bool_)
    chosen = []
    for step in range(k):
        # Rounding keeps the choice the same on machines whose sums differ in the last digit.
        row = int(np.argmax(np.where(free, np.round(variance, 9), -np.inf)))
        chosen.append(row)
        free[row] = False
        covariance = rest @ rest[row] - factors[:, :step] @ factors[row, :step]
        factors[:, step] = covariance / np.sqrt(max(variance[row], 0) + _NOISE**2)
        variance = variance - factors[:, step] ** 2
    return np.array(chosen, dtype=np.int64)


def dispersion(pool: DevicePool) -> float:
    """Relative spread of latencies over architectures, the median device's."""
    deviation = np.nanstd(pool.values, axis=0) / np.nanmean(pool.values, axis=0)
    return float(np.median(deviation))


def disagreement(profiles: FloatArray) -> float:
    """Relative spread of one architecture's cost over devices, the median architecture's.

    `profiles` are the devices' latencies `[n, m]`; each device is divided by its mean first.
    """
    relative = profiles / profiles.mean(axis=0)
    return float(np.median(relative.std(axis=1) / np.maximum(relative.mean(axis=1), 1e-12)))
