"""Latencies of idealised machines, worked out from what an architecture has to do.

Shapes: n architectures, d features, q basis functions, c machines.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import product
from typing import final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hwprof.similarity import Basis, Component, FeatureMap
from hwprof.spaces.base import Costs, Space
from hwprof.spaces.tables import Table, table_basis
from hwprof.spaces.work import NAMES, Work

FloatArray = NDArray[np.float64]

# Architectures whose features are held at once.
_ROWS = 20_000
# Rooflines are left out: they lie between arithmetic and traffic, and with them three measurements
# rank worse on validation devices (docs/decisions/0006).
MACHINES = ("arithmetic", "depthwise", "wide_depthwise", "attention", "traffic", "operators")


@dataclass(frozen=True, slots=True, eq=False)
class Columns:
    """`basis(X) @ matrix` on the features of a space."""

    names: tuple[str, ...]
    """What each machine is called, c of them."""
    basis: Basis
    matrix: FloatArray
    """Shape `[q, c]`."""

    def __call__(self, features: FloatArray) -> FloatArray:
        """Latencies, `[n, d] -> [n, c]`."""
        values: FloatArray = self.basis(features) @ self.matrix
        return values


@dataclass(frozen=True, slots=True, eq=False)
class Analytic(Component):
    """Latencies of idealised machines, each divided by its mean over the pool; nothing is centred.

    A column that is 0 all over a pool stays 0.
    """

    space: CountedSpace
    """Counted when this is fitted: a large space takes a second."""
    names: tuple[str, ...] = MACHINES
    """Which machines; those that the space has not are left out."""

    def fit(self, features: FloatArray, cost: FloatArray, rng: np.random.Generator) -> FeatureMap:
        columns = self.space.columns
        matrix = columns.matrix[:, [name in self.names for name in columns.names]]
        mean = (columns.basis(features) @ matrix).mean(axis=0)
        matrix = matrix / np.where(mean > 0, mean, np.inf)
        return FeatureMap(columns.basis, matrix, np.zeros(len(mean)))


class CountedSpace(Space):
    """A space whose columns come from counting its layers, for many architectures at once."""

    @abstractmethod
    def count(self) -> Columns:
        """The columns: those of `Work` that are not 0 everywhere, and maybe more."""

    def layers(self) -> Sequence[Part]:
        """Parts that belong to a layer, those of one layer under its name, layers in order.

        None where a space does not tell its layers apart. Those that override it are spaces whose
        layers can have a precision each (`hwprof.spaces.mixed`); their costs say `int8`.
        """
        return ()

    def layer_of(self, node: str) -> str:
        """The layer that a node of a built model belongs to, by its name; empty for none."""
        known = self._layer_names
        # The name of a layer ends at a dot: layer1 is none of layer10's.
        stops = [i for i, letter in enumerate(node) if letter == "."]
        return next((node[:i] for i in reversed(stops) if node[:i] in known), "")

    @cached_property
    def _layer_names(self) -> frozenset[str]:
        return frozenset(part.layer for part in self.layers())

    @cached_property
    def part_works(self) -> tuple[PartWork, ...]:
        """What each layer has to do, and last what belongs to none; empty without `layers`.

        They add up to the whole.
        """
        own = [(part.layer, table) for part, table in self._tables_of_layers()]
        layers = dict.fromkeys(layer for layer, _ in own)
        found = [
            PartWork(layer, *together([table for name, table in own if name == layer]))
            for layer in layers
        ]
        return (*found, PartWork("", *together(self._remaining(found)))) if found else ()

    def _tables_of_layers(self) -> Iterator[tuple[Part, Table]]:
        parts = self.layers()
        return zip(parts, tables(self, parts), strict=True)

    def _remaining(self, layers: Sequence[PartWork]) -> list[Table]:
        """What all architectures have that is in no layer: the same, unless a space says more."""
        row = np.zeros(len(self.positions), dtype=np.int64)
        row = self.indices(row[None])[0]
        rest = np.array(numbers(self.costs(row)), dtype=np.float64)
        for part in layers:
            rest -= part.work[tuple(row[list(part.positions)])]
        return [((), rest)]

    @property
    @final
    def analytic_names(self) -> tuple[str, ...]:
        """See `Space.analytic_names`; what each means stands at `hwprof.spaces.work.Work`."""
        return self.columns.names

    @final
    def analytic(self, archs: Sequence[str] | ArrayLike) -> FloatArray:
        """See `Space.analytic`."""
        rows = self.indices(archs)
        found = [np.zeros((0, len(self.columns.names)))]
        for start in range(0, len(rows), _ROWS):
            features = self.encode(rows[start : start + _ROWS])
            found.append(self.columns(features.astype(np.float64)))
        return np.concatenate(found)

    @cached_property
    def columns(self) -> Columns:
        """What `count` gave, once."""
        return self.count()


@dataclass(frozen=True, slots=True, eq=False)
class PartWork:
    """What a layer of a network has to do, or all that belongs to none, whatever is chosen."""

    layer: str
    """Its name; empty for what belongs to none."""
    positions: tuple[int, ...]
    """Numbers of the positions that it depends on."""
    work: FloatArray
    """Its `Work` by the choices made at each of them, `[choices, ..., c]`, c names of `NAMES`."""


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a network, and what its costs depend on."""

    positions: tuple[str, ...]
    """Names of positions."""
    costs: Callable[..., Costs]
    """Given the choice at each of them, as text."""
    layer: str = ""
    """The layer that it is, or belongs to; empty for what every network has, such as a stem."""


def together(parts: Sequence[Table]) -> tuple[tuple[int, ...], FloatArray]:
    """Positions that any of some parts depends on, and the sum of what they have to do."""
    positions = sorted({int(position) for where, _ in parts for position in where})
    total: FloatArray = np.zeros(1)
    for where, values in parts:
        order = np.argsort(where)
        moved = values.transpose(*order.tolist(), values.ndim - 1)
        shape = iter(moved.shape)
        sizes = [next(shape) if position in where else 1 for position in positions]
        total = total + moved.reshape(*sizes, values.shape[-1])
    return tuple(positions), total


def numbers(costs: Costs) -> tuple[int, ...]:
    """Those of `Work`. Raises ValueError for costs without."""
    if costs.work is None:
        raise ValueError("costs without work have no columns; count them by a Recorder")
    return costs.work.numbers


def tables(space: Space, parts: Sequence[Part]) -> Iterator[Table]:
    """What parts have to do for all choices at their positions, one column per name of `Work`."""
    place = {position.name: i for i, position in enumerate(space.positions)}
    for part in parts:
        where = [place[name] for name in part.positions]
        choices = [space.positions[i].choices for i in where]
        values = [numbers(part.costs(*chosen)) for chosen in product(*choices)]
        shape = (*map(len, choices), len(NAMES))
        yield where, np.array(values, dtype=np.float64).reshape(shape)


def summed(space: Space, parts: Iterable[Table], names: Sequence[str]) -> Columns:
    """Columns that are sums of tables, those left out that are 0 everywhere."""
    basis = table_basis(space.sizes.tolist(), parts)
    kept = np.flatnonzero(basis.table.any(axis=0)).tolist()
    basis = replace(basis, table=basis.table[:, kept])
    return Columns(tuple(names[i] for i in kept), basis, np.eye(len(kept)))


NOTHING = Costs(0, 0, 0, Work(), Costs(0, 0, 0, Work()))
"""What a part costs that an architecture does not have."""
