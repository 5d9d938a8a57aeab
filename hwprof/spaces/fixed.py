"""Spaces whose positions all choose among the same operations."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Sequence
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike

from hwprof.errors import OptionError
from hwprof.spaces.base import Choices, Indices, Position, Space


class FixedChoices(Space):
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

    def _total(self, archs: Sequence[str] | ArrayLike, what: int) -> Indices:
        rows = self.indices(archs)
        total = np.full(len(rows), self._rest[what])
        for position, column in enumerate(rows.T):
            total += self._extra[what, position][column]
        return total

    @cached_property
    def _rest(self) -> Indices:
        """FLOPs and parameters of the architecture of first choices, `[2]`."""
        return self._counted(np.zeros(len(self.positions), dtype=np.int64))

    @cached_property
    def _extra(self) -> Indices:
        """What another choice adds to it, `[2, positions, operations]`."""
        extra = np.zeros((2, len(self.positions), len(self.operations)), dtype=np.int64)
        for position in range(len(self.positions)):
            for choice in range(1, len(self.operations)):
                row = np.zeros(len(self.positions), dtype=np.int64)
                row[position] = choice
                extra[:, position, choice] = self._counted(row) - self._rest
        return extra

    def _counted(self, row: Indices) -> Indices:
        costs = self.costs(row)
        return np.array([costs.flops, costs.parameters], dtype=np.int64)


def everywhere(operations: Choices, places: Iterable[str]) -> tuple[Position, ...]:
    """Positions of those names that choose among the same operations."""
    return tuple(Position(place, operations) for place in places)
