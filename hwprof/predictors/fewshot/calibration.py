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

FloatArray = NDArray[np.float64]

# The interval that is calibrated; others follow the mixture's shape.
LEVEL = 0.9
_COUNTS = (3, 5, 10, 20)
# Draws per pool and count, shared out among the devices. With half of them, the factors wander by a
# tenth from seed to seed.
_DRAWS, _LEAST_DRAWS = 72, 3
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
    trials = []
    z = ndtri(0.5 + LEVEL / 2)
    for count in _COUNTS:
        if len(rehearsal.latency_s) < 2 * count:
            continue
        for _ in range(draws):
            order = rng.permutation(len(rehearsal.latency_s))
            tested = order[count : count + _TESTED]
            evidence: Evidence = rehearsal.evidence(order[:count])
            posterior = infer(evidence, grid)
            mean, deviation = mixture(evidence, posterior, rehearsal.phi[tested]).moments()
            error = np.abs(rehearsal.latency_s[tested] / evidence.scale_s - mean)
            trials.append(_Trial(count, error / (z * deviation)))
    return trials


def _factor(trials: list[_Trial]) -> float:
    """The factor under which the mean coverage over devices is LEVEL."""
    weights = np.concatenate([np.full(len(t.ratios), 1 / len(t.ratios)) for t in trials])
    values = np.concatenate([t.ratios for t in trials])
    order = np.argsort(values, kind="stable")
    place = np.searchsorted(np.cumsum(weights[order]), LEVEL * weights.sum())
    return float(values[order[min(place, len(order) - 1)]])
