"""The rank and the error that a row owes: what simple answers to it reach, less a margin.

Three answers are tried: the mean of the pool's devices, ridge regression on the row's own
measurements where there are ten or more, and the row's proxy where the world has one. The best of
them, mean over the row's runs, less the margin, is required: whoever ranks worse had better given
that simple answer. Fewer than ten measurements need not overturn what the whole pool says.
"""

from __future__ import annotations

import numpy as np

from hwprof.predictors.base import FloatArray
from hwprof.predictors.help.ranks import rank_correlation
from hwprof.predictors.pool import DevicePool
from hwprof.testing.adversarial.case import Case, Measuring
from hwprof.testing.adversarial.targets import CLEAN
from hwprof.testing.adversarial.world import World

# The simple answers are compared afterwards, and a predictor must choose beforehand.
MARGIN = 0.05
# The same for errors, as a factor.
ALLOWANCE = 1.25
_RIDGE_FROM = 10
_STRENGTHS = 10.0 ** np.arange(-3, 3.01, 0.5)


def required_rank(case: Case, seeds: tuple[int, ...]) -> float:
    """Mean Spearman correlation of the best simple answer over the runs, less the margin."""
    features = standardised(case.world.pool.features)
    ridges, means, proxies = [], [], []
    mean = mean_device(case.world)
    for seed in seeds:
        rows = case.rows(seed)
        rest = np.setdiff1d(np.arange(len(features)), rows)
        for device in range(case.devices):
            clean = case.observed.clean_s[rest, device]
            if case.k >= _RIDGE_FROM:
                y = case.observed.measured_s[rows, device]
                answer = ridge(features[rows], y, features[rest])
                ridges.append(rank_correlation(answer, clean))
            means.append(rank_correlation(mean[rest], clean))
            if case.world.proxy is not None:
                proxies.append(rank_correlation(case.world.proxy[rest], clean))
    return max(float(np.mean(ranks)) for ranks in (ridges, means, proxies) if ranks) - MARGIN


def required_error(case: Case, seeds: tuple[int, ...]) -> float | None:
    """Median relative error of the pool's nearest device times a ratio, with some allowance.

    The ratio is the median one on the row's measurements, and the nearest device that whose ratios
    vary the least. None where the world's devices do not differ so, something was done to the new
    ones, or fewer than ten random architectures are measured.
    """
    random = case.measuring is Measuring.RANDOM and case.k >= _RIDGE_FROM
    if not (case.world.by_ratio and case.target == CLEAN and random):
        return None
    errors = []
    for seed in seeds:
        rows = case.rows(seed)
        rest = np.setdiff1d(np.arange(case.pool.rows), rows)
        for device in range(case.devices):
            truth = case.observed.truth_s[:, device]
            ratios = case.observed.measured_s[rows, device, None] / case.pool.latency_s[rows]
            nearest = int(np.log(ratios).std(axis=0).argmin())
            answer = case.pool.latency_s[rest, nearest] * np.median(ratios[:, nearest])
            errors.append(np.median(np.abs(answer / truth[rest] - 1)))
    return ALLOWANCE * float(np.mean(errors))


def standardised(features: FloatArray) -> FloatArray:
    """Mean 0 and deviation 1; constant columns become 0."""
    deviation = features.std(axis=0)
    standard: FloatArray = features - features.mean(axis=0)
    return standard / np.where(deviation > 0, deviation, np.inf)


def ridge(inputs: FloatArray, latency_s: FloatArray, wanted: FloatArray) -> FloatArray:
    """Ridge regression, `[k, d]` and `[k]` to `[r, d] -> [r]`; the strength by leave-one-out."""
    level, middle = float(latency_s.mean()), inputs.mean(axis=0)
    left, values, right = np.linalg.svd(inputs - middle, full_matrices=False)
    projected = left.T @ (latency_s - level)
    best, weights = np.inf, np.zeros(inputs.shape[1])
    for strength in _STRENGTHS:
        shrink = values**2 / (values**2 + strength)
        leverage = np.minimum((left**2) @ shrink + 1 / len(inputs), 1 - 1e-6)
        error = (latency_s - level - left @ (shrink * projected)) / (1 - leverage)
        if error @ error < best:
            best = float(error @ error)
            weights = right.T @ (projected * values / (values**2 + strength))
    answer: FloatArray = (wanted - middle) @ weights + level
    return answer


def mean_device(world: World) -> FloatArray:
    """Mean over the pool's devices of what each says of all architectures, `[n]`.

    Devices that lack rows are completed by ridge regression on those that they have.
    """
    pool = world.pool
    known = [_completed(pool, device) for device in range(len(pool.devices))]
    mean: FloatArray = np.mean(known, axis=0)
    return mean


def _completed(pool: DevicePool, device: int) -> FloatArray:
    measured, latency = pool.measured[:, device], pool.latency_s[:, device]
    if not measured.all():
        inputs = standardised(pool.features)
        latency = ridge(inputs[measured], latency[measured], inputs)
    relative: FloatArray = latency / np.abs(latency).mean()
    return relative
