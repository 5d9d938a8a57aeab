"""What the pool teaches about new devices: each device in turn is treated as one.

The devices most like it are left out with it, so that a sibling does not make the task look easy.
Intervals are learned from both cases: some new devices have a sibling in the pool.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hwprof.predictors.fewshot.posterior import MEAN_FLOOR, Evidence, Grid, log_evidence, normalised
from hwprof.predictors.fewshot.prior import (
    device_columns,
    device_shares,
    machine_columns,
    slices_of,
)
from hwprof.predictors.pool import DevicePool
from hwprof.similarity import FeatureMap

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

# Measurements per rehearsal: the range in which the prior matters and the whole grid is looked at.
_COUNTS = (5, 10, 20)
_REPEATS = 3
# Devices rehearsed and rows of each: more would cost seconds and memory, and tell little.
_DEVICES, _ROWS = 14, 1000
# Devices correlated more than this in what sets them apart count as siblings.
_SIBLING = 0.5
# Share of the prior that stays uniform: the pool's few devices have not seen everything.
_UNIFORM = 0.2


@dataclass(frozen=True, slots=True, eq=False)
class Rehearsal:
    """One device played as new."""

    phi: FloatArray
    """Prior features, from a pool without the device, of rows measured on it, `[r, P']`."""
    slices: tuple[slice, ...]
    latency_s: FloatArray
    """Of these rows, shape `[r]`."""
    weight: float
    """How much the device counts: siblings count less."""
    switches: IntArray
    """As of `PriorFeatures`."""
    logs: bool = False
    """Whether `latency_s` are logs, centred, and the first prior feature is their offset's."""

    def evidence(self, chosen: IntArray) -> Evidence:
        """Some of its measurements, by their places."""
        if self.logs:
            rest = self.latency_s[chosen]
            return Evidence(self.phi[chosen], rest, np.zeros(len(rest)), 1.0, self.slices)
        return gather(self.phi[chosen], self.latency_s[chosen], self.slices)


def gather(
    phi: FloatArray,
    latency_s: FloatArray,
    slices: tuple[slice, ...],
    variance_s2: FloatArray | None = None,
) -> Evidence:
    """Evidence from latencies in seconds `[k]` and their known variances, seconds squared `[k]`."""
    mean = np.maximum(phi[:, 0], MEAN_FLOOR)
    scale = float(np.median(latency_s / mean))
    extra = np.zeros(len(mean)) if variance_s2 is None else variance_s2 / scale**2
    return Evidence(phi, latency_s / scale, extra, scale, slices)


def rehearsals(
    pool: DevicePool,
    relative: FloatArray,
    machines: list[FloatArray],
    deviations: FloatArray,
    maps: tuple[FeatureMap, ...],
    rng: np.random.Generator,
) -> Iterator[tuple[Rehearsal, Rehearsal]]:
    """Every device of the pool as new: to a pool without its siblings, and to one with them.

    `deviations` are the mapped features of all rows, of the transfer maps.
    """
    widths = [feature_map.matrix.shape[1] for feature_map in maps]
    devices = np.arange(relative.shape[1])
    if len(devices) > _DEVICES:
        devices = np.sort(rng.choice(devices, _DEVICES, replace=False))
    weights = device_shares(relative)
    for device in devices:
        others = without_siblings(relative, int(device))
        if len(others) < 2:
            continue
        rows = np.flatnonzero(pool.measured[:, device])
        if len(rows) > _ROWS:
            rows = np.sort(rng.choice(rows, _ROWS, replace=False))
        pair = []
        for kept in (others, np.setdiff1d(np.arange(relative.shape[1]), device)):
            known = relative[np.ix_(rows, kept)]
            unlike = [machine_columns(known, group[rows]) for group in machines]
            slices = slices_of(len(kept), [*(group.shape[1] for group in machines), *widths])
            last = zip(maps, slices[len(slices) - len(maps) :], strict=True)
            switches = [np.arange(s.start, s.stop) for m, s in last if m.basis.switch]
            pair.append(
                Rehearsal(
                    np.concatenate([device_columns(known), *unlike, deviations[rows]], axis=1),
                    slices,
                    pool.values[rows, device],
                    float(weights[device]),
                    np.concatenate([np.zeros(0, dtype=np.int64), *switches]),
                )
            )
        yield pair[0], pair[1]


def without_siblings(relative: FloatArray, device: int) -> IntArray:
    """Devices that remain when one is left out with its siblings; at least two where possible."""
    centred = relative - relative.mean(axis=1, keepdims=True)
    length = np.sqrt((centred**2).sum(axis=0)) + 1e-300
    likeness = centred.T @ centred[:, device] / (length * length[device])
    likeness[device] = np.inf
    order = np.argsort(likeness, kind="stable")
    kept = int(max((likeness < _SIBLING).sum(), min(2, len(order) - 1)))
    return np.sort(order[:kept])


def grid_shares(found: list[Rehearsal], grid: Grid, rng: np.random.Generator) -> FloatArray:
    """Mean posterior over the grid per rehearsal, shape `[r, g]`; zeros where too little is known.

    Averaged over random measurements of several counts.
    """
    shares = np.zeros((len(found), len(grid.log_prior)))
    for mine, rehearsal in zip(shares, found, strict=True):
        for count in _COUNTS:
            if len(rehearsal.latency_s) < count:
                continue
            for _ in range(_REPEATS):
                chosen = rng.choice(len(rehearsal.latency_s), count, replace=False)
                mine += normalised(log_evidence(rehearsal.evidence(chosen), grid))
        if mine.any():
            mine /= mine.sum()
    return shares


def learned_prior(shares: FloatArray) -> FloatArray:
    """Log prior over the grid `[g]` from the shares of some devices, each counting once."""
    total, points = shares.sum(axis=0), shares.shape[1]
    if not total.any():
        return np.full(points, -np.log(points))
    log_prior: FloatArray = np.log((1 - _UNIFORM) * total / total.sum() + _UNIFORM / points)
    return log_prior
