"""Means of architectures outside the pool as sums of table entries, for many at a time.

On features that are one-hot by position, whatever depends on a few positions is a small table over
their choices: what layers have to do (`TableBasis`), products of what was chosen (Gaussians around
logarithms, `hwprof.spaces.products`) and the features themselves. The weights of a device fold into
the tables, and tables of positions that others have too are added to these. What is left are
exponentials of sums over all positions: one matrix product each.

Shapes: n architectures, d features, p positions, t tables, v entries, q basis functions.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hwprof.predictors.fewshot.positions import Positions
from hwprof.predictors.fewshot.weighted import CACHED, in_single
from hwprof.similarity import Basis, HammingBasis, Identity, RbfBasis
from hwprof.spaces.tables import TableBasis

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
Places = tuple[int, ...]

# Entries of a table at most: all tables of a device stay in a core's cache.
_ENTRIES = 4096


@dataclass(frozen=True, slots=True, eq=False)
class Exponentials:
    """`exp(X @ slope + start) @ weights` on one-hot features X."""

    kept: IntArray
    """Features that make a difference against the first choice of their position."""
    slope: NDArray[np.floating[Any]]
    """Of those, shape `[kept, q]`."""
    start: NDArray[np.floating[Any]]
    """Shape `[q]`."""
    weights: NDArray[np.floating[Any]]
    """Shape `[q]`."""

    def __call__(self, features: FloatArray) -> FloatArray:
        """`[n, d] -> [n]`."""
        values = features[:, self.kept].astype(self.slope.dtype) @ self.slope
        values += self.start
        np.exp(values, out=values)
        total: FloatArray = values @ self.weights
        return total


@dataclass(frozen=True, slots=True, eq=False)
class Folded:
    """The means of one device. Make it with `fold`."""

    positions: Positions
    steps: FloatArray
    """What a choice adds to the number of each table's entry, shape `[p, t]`."""
    first: FloatArray
    """Where each table begins, shape `[t]`."""
    entries: FloatArray
    """Of all tables, shape `[v]`."""
    rest: tuple[Exponentials, ...]

    def __call__(self, features: FloatArray) -> FloatArray | None:
        """Means of feature rows, `[n, d] -> [n]`; None where they are not all one-hot."""
        means = np.empty(len(features))
        for start in range(0, len(features), CACHED):
            part = features[start : start + CACHED]
            choices = self.positions.choices(part)
            if choices is None:
                return None
            # Whole numbers, which a product of doubles has exactly.
            places = (choices @ self.steps + self.first).astype(np.int64)
            mean = self.entries[places].sum(axis=1)
            for each in self.rest:
                mean += each(part)
            means[start : start + CACHED] = mean
        return means


def whole(positions: Positions, mean: Callable[[FloatArray], FloatArray]) -> Folded:
    """One table of all architectures there are, given what works out their means."""
    table = mean(positions.grid()).reshape(positions.sizes)
    return _packed(positions, {tuple(range(len(positions.sizes))): table}, ())


def fold(
    positions: Positions,
    bases: Iterable[Basis],
    weights: Iterable[FloatArray],
    constant: float,
    scale: float,
) -> Folded | None:
    """`sum of basis(X) @ weights + constant`; None where a basis is of another kind.

    Exponentials in single precision where that changes no more than a millionth of `scale`.
    """
    tables: dict[Places, FloatArray] = {}
    rest: list[Exponentials] = []

    def add(places: Places, table: FloatArray) -> None:
        tables[places] = tables[places] + table if places in tables else table

    add((), np.array(constant))
    for basis, direct in zip(bases, weights, strict=True):
        if isinstance(basis, Identity):
            for place, part in enumerate(np.split(direct, positions.starts[1:])):
                add((place,), part)
        elif isinstance(basis, TableBasis):
            for places, table in _sums(positions, basis, basis.table @ direct):
                if prod(table.shape) > _ENTRIES:
                    return None
                add(places, table)
        elif isinstance(basis, RbfBasis | HammingBasis):
            rest += _exponentials(positions, *_linear(basis), direct, scale, add)
        else:
            return None
    return _packed(positions, _merged(positions, tables), tuple(rest))


