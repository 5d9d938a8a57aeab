"""One view of any search space: decisions by name, rows of choices, features, costs.

Shapes: n architectures, p positions, d features.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hwprof import spaces
from hwprof.errors import OptionError
from hwprof.predictors.base import FloatArray, IntArray
from hwprof.spaces.base import compute_intensity


@dataclass(frozen=True, eq=False)
class Architectures:
    """What searches need of a space."""

    space: Any
    names: tuple[str, ...]
    """Of the positions."""
    choices: tuple[tuple[str, ...], ...]
    """What each position may choose."""

    @classmethod
    def of(cls, space: object) -> Architectures:
        """From a space, the name of one, or what this method gave. Raises OptionError."""
        if isinstance(space, Architectures):
            return space
        if isinstance(space, str):
            space = spaces.get(space)
        given: Any = space
        try:
            return cls(
                given,
                tuple(position.name for position in given.positions),
                tuple(tuple(position.choices) for position in given.positions),
            )
        except AttributeError as error:
            raise OptionError(
                f"space must be a search space or its name, but is {type(space).__name__}; "
                f"choose among {', '.join(spaces.names())}"
            ) from error

    @cached_property
    def sizes(self) -> IntArray:
        """How many choices each position has, `[p]`."""
        return np.array([len(choices) for choices in self.choices], dtype=np.int64)

    def indices(self, archs: ArrayLike) -> IntArray:
        """Texts or rows of choices as rows `[n, p]`, in the space's canonical form.

        Raises OptionError for what is not an architecture of the space.
        """
        if isinstance(archs, str):
            archs = [archs]
        array = np.asarray(archs)
        if array.dtype.kind in "UOT":
            rows = self.space.indices([str(text) for text in array.ravel()])
            return np.asarray(rows, dtype=np.int64)
        return np.asarray(self.space.indices(self._checked(array)), dtype=np.int64)

    def features(self, rows: IntArray) -> FloatArray:
        """Features of rows that `indices` gave, `[n, d]`."""
        return np.asarray(self.space.encode(rows), dtype=np.float64)

    def one_hot(self, rows: IntArray) -> FloatArray:
        """One column per choice of each position, `[n, sum of sizes]`."""
        features = np.zeros((len(rows), int(self.sizes.sum())))
        offsets = np.append(0, np.cumsum(self.sizes)[:-1])
        np.put_along_axis(features, rows + offsets, 1.0, axis=1)
        return features

    def texts(self, rows: IntArray) -> list[str]:
        """How the space writes these rows."""
        return [
            str(self.space.format([c[i] for c, i in zip(self.choices, row, strict=True)]))
            for row in rows.tolist()
        ]

    def cost(self, rows: IntArray, metric: str) -> FloatArray:
        """FLOPs, parameters, activation bytes or compute intensity of rows, `[n]`.

        Raises OptionError for a space that does not tell.
        """
        # A space may count many at once; it must be able to count one.
        many = getattr(self.space, metric, None)
        if callable(many):
            return np.asarray(many(rows), dtype=np.float64)
        one = getattr(self.space, "costs", None)
        if not callable(one):
            raise OptionError(
                f"the space {self.space.name} does not tell the {metric} of an architecture; "
                "choose another metric or another space"
            )
        return np.array([_told(one(row), metric) for row in rows], dtype=np.float64)

    def sample(self, n: int, rng: np.random.Generator) -> IntArray:
        """n architectures, every choice equally likely, `[n, p]`."""
        return self.indices(rng.integers(0, self.sizes, (n, len(self.sizes))))

    def row(self, named: dict[str, Any]) -> IntArray:
        """Choices by the position's name as a row `[p]`. Raises OptionError for unknown ones."""
        try:
            found = [c.index(named[name]) for name, c in zip(self.names, self.choices, strict=True)]
        except (KeyError, ValueError) as error:
            raise OptionError(
                f"an architecture must choose at {', '.join(self.names)} ({error}); "
                "give one of each position's choices"
            ) from error
        row: IntArray = self.indices([found])[0]
        return row

    def _checked(self, array: NDArray[Any]) -> IntArray:
        if array.ndim != 2 or array.shape[1] != len(self.sizes) or array.dtype.kind not in "iu":
            raise OptionError(
                f"architectures must be texts or integers [n, {len(self.sizes)}], but are "
                f"{array.dtype} of shape {array.shape}; give one choice per position"
            )
        wrong = (array < 0) | (array >= self.sizes)
        if wrong.any():
            row, position = (int(i) for i in np.argwhere(wrong)[0])
            raise OptionError(
                f"row {row} chooses {array[row, position]} at {self.names[position]}; choose from "
                f"0 to {self.sizes[position] - 1}"
            )
        return array.astype(np.int64, copy=False)


def _told(costs: Any, metric: str) -> float:
    """One of the costs; what follows from the others need not be told."""
    if metric == "compute_intensity" and not hasattr(costs, metric):
        totals = (costs.flops, costs.parameters, costs.activation_bytes)
        return float(compute_intensity(*totals))
    return float(getattr(costs, metric))
