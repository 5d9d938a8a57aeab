"""Which architectures to measure: greedy A-optimal design.

Each step takes the candidate that lowers the mean posterior variance over the pool the most
(Chaloner & Verdinelli, Bayesian experimental design: a review, 1995).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from hwprof.predictors.fewshot.posterior import MEAN_FLOOR, SPEED_VARIANCE, Grid, normalised
from hwprof.predictors.fewshot.prior import PriorRows

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

# Rows that stand for the whole pool: the mean variance over them is known to a few percent.
_TARGETS = 2000
# The first few measurements can only settle what the typical device does: they are chosen for
# geometric mean amplitudes. Later ones also guard against devices that deviate more: arithmetic
# means. Three was chosen on validation devices.
_TYPICAL = 3
# Share of the candidates at either end of the typical cost that the first few leave out, and all do
# where they are that far from the mean: there the model is wrong first, and pulls on the rest.
_ENDS, _NEAR = 0.05, (0.6, 1.5)


def design(
    phi: FloatArray | PriorRows,
    slices: tuple[slice, ...],
    grid: Grid,
    candidates: IntArray,
    k: int,
    switches: IntArray,
) -> IntArray:
    """The k best of the candidates, best first, shape `[k]`.

    The first ones are of ordinary cost, and run whole by every kind of device: `switches` are the
    columns of phi that are zero for those.
    """
    asked = phi[candidates]
    cost = asked[:, 0]
    low, high = np.quantile(cost, (_ENDS, 1 - _ENDS))
    middle = float(cost.mean())
    near = (cost >= min(low, middle * _NEAR[0])) & (cost <= max(high, middle * _NEAR[1]))
    if near.sum() >= k:
        candidates, asked, cost = candidates[near], asked[near], cost[near]
    plain = (cost >= low) & (cost <= high) & ~asked[:, switches].any(axis=1)
    if plain.sum() < min(k, _TYPICAL):
        plain[:] = True
    first = np.flatnonzero(plain)
    targets = phi[:: max(1, len(phi) // _TARGETS)]
    weight = normalised(grid.log_prior)
    amplitudes, noises = grid.points()
    typical = np.exp(weight @ np.log(amplitudes)), float(np.exp(weight @ np.log(noises)))
    cautious = weight @ amplitudes, float(weight @ noises)
    found = _greedy(targets, asked[first], slices, *typical, min(k, _TYPICAL), [])
    chosen = first[found].tolist()
    if k > _TYPICAL:
        chosen = _greedy(targets, asked, slices, *cautious, k, chosen)
    return candidates[np.array(chosen, dtype=np.int64)]


def _greedy(
    targets: FloatArray,
    asked: FloatArray,
    slices: tuple[slice, ...],
    amplitudes: FloatArray,
    noise: float,
    k: int,
    given: list[int],
) -> list[int]:
    """Places of the k best among those asked for, the given ones first."""
    root = np.zeros(asked.shape[1])
    root[0] = np.sqrt(SPEED_VARIANCE)
    for columns, amplitude in zip(slices, amplitudes, strict=True):
        root[columns] = np.sqrt(amplitude)
    wanted = (targets * root).T @ (targets * root)
    options = asked * root
    # Half way between noise in proportion to the latency and a clock's constant error: with the
    # former alone, fast architectures would always look the most telling.
    noise_variance = noise**2 * np.maximum(asked[:, 0], MEAN_FLOOR) + 1e-12
    known = options.copy()
    chosen: list[int] = []
    for step in range(k):
        variance = (known * options).sum(axis=1) + noise_variance
        if step < len(given):
            best = given[step]
        else:
            gain = ((known @ wanted) * known).sum(axis=1) / variance
            gain[chosen] = -np.inf
            best = int(np.argmax(gain))
        chosen.append(best)
        known = known - np.outer(options @ known[best], known[best]) / variance[best]
    return chosen
