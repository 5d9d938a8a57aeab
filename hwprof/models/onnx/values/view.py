"""One operation as rules see it: shapes and constants of its tensors, its attributes."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from hwprof.models.onnx.values.flat import Operation
from hwprof.models.onnx.values.sizes import Sizes

Shape = tuple[int, ...]
Wish = Sequence[float | None] | float | None
"""An input's elements, one number for all of them, or None where nothing good can be told."""

CONTRADICTIONS = (IndexError, ValueError, TypeError, KeyError, ArithmeticError)
"""What rules stumble over in a model whose parts do not fit: the runtime says what is wrong."""


MOST_COUNTED = 1 << 20
"""Rules list what they count, and a file may say any number."""


@dataclass(frozen=True, slots=True)
class View:
    """What can be told of one operation without running it; None where it cannot."""

    operation: Operation
    sizes: Sizes

    def shape(self, position: int) -> Shape | None:
        return self.sizes.shape(self.operation.read(position))

    def made(self, position: int = 0) -> Shape | None:
        """Shape of an output, as the file states it or inference tells it."""
        writes = self.operation.writes
        return self.sizes.shape(writes[position]) if position < len(writes) else None

    def count(self, position: int) -> int | None:
        """Elements of an input; None where it is left out, too, and where they are too many."""
        found = self.sizes.elements(self.operation.read(position))
        return found if found is None or found <= MOST_COUNTED else None

    def given(self, position: int) -> bool:
        return bool(self.operation.read(position))

    def numbers(self, position: int) -> list[int] | None:
        """A short constant input as whole numbers."""
        found = self.sizes.constant(self.operation.read(position))
        return None if found is None else [int(each) for each in found.reshape(-1)]

    def number(self, position: int) -> int | None:
        found = self.numbers(position)
        return found[0] if found else None

    def axes(self, position: int, rank: int) -> list[int] | None:
        """Axes that a constant input or an attribute names, counted from the front."""
        found = self.numbers(position) if self.given(position) else self.operation.wholes("axes")
        return None if found is None else [axis % rank for axis in found if rank]

    def along(self, position: int, axis: int) -> int | None:
        """Size of an input along an axis."""
        shape = self.shape(position)
        if not shape or not -len(shape) <= axis < len(shape):
            return None
        return shape[axis]


def product(shape: Shape | list[int]) -> int:
    return math.prod(shape)


Rule = Callable[[View], Mapping[int, Wish]]
"""What the inputs of an operation should hold, by their places."""
