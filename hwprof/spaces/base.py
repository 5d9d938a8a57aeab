"""What a search space offers: names of architectures, their features, and how alike they are."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from hwprof.errors import OptionError
from hwprof.spaces.kernels import Kernels

Choices = tuple[str, ...]


class Space(ABC):
    """A search space whose architectures choose one operation per position."""

    @property
    @abstractmethod
    def name(self) -> str:
        """Lower-case name, as `hwprof.spaces.get` takes it."""

    @property
    @abstractmethod
    def operations(self) -> Choices:
        """Operations that a position may choose, in the order of the features."""

    @property
    @abstractmethod
    def positions(self) -> int:
        """How many positions an architecture has."""

    @abstractmethod
    def parse(self, text: str) -> Choices:
        """The operations that a published string names, one per position.

        Raises OptionError when the text is not an architecture of this space.
        """

    @abstractmethod
    def format(self, choices: Sequence[str]) -> str:
        """The published string; the inverse of `parse`. Raises OptionError as `parse` does."""

    @abstractmethod
    def kernels(self) -> Kernels:
        """Kernels on the features that `encode` gives."""

    @property
    def width(self) -> int:
        """Features per architecture: positions times operations."""
        return self.positions * len(self.operations)

    def indices(self, archs: Sequence[str]) -> NDArray[np.int64]:
        """Operation of each position as an index, shape `[n, positions]`."""
        index = {operation: i for i, operation in enumerate(self.operations)}
        rows = [[index[choice] for choice in self.parse(arch)] for arch in archs]
        return np.array(rows, dtype=np.int64).reshape(len(rows), self.positions)

    def encode(self, archs: Sequence[str]) -> NDArray[np.float32]:
        """One-hot features, shape `[n, positions * operations]`.

        Raises OptionError naming the first architecture that is not one of this space.
        """
        if isinstance(archs, str):
            raise OptionError("archs must be a sequence of strings, not one; pass it in a list")
        chosen = self.indices(archs)
        features = np.zeros((len(chosen), self.width), dtype=np.float32)
        columns = chosen + len(self.operations) * np.arange(self.positions)
        np.put_along_axis(features, columns, 1.0, axis=1)
        return features

    def check(self, choices: Sequence[str]) -> Choices:
        """The choices as a tuple. Raises OptionError unless one known operation per position."""
        if len(choices) != self.positions:
            raise OptionError(
                f"an architecture of {self.name} has {self.positions} operations, but "
                f"{len(choices)} were given; name one per position"
            )
        for choice in choices:
            if choice not in self.operations:
                raise OptionError(
                    f"{self.name} has no operation {choice!r}; choose among "
                    f"{', '.join(self.operations)}"
                )
        return tuple(choices)
