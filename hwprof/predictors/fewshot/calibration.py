"""How much wider the intervals must be than the model says, learned on the pool.

Each pool device is played as new, and the widths are stretched until nominal intervals cover what
they should, after random measurements and after designed ones. A device's own leave-one-out errors
are not used: with ten measurements they do not tell which device needs more
(docs/decisions/0006).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from hwprof.predictors.fewshot.mixture import mixture
from hwprof.predictors.fewshot.posterior import Grid, infer
from hwprof.predictors.fewshot.rehearsal import Rehearsal, learned_prior
from hwprof.predictors.fewshot.selection import design

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

# The interval that is calibrated; others follow the mixture's shape.
LEVEL = 0.9
_COUNTS = (3, 5, 10, 20)
# Random draws per pool and count, shared out among the devices: with these, the factors wander by
# a tenth from seed to seed.
_DRAWS, _LEAST_DRAWS = 42, 3
# Designed measurements per rehearsal, and how many rows each is chosen from.
_DESIGNS, _DESIGNED_FROM = 1, 300
# Rows on which a rehearsal's coverage is counted.
_TESTED = 150


@dataclass(frozen=True, slots=True, eq=False)
class Calibration:
    """Width factors by the number of measurements."""

    counts: FloatArray
    """Shape `[j]`, increasing."""
    factors: FloatArray
    """Shape `[j]`."""

    def factor(self, count: int) -> float:
        """Width factor after `count` measurements."""
        found = float(np.interp(np.log(max(count, 1)), np.log(self.counts), self.factors))
        # Never surer than the model itself: the pool's devices may be easier than the next one.
        return max(1.0, found)


NONE = Calibration(np.array([1.0]), np.array([1.0]))


@dataclass(frozen=True, slots=True, eq=False)
class _Trial:
    count: int
    weight: float
    ratios: FloatArray
    """Widths needed to just cover each tested row, over the width given."""


def learn_calibration(
    found: list[tuple[Rehearsal, Rehearsal]],
    grid: Grid,
    shares: FloatArray,
    rng: np.random.Generator,
) -> Calibration:
    """Choose the factors on the rehearsals, two per device.

    `shares` are the devices' grid posteriors `[r, g]`: each device is rehearsed under the prior
    that the other devices give.
    """
    draws = max(_DRAWS // max(len(found), 1), _LEAST_DRAWS)
    trials = [
        trial
        for i, pair in enumerate(found)
        for rehearsal in pair
        for trial in _try(rehearsal, _prior_without(i, grid, shares), draws, rng)
    ]
    if not trials:
        return NONE
    counts = sorted({t.count for t in trials})
    factors = np.array([_factor([t for t in trials if t.count == count]) for count in counts])
    return Calibration(np.array(counts, float), factors)


def _prior_without(device: int, grid: Grid, shares: FloatArray) -> Grid:
    return replace(grid, log_prior=learned_prior(np.delete(shares, device, axis=0)))


def _try(rehearsal: Rehearsal, grid: Grid, draws: int, rng: np.random.Generator) -> list[_Trial]:
    rows = len(rehearsal.latency_s)
    counts = [count for count in _COUNTS if rows >= 2 * count]
    if not counts:
        return []
    orders = [(rehearsal.weight / draws, rng.permutation(rows)) for _ in range(draws)]
    for order in _designed(rehearsal, grid, max(counts), rng):
        orders.append((rehearsal.weight / _DESIGNS, order))
    return [
        _Trial(count, weight, _ratios(rehearsal, grid, order[:count], order[max(counts) :]))
        for weight, order in orders
        for count in counts
    ]


def _designed(
    rehearsal: Rehearsal, grid: Grid, count: int, rng: np.random.Generator
) -> Iterator[IntArray]:
    """Orders of the rows that begin with the best to measure among some of them."""
    rows = len(rehearsal.latency_s)
    for _ in range(_DESIGNS):
        some = np.sort(rng.permutation(rows)[: max(min(_DESIGNED_FROM, rows // 2), count)])
        own = rehearsal.phi, rehearsal.slices, grid
        chosen = design(*own, some, count, rehearsal.switches)
        rest = np.setdiff1d(np.arange(rows), chosen)
        yield np.concatenate([chosen, rng.permutation(rest)])


def _ratios(rehearsal: Rehearsal, grid: Grid, chosen: IntArray, others: IntArray) -> FloatArray:
    tested = others[:_TESTED]
    evidence = rehearsal.evidence(chosen)
    predicted = mixture(evidence, infer(evidence, grid), rehearsal.phi[tested])
    centre = predicted.centre
    error = rehearsal.latency_s[tested] / evidence.scale_s - centre
    tail = 0.5 * (1 - LEVEL)
    low, high = centre - predicted.quantile(tail), predicted.quantile(1 - tail) - centre
    found: FloatArray = np.abs(error) / np.maximum(np.where(error > 0, high, low), 1e-300)
    return found


def _factor(trials: list[_Trial]) -> float:
    """The factor under which the mean coverage over devices is LEVEL."""
    weights = np.concatenate([np.full(len(t.ratios), t.weight / len(t.ratios)) for t in trials])
    values = np.concatenate([t.ratios for t in trials])
    order = np.argsort(values, kind="stable")
    place = np.searchsorted(np.cumsum(weights[order]), LEVEL * weights.sum())
    return float(values[order[min(place, len(order) - 1)]])
