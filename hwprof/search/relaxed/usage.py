"""Which positions an architecture uses, by what it chooses at others: layers past a depth are not.

Shapes: n architectures, p positions, c choices at most.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hwprof.errors import OptionError
from hwprof.predictors.base import IntArray
from hwprof.search.architectures import Architectures

# Architectures on which what was found is compared with the space, seeded.
_PROBES = 64


@dataclass(frozen=True, slots=True, eq=False)
class Usage:
    """What decides whether a position is used, one other position at most."""

    owner: IntArray
    """Number of the position that decides, -1 where the position is always used, `[p]`."""
    used: NDArray[np.bool_]
    """Whether the position is used, by the choice at its owner, `[p, c]`; all true without one."""

    @classmethod
    def of(cls, view: Architectures) -> Usage:
        """As the space's canonical form tells.

        Raises OptionError where a position depends on several others, or on one that is itself not
        always used.
        """
        sizes, count = view.sizes, len(view.sizes)
        owner = np.full(count, -1, dtype=np.int64)
        used = np.ones((count, int(sizes.max())), dtype=np.bool_)
        full = np.minimum(sizes - 1, 1)
        for place in range(count):
            rows = np.tile(full, (int(sizes[place]), 1))
            rows[:, place] = np.arange(sizes[place])
            gone = view.indices(rows) != rows
            # What is unused whatever is chosen here depends on another position.
            depends = gone.any(axis=0) & ~gone.all(axis=0)
            depends[place] = False
            for child in np.flatnonzero(depends):
                if owner[child] >= 0:
                    raise _not_told(view)
                owner[child] = place
                used[child, : sizes[place]] = ~gone[:, child]
        found = cls(owner, used)
        rows = np.random.default_rng(0).integers(0, sizes, (_PROBES, count))
        owned = owner >= 0
        nested = bool((owner[owner[owned]] >= 0).any())
        if nested or not np.array_equal(found.canonical(rows), view.indices(rows)):
            raise _not_told(view)
        return found

    def canonical(self, rows: IntArray) -> IntArray:
        """Rows `[n, p]` with choice 0 at positions that they do not use."""
        clean = rows.copy()
        for child in np.flatnonzero(self.owner >= 0):
            clean[~self.used[child, rows[:, self.owner[child]]], child] = 0
        return clean

    def closed(self, positions: IntArray) -> IntArray:
        """These positions and those that decide whether they are used, increasing."""
        owners = self.owner[positions]
        return np.union1d(positions, owners[owners >= 0])


def _not_told(view: Architectures) -> OptionError:
    return OptionError(
        f"a position of the space {view.space.name} is used or not by what several others choose, "
        "which gradients cannot be taken through; use Objective, without gradients"
    )
