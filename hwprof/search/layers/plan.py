"""Which architectures to measure once, so that every layer's every choice is among them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from hwprof import spaces
from hwprof.errors import OptionError
from hwprof.search.layers.fitting import seen
from hwprof.spaces.analytic import CountedSpace

IntArray = NDArray[np.int64]

# Architectures to choose each of them from.
_DRAWN = 512


def covering(space: str, *, least: int = 20, seed: int = 0) -> list[str]:
    """Architectures of `space` that together make every choice in every layer, greedily few.

    At least `least` of them: that is how many the sums' error is told from. The same for the same
    `seed`. Raises OptionError for a space without layers, and a number that is none.
    """
    known = spaces.get(space)
    if not isinstance(known, CountedSpace) or not known.part_works:
        raise OptionError(f"the space {space} does not say which layers its architectures have")
    if least < 1:
        raise OptionError(f"least must be 1 or more, but is {least}; 20 are usual")
    rng = np.random.default_rng(seed)
    drawn = known.sample(max(_DRAWN, 2 * least), rng)
    marks = _marks(known, drawn)
    reachable = marks.any(axis=0)
    covered = np.zeros_like(reachable)
    chosen: list[int] = []
    while len(chosen) < least or (reachable & ~covered).any():
        gain = (marks & ~covered).sum(axis=1).astype(np.float64)
        gain[chosen] = -1
        best = int(gain.argmax())
        if gain[best] < 0:
            break
        chosen.append(best)
        covered |= marks[best]
        if len(chosen) < least and not (reachable & ~covered).any():
            # All is covered once: begin anew, so that each choice is measured more than once.
            covered[:] = False
    return known.texts(drawn[chosen])


def _marks(space: CountedSpace, rows: IntArray) -> NDArray[np.bool_]:
    """Which layer's choices each architecture makes, `[n, choices of all layers]`."""
    columns = []
    for part in space.part_works:
        there = np.ones(len(rows), dtype=np.bool_)
        if part.positions:
            there = part.work[tuple(rows[:, list(part.positions)].T)].any(axis=1)
        for axis, position in enumerate(part.positions):
            one = seen(part, rows, there)
            if one.shape[axis] > 1:
                choices = np.arange(part.work.shape[axis])
                columns.append((rows[:, position, None] == choices) & there[:, None])
    return np.concatenate(columns, axis=1) if columns else np.ones((len(rows), 1), dtype=np.bool_)
