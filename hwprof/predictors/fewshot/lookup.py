"""Finds which row of a pool a feature row is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from hwprof.blocks import blocks

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

# Integer features up to here, times weights below 2^32, add up exactly in double precision.
_LARGEST = 255
_WEIGHTS = 2**32
_WIDEST = 4096


@dataclass(frozen=True, slots=True, eq=False)
class RowLookup:
    """Of rows of small integers, such as one-hot choices and counts.

    A row's key is a sum with random integer weights, the same in whatever order it is added up.
    What the key finds is compared in full.
    """

    features: NDArray[np.uint8]
    """Rows of the pool in the order of their keys, shape `[n, d]`."""
    rows: IntArray
    """Where they stand in the pool, shape `[n]`."""
    keys: FloatArray
    """Increasing, shape `[n]`."""
    weights: FloatArray
    """Shape `[d]`."""

    @classmethod
    def of(cls, features: FloatArray) -> Self | None:
        """For the rows of a pool `[n, d]`; None where they are not small integers."""
        if features.shape[1] > _WIDEST:
            return None
        if not all(_small_integers(features[rows]) for rows in blocks(len(features))):
            return None
        rng = np.random.default_rng(0)
        weights: FloatArray = np.floor(rng.uniform(1, _WEIGHTS, features.shape[1]))
        keys: FloatArray = features @ weights
        order = np.argsort(keys, kind="stable")
        return cls(features.astype(np.uint8)[order], order.astype(np.int64), keys[order], weights)

    def __call__(self, features: FloatArray) -> IntArray:
        """Row of the pool of each feature row, `[n, d] -> [n]`; -1 where there is none."""
        found = np.empty(len(features), dtype=np.int64)
        for rows in blocks(len(features)):
            asked = features[rows]
            key = asked @ self.weights
            place = np.minimum(np.searchsorted(self.keys, key), len(self.keys) - 1)
            # Most of what is outside the pool has a key that is not in it.
            alike = np.flatnonzero(self.keys[place] == key)
            place = place[alike]
            same = (self.features[place] == asked[alike]).all(axis=1)
            part = found[rows]
            part[:] = -1
            part[alike] = np.where(same, self.rows[place], -1)
        return found


def _small_integers(features: FloatArray) -> bool:
    small = (features >= 0).all() and (features <= _LARGEST).all()
    return bool(small and (features == np.rint(features)).all())
