"""Pools whose latencies span decades: when a model of logs is fitted, and when it answers."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import numpy as np
from numpy.typing import NDArray

from hwprof.predictors.fewshot.calibration import learn_calibration
from hwprof.predictors.fewshot.fitted import Fitted
from hwprof.predictors.fewshot.logs import LogScale, Warp, offset_first
from hwprof.predictors.fewshot.mixture import LEAST
from hwprof.predictors.fewshot.posterior import Grid, infer, posterior_weights
from hwprof.predictors.fewshot.prior import build
from hwprof.predictors.fewshot.rehearsal import (
    Rehearsal,
    grid_shares,
    learned_prior,
    rehearsals,
)
from hwprof.predictors.fewshot.sampling import rehearsed
from hwprof.predictors.fewshot.smoothing import measured_mean, smooth
from hwprof.predictors.pool import DevicePool
from hwprof.similarity import Similarity

FloatArray = NDArray[np.float64]

# Mean relative latency of the large rows over that of the small ones from which costs span
# decades. Not of the very smallest: a few disconnected cells of NAS-Bench-201 take no time.
_SPAN, _SMALL, _LARGE = 30.0, 0.05, 0.95
# Rows that stand for those of a large pool.
_SEEN = 20_000
# A feature whose magnitudes differ by more than this is taken as its logarithm.
_WIDE = 30.0
# Deviations of logs beside the similarity's own: where costs span decades, features tell them to
# within tens of percent, and a factor of two is no outlier.
_NOISES = (0.3, 0.45, 0.7, 1.0)
# Noise with which each device is rehearsed once more: the pool's devices were measured with care,
# and among the outermost rows, which a design takes, noise passes for what a device is like.
_NOISY = 0.1, 0.5
# Measurements per rehearsal by which the two models are compared, draws per device, and rows.
_COUNT, _DRAWS, _TESTED = 10, 3, 200


def spans_decades(pool: DevicePool) -> bool:
    """Whether the pool's latencies are of such different sizes that errors are relative."""
    rows = np.flatnonzero(pool.measured.any(axis=1))
    some = rows[:: max(1, len(rows) // _SEEN)]
    relative = pool.values[some] / measured_mean(pool)
    small, large = np.quantile(np.nanmean(relative, axis=1), (_SMALL, _LARGE))
    return bool(large > _SPAN * small)


def fit_logs(
    pool: DevicePool,
    similarity: Similarity,
    linear: list[tuple[Rehearsal, Rehearsal]],
    grid: Grid,
    seed: int,
) -> LogScale | None:
    """The model of logs where costs span decades and it rehearses better; None elsewhere.

    `linear` are the rehearsals of the model of latencies, and `grid` its own.
    """
    if not (linear and spans_decades(pool)):
        return None
    rng = np.random.default_rng([seed, 1])
    warp = warping(pool.features)
    warped = replace(pool, features=warp(pool.features))
    smoothed = smooth(warped, similarity, rng, logs=True)
    cost = np.exp(smoothed.rows.mean(axis=1))
    maps = tuple(component.fit(warped.features, cost, rng) for component in similarity.transfer)
    prior = build(smoothed, (), maps)
    part, relative = rehearsed(warped, smoothed.rows, rng)
    mapped = [feature_map(part.features) for feature_map in maps]
    deviations = np.concatenate([np.zeros((part.rows, 0)), *mapped], axis=1)
    # Idealised machines are sums of times: they have no place among logs.
    amplitudes = np.array(list(product(similarity.device_weights, *similarity.transfer_weights)))
    noises = np.union1d(similarity.noises, _NOISES)
    flat = Grid(amplitudes, noises, np.zeros(len(amplitudes) * len(noises)))
    quiet = [
        (in_logs(one), in_logs(other))
        for one, other in rehearsals(part, relative, [], deviations, maps, rng)
    ]
    found = quiet + [(_noisier(one, rng), _noisier(other, rng)) for one, other in quiet]
    shares = grid_shares([alone for alone, _ in found], flat, rng)
    own = replace(flat, log_prior=learned_prior(shares))
    if _error(quiet, own, seed) >= _error(linear, grid, seed):
        return None
    calibration = learn_calibration(found, flat, shares, rng)
    inner = Fitted(
        features=warped.features,
        devices=pool.devices,
        names=None,
        scale_s=smoothed.scale_s,
        prior=prior,
        grid=own,
        calibration=calibration,
        similarity=similarity.name,
        metric=pool.metric,
    )
    return LogScale(inner, warp)


def warping(features: FloatArray) -> Warp:
    """Logs for the features `[n, d]` whose magnitudes span decades."""
    size = np.abs(features)
    least = np.where(size > 0, size, np.inf).min(axis=0)
    return Warp(np.where(size.max(axis=0) > _WIDE * least, least, 0.0))


def in_logs(rehearsal: Rehearsal) -> Rehearsal:
    """A rehearsal whose prior features are of logs, with logs to predict in place of latencies."""
    mean, phi = offset_first(rehearsal.phi)
    rest = np.log(rehearsal.latency_s) - mean
    return replace(rehearsal, phi=phi, latency_s=rest - np.median(rest), logs=True)


def _noisier(rehearsal: Rehearsal, rng: np.random.Generator) -> Rehearsal:
    """The same device, measured with more noise."""
    noise = np.exp(rng.uniform(*np.log(_NOISY))) * rng.standard_normal(len(rehearsal.latency_s))
    return replace(rehearsal, latency_s=rehearsal.latency_s + noise)


def _error(found: list[tuple[Rehearsal, Rehearsal]], grid: Grid, seed: int) -> float:
    """Median absolute error of logs, mean over the devices; the same rows for either model."""
    errors: list[float] = []
    weights: list[float] = []
    for pair in found:
        for rehearsal in pair:
            rng = np.random.default_rng([seed, 2, len(errors)])
            weights.append(rehearsal.weight)
            errors.append(float(np.mean([_once(rehearsal, grid, rng) for _ in range(_DRAWS)])))
    return float(np.average(errors, weights=weights))


def _once(rehearsal: Rehearsal, grid: Grid, rng: np.random.Generator) -> float:

    order = rng.permutation(len(rehearsal.latency_s))
    count = min(_COUNT, max(len(order) // 2, 1))
    rest = order[count : count + _TESTED]
    if not len(rest):
        return 0.0
    evidence = rehearsal.evidence(order[:count])
    centre = rehearsal.phi[rest] @ posterior_weights(evidence, infer(evidence, grid))
    truth = rehearsal.latency_s[rest]
    if not rehearsal.logs:
        centre = np.log(np.maximum(centre, LEAST * evidence.scale_s))
        truth = np.log(truth)
    return float(np.median(np.abs(centre - truth)))
