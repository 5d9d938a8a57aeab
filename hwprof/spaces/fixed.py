"""Spaces whose positions all choose among the same operations."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Sequence
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hwprof.errors import OptionError
from hwprof.similarity import Identity
from hwprof.spaces.analytic import Columns, CountedSpace
from hwprof.spaces.base import TOTALS, Choices, Indices, Position, compute_intensity
from hwprof.spaces.work import NAMES


class FixedChoices(CountedSpace):
    """A space that chooses one of the same operations everywhere, and uses every position.

    Its costs add up: an operation costs the same at a position whatever the others are.
    """

    @property
    @abstractmethod
    def operations(self) -> Choices:
        """Operations that a position may choose, in the order of the features."""

    def check(self, choices: Sequence[str]) -> Choices:
        """The choices as a tuple. Raises OptionError unless one known operation per position."""
        if len(choices) != len(self.positions):
            raise OptionError(
                f"an architecture of {self.name} has {len(self.positions)} operations, but "
                f"{len(choices)} were given; name one per position"
            )
        for choice in choices:
            if choice not in self.operations:
                raise OptionError(
                    f"{self.name} has no operation {choice!r}; choose among "
                    f"{', '.join(self.operations)}"
                )
        return tuple(choices)

    def flops(self, archs: Sequence[str] | ArrayLike) -> Indices:
        """See `Space.flops`."""
        return self._total(archs, 0)

    def parameters(self, archs: Sequence[str] | ArrayLike) -> Indices:
        """See `Space.parameters`."""
        return self._total(archs, 1)

    def compute_intensity(self, archs: Sequence[str] | ArrayLike) -> NDArray[np.float64]:
        """See `Space.compute_intensity`."""
        return compute_intensity(*(self._total(archs, what) for what in range(len(TOTALS))))

    def count(self) -> Columns:
        """See `CountedSpace.count`: sums over the features."""
        names = NAMES if len(self._rest) > len(TOTALS) else TOTALS
        matrix = self._table(names).reshape(-1, len(names))
        kept = np.flatnonzero(matrix.any(axis=0)).tolist()
        return Columns(tuple(names[i] for i in kept), Identity(), matrix[:, kept])

    def _total(self, archs: Sequence[str] | ArrayLike, what: int) -> Indices:
        rows = self.indices(archs)
        total = np.full(len(rows), self._rest[what])
        for position, column in enumerate(rows.T):
            total += self._extra[what, position][column]
        return total

    def _table(self, names: tuple[str, ...] = NAMES) -> NDArray[np.float64]:
        """Costs of those names of each choice, `[positions, operations, c]`.

        What no choice avoids is shared equally among the positions.
        """
        place = [(*TOTALS, *NAMES).index(name) for name in names]
        extra = np.moveaxis(self._extra[place], 0, -1)
        # Whole numbers, none negative: an architecture without any of a kind has exactly none.
        least = extra.min(axis=1)
        shared = (self._rest[place] + least.sum(axis=0)) / len(self.positions)
        table: NDArray[np.float64] = extra - least[:, None] + shared
        return table

    @cached_property
    def _rest(self) -> Indices:
        """Costs of the architecture of first choices: `TOTALS`, and those of `Work` if known."""
        return self._counted(np.zeros(len(self.positions), dtype=np.int64))

    @cached_property
    def _extra(self) -> Indices:
        """What another choice adds to each, `[costs, positions, operations]`."""
        shape = (len(self._rest), len(self.positions), len(self.operations))
        extra = np.zeros(shape, dtype=np.int64)
        for position in range(len(self.positions)):
            for choice in range(1, len(self.operations)):
                row = np.zeros(len(self.positions), dtype=np.int64)
                row[position] = choice
                extra[:, position, choice] = self._counted(row) - self._rest
        return extra

    def _counted(self, row: Indices) -> Indices:
        costs = self.costs(row)
        known = () if costs.work is None else costs.work.numbers
        totals = (getattr(costs, name) for name in TOTALS)
        return np.array([*totals, *known], dtype=np.int64)


def everywhere(operations: Choices, places: Iterable[str]) -> tuple[Position, ...]:
    """Positions of those names that choose among the same operations."""
    return tuple(Position(place, operations) for place in places)