def _linear(basis: RbfBasis | HammingBasis) -> tuple[FloatArray, FloatArray]:
    """Logarithms of the values where no feature is set `[q]`, and what each one adds `[d, q]`."""
    if isinstance(basis, HammingBasis):
        log = float(np.log(basis.rho))
        return np.full(len(basis.landmarks), basis.positions * log), -log * basis.landmarks.T
    # A scale may be infinite: a feature that never varied.
    x = (1 / basis.scale)[:, None]
    return -0.5 * (basis.landmarks**2).sum(axis=1), x * (basis.landmarks.T - 0.5 * x)


def _exponentials(
    positions: Positions,
    start: FloatArray,
    slope: FloatArray,
    weights: FloatArray,
    scale: float,
    add: Callable[[Places, FloatArray], None],
) -> list[Exponentials]:
    """Adds the tables of all functions of few positions; the others are left."""
    own = np.repeat(positions.starts, positions.sizes)
    start = start + slope[positions.starts].sum(axis=0)
    slope = slope - slope[own]
    used = np.add.reduceat(slope != 0, positions.starts, axis=0) > 0
    groups: dict[Places, list[int]] = defaultdict(list)
    for function, places in enumerate(used.T):
        groups[tuple(np.flatnonzero(places).tolist())].append(function)
    left: list[int] = []
    for places, functions in groups.items():
        if prod(positions.sizes[list(places)].tolist()) > _ENTRIES:
            left += functions
            continue
        logs = start[functions]
        for place in places:
            begin = positions.starts[place]
            logs = logs[..., None, :] + slope[begin : begin + positions.sizes[place], functions]
        add(places, np.exp(logs) @ weights[functions])
    if not left:
        return []
    slope, start, weights = slope[:, left], start[left], weights[left]
    kept = np.flatnonzero(slope.any(axis=1))
    kind: type[np.floating[Any]] = np.float32 if in_single(weights, scale) else np.float64
    parts = slope[kept].astype(kind), start.astype(kind), weights.astype(kind)
    return [Exponentials(kept, *parts)]


def _sums(
    positions: Positions, basis: TableBasis, values: FloatArray
) -> Iterable[tuple[Places, FloatArray]]:
    """The table of each part, `values` being the rows of all of them `[v]`."""
    for codes in basis.codes.T:
        by_place = np.split(codes, positions.starts[1:])
        places = [place for place, part in enumerate(by_place) if part.min() != part.max()]
        row = np.array(sum(part[0] for i, part in enumerate(by_place) if i not in places))
        for place in places:
            row = row[..., None] + by_place[place]
        yield tuple(places), values[np.clip(row, 0, len(values) - 1)]


def _merged(positions: Positions, tables: dict[Places, FloatArray]) -> dict[Places, FloatArray]:
    """The same sum in fewer tables: of positions that another table has too."""
    found: dict[Places, FloatArray] = {}
    for places in sorted(tables, key=len, reverse=True):
        wider = next((other for other in found if set(places) <= set(other)), None)
        if wider is None:
            found[places] = tables[places]
            continue
        shape = [int(positions.sizes[place]) if place in places else 1 for place in wider]
        found[wider] = found[wider] + tables[places].reshape(shape)
    return found


def _packed(
    positions: Positions, tables: dict[Places, FloatArray], rest: tuple[Exponentials, ...]
) -> Folded:
    steps = np.zeros((len(positions.starts), len(tables)))
    for number, (places, table) in enumerate(tables.items()):
        step = 1
        for place, size in zip(reversed(places), reversed(table.shape), strict=True):
            steps[place, number] = step
            step *= size
    sizes = [table.size for table in tables.values()]
    first = np.cumsum([0, *sizes[:-1]]).astype(np.float64)
    entries = np.concatenate([table.reshape(-1) for table in tables.values()])
    return Folded(positions, steps, first, entries, rest)
