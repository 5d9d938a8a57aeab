"""Rows that stand for a large pool where all of them would cost minutes and gigabytes."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from hwprof.predictors.pool import DevicePool

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

# A pool of up to so many rows stands for itself.
_ALL = 65_536
# Of a larger one, rows drawn from all, and rows drawn from those measured on each device.
_DRAWN, _MEASURED = 20_000, 1000
# Candidates between which a design chooses: the best of so many is as good as the best of all.
CANDIDATES = 20_000


def rehearsed(
    pool: DevicePool, relative: FloatArray, rng: np.random.Generator
) -> tuple[DevicePool, FloatArray]:
    """The part of a pool on which devices are rehearsed, and its relative latencies `[r, m]`.

    The whole of a small pool.
    """
    if pool.rows <= _ALL:
        return pool, relative
    chosen = [rng.choice(pool.rows, min(_DRAWN, pool.rows), replace=False)]
    for column in pool.values.T:
        rows = np.flatnonzero(~np.isnan(column))
        chosen.append(rng.choice(rows, min(_MEASURED, len(rows)), replace=False))
    rows = np.unique(np.concatenate(chosen))
    part = DevicePool(pool.features[rows], pool.values[rows], pool.devices, metric=pool.metric)
    return part, relative[rows]


def candidates_of(rows: IntArray, k: int) -> IntArray:
    """Those of many candidates, in order, between which a design chooses: always the same ones."""
    most = max(CANDIDATES, k)
    if len(rows) <= most:
        return rows
    return np.sort(np.random.default_rng(0).choice(rows, most, replace=False))
