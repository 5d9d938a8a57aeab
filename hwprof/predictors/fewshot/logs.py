"""The same model of log latencies, for pools whose latencies span decades.

There noise and deviations are relative, devices differ by powers as much as by factors, and a sum
would be fitted to the largest rows alone. A new device is `log latency = offset + m0 + sum over
devices d of z_d C_d + deviations + noise`: the scale is an offset, and noise has one size.
Shapes: n architectures, d features, m devices, k measurements, P prior features.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hwprof.errors import OptionError
from hwprof.metrics import LATENCY, Metric
from hwprof.predictors.base import Measured, MetricPrediction, broadcast
from hwprof.predictors.fewshot.checks import check_units
from hwprof.predictors.fewshot.fitted import Fitted
from hwprof.predictors.fewshot.mixture import Mixture, mixture
from hwprof.predictors.fewshot.posterior import (
    Evidence,
    Posterior,
    infer,
    posterior_weights,
)
from hwprof.predictors.fewshot.selection import design

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

# Logs lie between these at most, and mean logs around the device's: beyond, doubles end.
_FAR, _MEAN_FAR = 300.0, 100.0
# Rows that stand for the whole pool, beside the candidates, where measurements are chosen.
_TARGETS = 4000
# Deviation of a log beyond which its share in the mean grows no more: a factor of 7.
_WIDE = 2.0
# Architectures worked out at a time: bounds the memory.
_CHUNK = 65_536


@dataclass(frozen=True, slots=True, eq=False)
class Warp:
    """Features that span decades as logs, the others as they are."""

    scale: FloatArray
    """Least magnitude of each feature in the pool, `[d]`; zero for those that stay."""

    def __call__(self, features: FloatArray) -> FloatArray:
        """`[n, d] -> [n, d]`: `asinh` is a logarithm that also takes zero and negative numbers."""
        wide = self.scale > 0
        warped = features.copy()
        warped[:, wide] = np.arcsinh(features[:, wide] / self.scale[wide])
        return warped


@dataclass(frozen=True, slots=True, eq=False)
class LogScale:
    """What the pool has taught about logs: beside a `Fitted` of latencies, and made with it."""

    inner: Fitted
    """Of warped features and logs; `scale_s` are the exponentials of the devices' mean logs."""
    warp: Warp

    def phi(self, architectures: NDArray[np.generic]) -> tuple[FloatArray, FloatArray]:
        """Mean log `[n]` and prior features `[n, P]`, of which the first is the offset's.

        Of rows of the pool `[n]` or feature rows `[n, d]`. Raises OptionError as `Fitted.phi`.
        """
        array = np.asarray(architectures)
        fits = array.ndim == 2 and array.shape[1] == len(self.warp.scale)
        if fits and len(array) and np.isfinite(array.astype(np.float64)).all():
            array = self.warp(array.astype(np.float64))
        return offset_first(self.inner.phi(array))

    def with_foreign(self, features: FloatArray) -> LogScale:
        """See `Fitted.with_foreign`; features as the pool has them, `[k, d]`."""
        return LogScale(self.inner.with_foreign(self.warp(features)), self.warp)

    def select(self, candidates: IntArray, k: int) -> IntArray:
        """The k best candidates to measure, best first, shape `[k]`."""
        inner = self.inner
        step = max(1, len(inner.features) // _TARGETS)
        rows = np.union1d(candidates, np.arange(0, len(inner.features), step))
        phi, places = offset_first(inner.rows[rows])[1], np.searchsorted(rows, candidates)
        prior = inner.prior
        return rows[design(phi, prior.slices, inner.grid, places, k, prior.switches)]

    def check_units(self, measured: Measured, known: bool) -> None:
        """Raise OptionError for values a thousand times off; `known` as the pool's metric is."""
        mean = np.exp(self.phi(measured.indices)[0])
        one = replace(measured, values=measured.values / mean)
        scale = self.inner.scale_s if known else None
        check_units(one, np.ones(len(mean)), scale, self.inner.devices)

    def infer(self, rows: IntArray, values: FloatArray, variance: FloatArray) -> LogAdapted:
        """Inference on distinct rows `[k]`, their positive values and known variances, squared."""
        mean, phi = self.phi(rows)
        rest = np.log(values) - mean
        middle = float(np.median(rest))
        slices = self.inner.prior.slices
        evidence = Evidence(phi, rest - middle, variance / values**2, 1.0, slices)
        posterior = infer(evidence, self.inner.grid)
        return LogAdapted(
            self,
            evidence,
            posterior,
            posterior_weights(evidence, posterior),
            middle,
            self.inner.calibration.factor(len(rows)),
        )

    def unmeasured(self, kin: IntArray, listed: bool) -> LogAdapted:
        """A device without measurements: the mean of the devices at `kin`, of all if not listed."""
        inner, speed = self.inner, np.log(self.inner.scale_s)
        spread = float(speed.var(ddof=1) * (1 + 1 / len(kin)))
        expected = np.zeros(inner.rows.shape[1])
        if listed:
            expected[inner.prior.slices[0].start + kin] = inner.prior.reach[kin] / len(kin)
        none = np.zeros(0)
        evidence = Evidence(
            np.zeros((0, len(expected))),
            none,
            none,
            1.0,
            inner.prior.slices,
            speed_variance=min(max(spread, 1e-4), 10.0),
            expected=expected,
        )
        posterior = infer(evidence, inner.grid)
        middle = float(speed[kin].mean())
        width = inner.calibration.factor(1)
        return LogAdapted(self, evidence, posterior, expected, middle, width)


@dataclass(frozen=True, slots=True, eq=False)
class LogAdapted:
    """A device after its measurements, in logs."""

    scale: LogScale
    evidence: Evidence
    posterior: Posterior
    weights: FloatArray
    """On the prior features, shape `[P]`."""
    middle: float
    """Log of the device's scale, as first guessed."""
    width: float
    """Calibrated factor on the model's deviations."""

    def predict(self, architectures: NDArray[np.generic], metric: Metric) -> LogPrediction:
        """Predict rows of the pool `[n]` or feature rows `[n, d]`, in the base unit of `metric`."""
        parts = []
        for start in range(0, max(len(architectures), 1), _CHUNK):
            mean, phi = self.scale.phi(architectures[start : start + _CHUNK])
            found = mixture(self.evidence, self.posterior, phi)
            parts.append(found.around(mean + phi @ self.weights, 0.0).widened(self.width))
        logs = np.concatenate([part.mean for part in parts], axis=1)
        return LogPrediction(
            Mixture(
                parts[0].weight,
                np.clip(logs + self.middle, -_FAR, _FAR),
                np.concatenate([part.deviation for part in parts], axis=1),
            ),
            metric,
        )


class LogPrediction(MetricPrediction):
    """A mixture of log-normals."""

    __slots__ = ("_logs", "_metric")

    def __init__(self, logs: Mixture, metric: Metric = LATENCY) -> None:
        """`logs` are of values in the base unit of `metric`."""
        self._logs, self._metric = logs, metric

    @property
    def metric(self) -> Metric:
        """See `OfMetric.metric`."""
        return self._metric

    @property
    def mean(self) -> FloatArray:
        """See `MetricPrediction.mean`."""
        return self._moment(1)

    @property
    def std(self) -> FloatArray:
        """See `MetricPrediction.std`."""
        mean = self._moment(1)
        return np.sqrt(np.maximum(self._moment(2) - mean**2, 0))

    def _moment(self, order: int) -> FloatArray:
        variance = np.minimum(self._logs.deviation, _WIDE) ** 2
        logs = order * self._logs.mean + 0.5 * order**2 * variance
        moment: FloatArray = self._logs.weight @ np.exp(logs)
        return moment

    def quantile(self, q: float) -> FloatArray:
        """See `Prediction.quantile`."""
        if not 0 < q < 1:
            raise OptionError(f"q must lie between 0 and 1, but is {q}; pass 0.9 for 90 %")
        return np.exp(np.clip(self._logs.quantile(q), -_FAR, _FAR))

    def cdf(self, value: ArrayLike, /) -> FloatArray:
        """See `Prediction.cdf`; exact."""
        asked = broadcast(value, self._logs.mean.shape[1])
        positive = asked > 0
        return np.where(positive, self._logs.cdf(np.log(np.where(positive, asked, 1.0))), 0.0)


def offset_first(phi: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Prior features with the mean taken out `[n]` and the offset's ones in its place `[n, P]`."""
    own = phi.copy()
    own[:, 0] = 1
    return np.clip(phi[:, 0], -_MEAN_FAR, _MEAN_FAR), own
