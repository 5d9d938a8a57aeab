"""Ridge regression on the features, from the target's measurements alone."""

from __future__ import annotations

from typing import Self

import numpy as np

from hwprof.predictors.base import FloatArray
from hwprof.predictors.baselines.base import Baseline, Known, Regression, dispersion
from hwprof.predictors.pool import DevicePool
from hwprof.similarity import FeatureMap, Linear, Similarity, check_similarity

_STRENGTHS = 10.0 ** np.arange(-4, 3.01, 0.5)
# Prior variance of the raw features beside the space's own summary of an architecture.
_RAW = 0.01


class RidgeRegression(Baseline):
    """Linear in standardised features; the strength by leave-one-out error.

    Hoerl & Kennard, Technometrics 1970; leave-one-out in closed form after Allen, Technometrics
    1974. With `similarity` the space's own summary of an architecture (operation counts, block
    physics) comes first, the raw features second. The pool lends the scale of its features, and
    no latency.
    """

    def __init__(self, known: Known, maps: tuple[FeatureMap, ...]) -> None:
        self.known = known
        self.maps = maps

    @classmethod
    def fit(cls, pool: DevicePool, *, similarity: Similarity | None = None, seed: int = 0) -> Self:
        """See `Predictor.fit`. Raises OptionError for what is no `Similarity`."""
        maps = summaries(pool, similarity, seed)
        return cls(Known.of(pool, mapped(maps, pool.features), dispersion(pool)), maps)

    def inputs(self, features: FloatArray) -> FloatArray:
        """Standardised features, `[n, p]`."""
        return mapped(self.maps, features)

    def regress(self, inputs: FloatArray, latency_s: FloatArray, weight: FloatArray) -> Regression:
        """See `Baseline.regress`. Errors are absolute: the sum of costs is in seconds."""
        share = weight**2 / (weight**2).sum()
        level, middle = float(share @ latency_s), share @ inputs
        if len(latency_s) == 1:
            return lambda rows: np.full(len(rows), level)
        left, values, right = np.linalg.svd(
            weight[:, None] * (inputs - middle), full_matrices=False
        )
        kept = values > 1e-9 * max(values[0], 1e-300)
        left, values, right = left[:, kept], values[kept], right[kept]
        target = weight * (latency_s - level)
        projected = left.T @ target
        best, weights = np.inf, np.zeros(inputs.shape[1])
        for strength in _STRENGTHS:
            shrink = values**2 / (values**2 + strength)
            leverage = np.minimum((left**2) @ shrink + share, 1 - 1e-6)
            misfit = (target - left @ (shrink * projected)) / (1 - leverage)
            if (misfit @ misfit) < best:
                best = float(misfit @ misfit)
                weights = right.T @ (shrink * projected / values)
        return lambda rows: (rows - middle) @ weights + level


def summaries(pool: DevicePool, similarity: Similarity | None, seed: int) -> tuple[FeatureMap, ...]:
    """The raw features, standardised, after the linear summary that a similarity has, if any."""
    rng, flat = np.random.default_rng(seed), np.ones(pool.rows)
    raw = Linear().fit(pool.features, flat, rng)
    known = () if similarity is None else check_similarity(similarity).transfer
    for component in known:
        if isinstance(component, Linear) and component.matrix is not None:
            root = float(np.sqrt(_RAW))
            faint = FeatureMap(raw.basis, raw.matrix * root, raw.offset * root)
            return component.fit(pool.features, flat, rng), faint
    return (raw,)


def mapped(maps: tuple[FeatureMap, ...], features: FloatArray) -> FloatArray:
    """All maps side by side, `[n, d] -> [n, p]`."""
    return np.hstack([feature_map(features) for feature_map in maps])
