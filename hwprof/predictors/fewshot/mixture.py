"""Predictions as mixtures of normals, one per hyper-parameter setting that the data left likely."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hwprof.errors import OptionError
from hwprof.metrics import LATENCY, Metric
from hwprof.predictors.base import MetricPrediction, broadcast
from hwprof.predictors.fewshot.normal import below, score_of
from hwprof.predictors.fewshot.posterior import MEAN_FLOOR, Evidence, Posterior

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

# Settings that stand for the whole grid.
SETTINGS = 24
# Least latency predicted, relative to the device's mean: nothing runs in no time.
LEAST = 1e-3
# Newton steps towards a quantile, then halvings of its bracket where they did not suffice; either
# stops at this share of the deviation.
_NEWTON, _HALVINGS, _EXACT = 12, 40, 1e-9


@dataclass(frozen=True, slots=True, eq=False)
class Mixture:
    """Normals per architecture, t settings by n architectures."""

    weight: FloatArray
    """Shape `[t]`, sums to one."""
    mean: FloatArray
    """Shape `[t, n]`."""
    deviation: FloatArray
    """Shape `[t, n]`."""

    def around(self, centre: FloatArray, spread: float) -> Mixture:
        """The same shape with another mean `[n]`, itself off by a deviation of `spread`."""
        mean = self.mean + (centre - self.centre)
        return replace(self, mean=mean, deviation=np.hypot(self.deviation, spread))

    @property
    def centre(self) -> FloatArray:
        """Mean of the mixture, shape `[n]`."""
        centre: FloatArray = self.weight @ self.mean
        return centre

    def moments(self) -> tuple[FloatArray, FloatArray]:
        """Mean and standard deviation of the mixture, each `[n]`."""
        mean = self.centre
        variance = self.weight @ (self.deviation**2 + (self.mean - mean) ** 2)
        return mean, np.sqrt(variance)

    def widened(self, factor: float) -> Mixture:
        """The same centre, `factor` times as wide."""
        centre = self.centre
        return Mixture(self.weight, centre + factor * (self.mean - centre), factor * self.deviation)

    def cdf(self, value: FloatArray) -> FloatArray:
        """Probability of at most `value`, `[n] -> [n]`."""
        share: FloatArray = self.weight @ below((value - self.mean) / self.deviation)
        return share

    def quantile(self, q: float) -> FloatArray:
        """The q-quantile of the mixture, shape `[n]`.

        By Newton's method on the normal score of the distribution function, which is a straight
        line for one normal and nearly one for a mixture. The quantiles of the parts bracket it.
        """
        score = float(score_of(q))
        each = self.mean + score * self.deviation
        if len(self.weight) == 1:
            found: FloatArray = each[0]
            return found
        low, high = each.min(axis=0), each.max(axis=0)
        rate = self.weight[:, None] / self.deviation
        x = self.weight @ each
        # Or at the last digits, where a device is so regular that its deviation is among them.
        close = _EXACT * self.deviation.min(axis=0) + 1e-13 * np.abs(x)
        for step in range(_NEWTON + _HALVINGS):
            z = (x - self.mean) / self.deviation
            share = self.weight @ below(z)
            low, high = np.where(share > q, low, x), np.where(share > q, x, high)
            moved = 0.5 * (low + high)
            if step < _NEWTON:
                # The density over that of a standard normal at the same score: both may vanish.
                own = score_of(share)
                slope = (rate * np.exp(0.5 * (own**2 - z**2))).sum(axis=0)
                with np.errstate(invalid="ignore"):
                    newton = x - (own - score) / slope
                moved = np.where(np.isfinite(newton), np.clip(newton, low, high), moved)
            done = bool((np.abs(moved - x) <= close).all())
            x = moved
            if done:
                break
        return x


def mixture(evidence: Evidence, posterior: Posterior, phi: FloatArray) -> Mixture:
    """Relative latencies of the architectures whose prior features are `phi`, `[n, P]`.

    The noise of one measurement is part of the deviation: intervals are for measured latencies.
    """
    top, weight = leading(posterior)
    with_measured = [phi[:, s] @ evidence.phi[:, s].T for s in evidence.slices]
    own = np.stack([(phi[:, s] ** 2).sum(axis=1) for s in evidence.slices])
    speed = np.outer(phi[:, 0], evidence.phi[:, 0])
    mean, deviation = np.zeros((len(top), len(phi))), np.zeros((len(top), len(phi)))
    for i, g in enumerate(top):
        amplitudes = posterior.amplitudes[g]
        cross = evidence.speed_variance * speed
        for amplitude, product in zip(amplitudes, with_measured, strict=True):
            cross += amplitude * product
        explained = ((cross @ posterior.lower_inverse[:, :, g].T) ** 2).sum(axis=1)
        variance = evidence.speed_variance * phi[:, 0] ** 2 + amplitudes @ own - explained
        noise = posterior.noises[g] * np.maximum(phi[:, 0], MEAN_FLOOR)
        mean[i] = cross @ posterior.alpha[:, g]
        if evidence.expected is not None:
            mean[i] += phi @ evidence.expected
        deviation[i] = np.sqrt(np.maximum(variance, 0) + noise**2)
    return Mixture(weight, mean, deviation)


def leading(posterior: Posterior) -> tuple[IntArray, FloatArray]:
    """Grid points that stand for all, and their weights, which sum to one.

    Systematic draws along the noise levels: the unlikely ones that make an interval honest are
    among them as often as they should be.
    """
    order = np.lexsort((posterior.amplitudes[:, 0], posterior.noises))
    total = np.cumsum(posterior.weight[order])
    places = np.searchsorted(total, (np.arange(SETTINGS) + 0.5) / SETTINGS * total[-1])
    found, counts = np.unique(order[np.minimum(places, len(order) - 1)], return_counts=True)
    return found.astype(np.int64), counts / SETTINGS


class FewShotPrediction(MetricPrediction):
    """Mean at once, the distribution when first asked for: most callers only rank."""

    __slots__ = ("_least", "_make", "_mean", "_metric", "_mixture")

    def __init__(
        self,
        mean: FloatArray,
        least: float,
        make: Callable[[], Mixture],
        metric: Metric = LATENCY,
    ) -> None:
        """All in the base unit of `metric`, what `make` gives too."""
        self._mean, self._least, self._make, self._metric = mean, least, make, metric
        self._mixture: Mixture | None = None

    def _get(self) -> Mixture:
        if self._mixture is None:
            self._mixture = self._make()
        return self._mixture

    @property
    def metric(self) -> Metric:
        """See `OfMetric.metric`."""
        return self._metric

    @property
    def mean(self) -> FloatArray:
        """See `MetricPrediction.mean`."""
        return self._mean

    @property
    def std(self) -> FloatArray:
        """See `MetricPrediction.std`."""
        return self._get().moments()[1]

    def quantile(self, q: float) -> FloatArray:
        """See `Prediction.quantile`."""
        if not 0 < q < 1:
            raise OptionError(f"q must lie between 0 and 1, but is {q}; pass 0.9 for 90 %")
        return np.maximum(self._get().quantile(q), self._least)

    def cdf(self, value: ArrayLike, /) -> FloatArray:
        """See `Prediction.cdf`; exact."""
        asked = broadcast(value, len(self._mean))
        return np.where(asked < self._least, 0.0, self._get().cdf(asked))
