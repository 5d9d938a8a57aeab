"""Layers' costs as coefficients: a layer's choices together, and depths where layers come and go.

Shapes: s layers, n architectures, p positions of the space.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from hwprof.errors import OptionError
from hwprof.search.additive import AdditiveTable, BilinearCost, hard_constrained
from hwprof.spaces.base import Space

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

# Relative difference up to which a layer costs the same at two depths.
_SAME = 1e-9


class Part(Protocol):
    """What is read of a part."""

    @property
    def positions(self) -> tuple[int, ...]:
        """Numbers of the positions that it depends on."""

    @property
    def values(self) -> FloatArray:
        """Seconds by the choices made at each of them."""


@dataclass(frozen=True, slots=True, eq=False)
class LayerChoices:
    """A table with one row per layer: `table(rows)` takes the number of each layer's choice."""

    table: AdditiveTable
    positions: tuple[tuple[int, ...], ...]
    """Of the space, which each layer decides, s of them."""
    choices: tuple[tuple[tuple[int, ...], ...], ...]
    """What each number of a layer's choice is at those positions."""
    base: IntArray
    """Choices at all positions, those that are fixed among them, `[p]`."""

    def architectures(self, rows: IntArray) -> IntArray:
        """Rows of the layers' choices as rows of the space, `[n, s] -> [n, p]`."""
        found = np.tile(self.base, (len(rows), 1))
        for layer, (places, choices) in enumerate(zip(self.positions, self.choices, strict=True)):
            found[:, list(places)] = np.array(choices, dtype=np.int64)[rows[:, layer]]
        return found


def linear(
    space: Space, parts: Sequence[Part], constant: float, fixed: Mapping[str, str]
) -> LayerChoices:
    """See `LayerCosts.linear`."""
    base, free = _base(space, fixed)
    shared = _shared(parts, free)
    if shared:
        raise OptionError(
            f"several layers share {_named(space, shared)}; fix a choice there, such as "
            f"fixed={{{space.positions[shared[0]].name!r}: "
            f"{space.positions[shared[0]].choices[0]!r}}}"
        )
    return _choices(space, parts, constant, base, free)


def bilinear(
    space: Space, parts: Sequence[Part], constant: float, fixed: Mapping[str, str]
) -> tuple[LayerChoices, BilinearCost]:
    """See `LayerCosts.bilinear`."""
    base, free = _base(space, fixed)
    depths = _shared(parts, free)
    stages: list[list[int]] = []
    least: list[int] = []
    order: list[int] = []
    for depth in depths:
        layers = [i for i, part in enumerate(parts) if depth in part.positions]
        reached = _reached([parts[i] for i in layers], depth)
        if reached is None or any(i in order for i in layers):
            raise OptionError(
                f"{_named(space, [depth])} is shared by layers that do not come and go with it; "
                "fix a choice there, with fixed="
            )
        stages.append(layers)
        least.append(int(reached.sum(axis=0).min()))
        order += layers
        base[depth] = int(reached.sum(axis=0).argmax())
    if not depths:
        raise OptionError(f"{space.name} has no depth that is left open; use linear()")
    # What belongs to no stage is a stage of its own that is always whole.
    others = [i for i, part in enumerate(parts) if i not in order and _free(part, free)]
    for i in others:
        stages.append([i])
        least.append(1)
        order.append(i)
    kept = [parts[i] for i in order]
    left = [part for i, part in enumerate(parts) if i not in order]
    same = constant + sum(float(_at(part, base, ())) for part in left)
    found = _choices(space, kept, same, base, [f for f in free if f not in depths])
    return found, hard_constrained(found.table, [len(stage) for stage in stages], least)


def _base(space: Space, fixed: Mapping[str, str]) -> tuple[IntArray, list[int]]:
    """Choices where some are fixed, `[p]`, and the numbers of the other positions."""
    names = [position.name for position in space.positions]
    base = np.zeros(len(names), dtype=np.int64)
    for name, choice in fixed.items():
        if name not in names:
            raise OptionError(
                f"{space.name} has no position {name!r} to fix; choose among {', '.join(names)}"
            )
        position = space.positions[names.index(name)]
        if str(choice) not in position.choices:
            raise OptionError(
                f"{space.name} has no choice {choice!r} at {name}; choose among "
                f"{', '.join(position.choices)}"
            )
        base[names.index(name)] = position.choices.index(str(choice))
    return base, [i for i, name in enumerate(names) if name not in fixed]


def _free(part: Part, free: Sequence[int]) -> tuple[int, ...]:
    return tuple(position for position in part.positions if position in free)


def _shared(parts: Sequence[Part], free: Sequence[int]) -> list[int]:
    """Free positions on which more than one part depends."""
    count = Counter(position for part in parts for position in _free(part, free))
    return sorted(position for position, times in count.items() if times > 1)


def _named(space: Space, positions: Sequence[int]) -> str:
    return ", ".join(space.positions[position].name for position in positions)


def _at(part: Part, base: IntArray, free: Sequence[int]) -> FloatArray:
    """A part's values over its free positions, the others being as in `base`."""
    place = tuple(slice(None) if i in free else int(base[i]) for i in part.positions)
    found: FloatArray = np.asarray(part.values[place])
    return found


def _choices(
    space: Space, parts: Sequence[Part], constant: float, base: IntArray, free: Sequence[int]
) -> LayerChoices:
    rows, places, choices = [], [], []
    for part in parts:
        own = _free(part, free)
        values = _at(part, base, own)
        if not own:
            constant += float(values)
            continue
        rows.append(values.reshape(-1))
        places.append(own)
        choices.append(tuple(product(*(range(len(space.positions[i].choices)) for i in own))))
    return LayerChoices(AdditiveTable.of(rows, constant), tuple(places), tuple(choices), base)


def _reached(parts: Sequence[Part], depth: int) -> NDArray[np.bool_] | None:
    """Which depth has which layer, `[layers, depths]`; None where layers do not come and go."""
    found = []
    for part in parts:
        values = np.moveaxis(part.values, part.positions.index(depth), 0)
        there = values.reshape(len(values), -1).any(axis=1)
        full = values[int(there.argmax())]
        alike = [np.allclose(each, full, rtol=_SAME, atol=0) for each in values[there]]
        if not all(alike):
            return None
        found.append(there)
    reached = np.array(found)
    # A deeper stage has the layers of a shallower one, and one more.
    nested = all((reached[i] >= reached[i + 1]).all() for i in range(len(reached) - 1))
    return reached if nested else None
