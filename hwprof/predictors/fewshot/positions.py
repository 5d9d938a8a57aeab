"""Which of a pool's features are the choices of one position: all that folding needs of a space.

Shapes: n architectures, d features, p positions.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from hwprof.blocks import blocks

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Positions:
    """Features in groups that lie side by side, of which each architecture has exactly one."""

    starts: IntArray
    """First feature of each position, shape `[p]`."""
    sizes: IntArray
    """Choices of each position, shape `[p]`."""

    @classmethod
    def of(cls, features: FloatArray) -> Self | None:
        """Those of a pool `[n, d]`; None where its features are not one-hot by position.

        The shortest groups that do. A choice that no row takes may come to a wrong group; whoever
        takes it is not one-hot then, and is told so.
        """
        width = features.shape[1]
        least, most = np.full(width, np.inf), np.zeros(width)
        for rows in blocks(len(features)):
            part = features[rows]
            if not ((part == 0) | (part == 1)).all():
                return None
            count = np.cumsum(part, axis=1)
            least = np.minimum(least, count.min(axis=0))
            most = np.maximum(most, count.max(axis=0))
        wanted = np.arange(1, most[-1] + 1) if width else np.zeros(0)
        if not wanted.size or least[-1] != most[-1]:
            return None
        # A position ends where every row has made its choice, and none the next one's.
        ends = np.searchsorted(least, wanted)
        if not (most[ends] == wanted).all():
            return None
        starts = np.append(0, ends[:-1] + 1)
        return cls(starts, np.diff(np.append(starts, width)))

    @property
    def width(self) -> int:
        """Features per architecture, d."""
        return int(self.sizes.sum())

    def choices(self, features: FloatArray) -> IntArray | None:
        """Index of the choice at each position, `[n, d] -> [n, p]`; None unless all are one-hot."""
        flat = np.ascontiguousarray(features).reshape(-1)
        hot = np.flatnonzero(flat)
        if hot.size != len(features) * len(self.starts) or not (flat[hot] == 1).all():
            return None
        found = hot.reshape(len(features), -1)
        found -= (np.arange(len(features)) * self.width)[:, None] + self.starts
        if not ((found >= 0) & (found < self.sizes)).all():
            return None
        return found

    def grid(self) -> FloatArray:
        """Every architecture there is, one-hot; the last position varies first."""
        chosen = np.indices(tuple(self.sizes)).reshape(len(self.sizes), -1).T + self.starts
        features = np.zeros((len(chosen), self.width))
        features[np.arange(len(chosen))[:, None], chosen] = 1
        return features
