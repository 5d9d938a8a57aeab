"""How much wider the intervals must be than the model says, learned on the pool.

Two sources: how far off the model was on rehearsed devices with as many measurements, and how far
off it is on this device's own measurements, each predicted from the others.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from hwprof.predictors.fewshot.mixture import mixture
from hwprof.predictors.fewshot.posterior import Evidence, Grid, Posterior, infer
from hwprof.predictors.fewshot.rehearsal import Rehearsal, learned_prior

FloatArray = NDArray[np.float64]

# The interval that is calibrated; others follow the mixture's shape.
LEVEL = 0.9
_COUNTS = (3, 5, 10, 20)
_REPEATS = 4
# Rows on which a rehearsal's coverage is counted.
_TESTED = 150
# Candidate weights of the general width against the device's own errors, in measurements.
_TRUST = (3.0, 10.0, 30.0, np.inf)
# A single huge error is an outlier rather than a statement on the width.
_CLIP = 3.0


@dataclass(frozen=True, slots=True, eq=False)
class Calibration:
    """Width factors by the number of measurements."""

    counts: FloatArray
    """Shape `[j]`, increasing."""
    factors: FloatArray
    """Shape `[j]`."""
    trust: float
    """Measurements that the general factor is worth; infinite ignores the device's own errors."""

    def factor(self, count: int, surprise: float) -> float:
        """Width factor after `count` measurements whose mean squared standard error is given."""
        general = float(np.interp(np.log(max(count, 1)), np.log(self.counts), self.factors))
        # Never surer than the model itself: a device may look easy where it was measured.
        return max(1.0, general * _own(count, surprise, self.trust))


NONE = Calibration(np.array([1.0]), np.array([1.0]), np.inf)


def surprise(posterior: Posterior) -> float:
    """Mean squared error of each measurement predicted from the others, in deviations.

    One measurement says nothing about itself: then, and on average, this is 1.
    """
    if len(posterior.alpha) < 2:
        return 1.0
    error, deviation = posterior.leave_one_out()
    weight = posterior.weight
    # Only the error's size against what the mixture expected of it, outliers clipped.
    expected = (deviation**2) @ weight
    found: float = float(np.mean(np.minimum((error @ weight) ** 2 / expected, _CLIP**2)))
    return found


def _own(count: int, surprise: float, trust: float) -> float:
    if np.isinf(trust):
        return 1.0
    return float(np.sqrt((trust + count * surprise) / (trust + count)))


@dataclass(frozen=True, slots=True, eq=False)
class _Trial:
    device: int
    count: int
    surprise: float
    ratios: FloatArray
    """Widths needed to just cover each tested row, over the width given."""


def learn_calibration(
    found: list[Rehearsal], grid: Grid, shares: FloatArray, rng: np.random.Generator
) -> Calibration:
    """Choose factors and trust on the rehearsals.

    `shares` are the rehearsals' grid posteriors `[r, g]`: each device is rehearsed under the prior
    that the other devices give.
    """
    trials = [t for i, r in enumerate(found) for t in _try(i, r, grid, shares, rng)]
    if not trials:
        return NONE
    best: tuple[float, Calibration] | None = None
    for trust in _TRUST:
        counts = sorted({t.count for t in trials})
        factors = [_factor([t for t in trials if t.count == count], trust) for count in counts]
        candidate = Calibration(np.array(counts, float), np.array(factors), trust)
        score = _unevenness(trials, candidate)
        # Simpler wins ties: trust grows along the candidates.
        if best is None or score <= best[0]:
            best = score, candidate
    assert best is not None
    return best[1]


def _try(
    index: int,
    rehearsal: Rehearsal,
    grid: Grid,
    shares: FloatArray,
    rng: np.random.Generator,
) -> list[_Trial]:
    mine = replace(grid, log_prior=learned_prior(np.delete(shares, index, axis=0)))
    trials = []
    z = ndtri(0.5 + LEVEL / 2)
    for count in _COUNTS:
        if len(rehearsal.latency_s) < 2 * count:
            continue
        for _ in range(_REPEATS):
            order = rng.permutation(len(rehearsal.latency_s))
            tested = order[count : count + _TESTED]
            evidence: Evidence = rehearsal.evidence(order[:count])
            posterior = infer(evidence, mine)
            phi = rehearsal.phi[tested]
            mean, deviation = mixture(evidence, posterior, phi).moments()
            error = np.abs(rehearsal.latency_s[tested] / evidence.scale_s - mean)
            trials.append(_Trial(index, count, surprise(posterior), error / (z * deviation)))
    return trials


def _factor(trials: list[_Trial], trust: float) -> float:
    """The factor under which the mean coverage over devices is LEVEL."""
    ratios = [t.ratios / _own(t.count, t.surprise, trust) for t in trials]
    weights = np.concatenate([np.full(len(r), 1 / len(r)) for r in ratios])
    values = np.concatenate(ratios)
    order = np.argsort(values, kind="stable")
    place = np.searchsorted(np.cumsum(weights[order]), LEVEL * weights.sum())
    return float(values[order[min(place, len(order) - 1)]])


def _unevenness(trials: list[_Trial], calibration: Calibration) -> float:
    """Mean square shortfall of a device's coverage from LEVEL; too wide counts half."""
    covered: dict[tuple[int, int], list[float]] = {}
    for t in trials:
        width = calibration.factor(t.count, t.surprise)
        covered.setdefault((t.device, t.count), []).append(float(np.mean(t.ratios <= width)))
    gaps = np.array([np.mean(c) - LEVEL for c in covered.values()])
    return float(np.mean(np.where(gaps < 0, gaps, gaps / 2) ** 2))
