"""How much wider the intervals must be than the model says, learned on the pool.

Each pool device is played as new, and the widths are stretched until nominal intervals cover what
they should. A device's own leave-one-out errors are not used: with ten measurements they do not
tell which device needs more (docs/decisions/0006).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from hwprof.predictors.fewshot.mixture import mixture
from hwprof.predictors.fewshot.posterior import Evidence, Grid, infer
from hwprof.predictors.fewshot.rehearsal import Rehearsal, learned_prior
from hwprof.predictors.fewshot.selection import design

FloatArray = NDArray[np.float64]

# The interval that is calibrated; others follow the mixture's shape.
LEVEL = 0.9
_COUNTS = (3, 5, 10, 20)
# Draws per pool and count, shared out among the devices. With half of them, the factors wander by a
# tenth from seed to seed.
_DRAWS, _LEAST_DRAWS = 72, 3
# Rows on which a rehearsal's coverage is counted.
_TESTED = 150
# Designed measurements per rehearsal, and how many rows each is chosen from.
_DESIGNS, _DESIGNED_FROM = 2, 300


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
    device: int
    weight: float
    ratios: FloatArray
    """Widths needed to just cover each tested row, over the width given."""


def learn_calibration(
    found: list[tuple[Rehearsal, Rehearsal]],
    grid: Grid,
    shares: FloatArray,
    opinions: float,
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
        for trial in _try(i, rehearsal, _prior_without(i, grid, shares, max(opinions - 1, 1)), draws, rng)
    ]
    if not trials:
        return NONE
    counts = sorted({t.count for t in trials})
    import os, sys
    factors = [_factor([t for t in trials if t.count == count]) for count in counts]
    wl, ws = float(os.environ.get("WL", ".75")), float(os.environ.get("WS", "1"))
    worst = [_worst([t for t in trials if t.count == count], wl, ws) for count in counts]
    if os.environ.get("SHOW"): print("factors", np.round(factors,2), "worst", np.round(worst,2),file=sys.stderr)
    factors = np.maximum(factors, worst)
    return Calibration(np.array(counts, float), np.array(factors))


def _prior_without(device: int, grid: Grid, shares: FloatArray, opinions: float) -> Grid:
    return replace(grid, log_prior=learned_prior(np.delete(shares, device, axis=0), opinions))


def _try(device: int, rehearsal: Rehearsal, grid: Grid, draws: int, rng: np.random.Generator) -> list[_Trial]:
    trials = []
    rows = len(rehearsal.latency_s)
    counts = [count for count in _COUNTS if rows >= 2 * count]
    if not counts:
        return []
    orders = [(False, rng.permutation(rows)) for _ in range(draws)]
    for _ in range(_DESIGNS):
        some = np.sort(rng.permutation(rows)[: min(_DESIGNED_FROM, rows - rows // 3)])
        chosen = design(rehearsal.phi, rehearsal.slices, grid, some, min(max(counts), len(some)))
        rest = rng.permutation(np.setdiff1d(np.arange(rows), chosen))
        orders.append((True, np.concatenate([chosen, rest])))
    for designed, order in orders:
        for count in counts:
            tested = order[count : count + _TESTED] if not designed else order[-_TESTED:]
            evidence: Evidence = rehearsal.evidence(order[:count])
            posterior = infer(evidence, grid)
            predicted = mixture(evidence, posterior, rehearsal.phi[tested])
            centre = predicted.weight @ predicted.mean
            error = rehearsal.latency_s[tested] / evidence.scale_s - centre
            high = predicted.quantile(0.5 + LEVEL / 2) - centre
            low = centre - predicted.quantile(0.5 - LEVEL / 2)
            ratio = np.abs(error) / np.maximum(np.where(error > 0, high, low), 1e-300)
            w = rehearsal.weight / (2 * (_DESIGNS if designed else draws))
            trials.append(_Trial(count, device, w, ratio))
    return trials


def _factor(trials: list[_Trial]) -> float:
    """The factor under which the mean coverage over devices is LEVEL."""
    weights = np.concatenate([np.full(len(t.ratios), t.weight / len(t.ratios)) for t in trials])
    values = np.concatenate([t.ratios for t in trials])
    order = np.argsort(values, kind="stable")
    place = np.searchsorted(np.cumsum(weights[order]), LEVEL * weights.sum())
    return float(values[order[min(place, len(order) - 1)]])


def _worst(trials: list[_Trial], level: float, share: float) -> float:
    """The factor under which devices of this share at most are covered less than the level."""
    devices = sorted({t.device for t in trials})
    needed, weights = [], []
    for device in devices:
        mine = [t for t in trials if t.device == device]
        w = np.concatenate([np.full(len(t.ratios), t.weight / len(t.ratios)) for t in mine])
        values = np.concatenate([t.ratios for t in mine])
        order = np.argsort(values, kind="stable")
        place = np.searchsorted(np.cumsum(w[order]), level * w.sum())
        needed.append(values[order[min(place, len(order) - 1)]])
        weights.append(w.sum())
    order = np.argsort(needed)
    total = np.cumsum(np.array(weights)[order]) / sum(weights)
    place = int(np.searchsorted(total, 1 - share))
    return float(np.array(needed)[order][min(place, len(order) - 1)])
