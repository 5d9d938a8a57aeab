"""Any space with a precision per layer: `fp32` or `int8`.

Networks whose layers differ in precision are what SimQ-NAS (Sridhar et al., 2023), EQ-Net (Xu et
al., ICCV 2023) and HAQ (Wang et al., CVPR 2019) search.

Shapes: n architectures, d features, l layers.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import product
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hwprof.errors import ModelError, OptionError
from hwprof.similarity import Component, FeatureMap, Linear, Rbf, Similarity
from hwprof.spaces.analytic import (
    MACHINES,
    Analytic,
    Columns,
    CountedSpace,
    PartWork,
    numbers,
    together,
)
from hwprof.spaces.base import SUFFIX, Choices, Costs, Indices, Position, Space
from hwprof.spaces.cells import Dropped, Live
from hwprof.spaces.leading import Leading, columns_as_tables
from hwprof.spaces.tables import Table, TableBasis, table_basis
from hwprof.spaces.work import NAMES, Work

if TYPE_CHECKING:
    import onnx

FloatArray = NDArray[np.float64]

PRECISIONS = ("fp32", "int8")
KINDS = ("arithmetic", "depthwise", "attention")
"""Multiply-accumulates that are counted once more where they run in int8."""
INT8 = tuple(f"int8_{kind}" for kind in KINDS)
"""Names of machines that have nothing to do but multiply-accumulates in int8."""

_FIELD = "p="
# Candidate prior variances of a device's own speeds in int8. Chosen on simulated rooflines that are
# 0.7 to 8 times as fast in int8: three or five candidates rank a new one no better and take longer.
_WEIGHTS = (1e-3, 3e-2)


class MixedPrecision(CountedSpace):
    """Architectures of another space, then `p=` and a precision for each layer with products.

    As `k3_e1 k5_e6 ... p=fp32,int8,...`; layers that have none, because the network is not so deep
    or does something else there, are not named. The other space's `layers` say what a layer is;
    what belongs to none, such as stem and classifier, stays in fp32, as is usual.

    In a layer in int8, matrix products and convolutions read and write int8: `build` puts QDQ
    pairs around them and folds batch normalisations into them (`hwprof.models.onnx.quantise`). What
    is between them stays in fp32.

    FLOPs and parameters are those of the other space, whatever the precision: quantising is not
    counted, nor is a folded normalisation subtracted. `activation_bytes` and the traffic have one
    byte per element of what a product in int8 reads (biases aside) and writes. Machines named
    `int8_...` have nothing but the multiply-accumulates in int8 to do, and the others all of them.

    Raises OptionError for a space that does not tell its layers apart.
    """

    name = ""

    def __init__(self, space: Space) -> None:
        parts = space.layers() if isinstance(space, CountedSpace) else ()
        if not isinstance(space, CountedSpace) or not parts:
            raise OptionError(
                f"the space {space.name} does not say which nodes make a layer, so none can have a "
                "precision; override CountedSpace.layers in it"
            )
        self.name = space.name + SUFFIX
        self.space = space
        self.parts = parts
        self.layer_names = tuple(dict.fromkeys(part.layer for part in parts))
        self._inner = len(space.positions)
        self._place = {position.name: i for i, position in enumerate(space.positions)}

    @cached_property
    def positions(self) -> tuple[Position, ...]:
        """See `Space.positions`: the other space's, then a precision for each layer."""
        own = (Position(f"{layer}.precision", PRECISIONS) for layer in self.layer_names)
        return (*self.space.positions, *own)

    def parse(self, text: str) -> Choices:
        """See `Space.parse`."""
        *inner, last = text.split() or [""]
        if not last.startswith(_FIELD):
            raise OptionError(
                f"an architecture of {self.name} ends with {_FIELD} and a precision per layer, but "
                f"this ends with '{last}'; give {_FIELD} and fp32 or int8 for each"
            )
        chosen = self.space.parse(" ".join(inner))
        row = self.space.row(self.space.format(chosen))
        layers = [
            n for n, used in zip(self.layer_names, self._used(row[None])[0], strict=True) if used
        ]
        values = last.removeprefix(_FIELD).split(",") if last != _FIELD else []
        if len(values) != len(layers):
            raise OptionError(
                f"{last} of {self.name} has {len(values)} precisions, but this architecture has "
                f"{len(layers)} layers with products ({', '.join(layers)}); give one for each"
            )
        for layer, value in zip(layers, values, strict=True):
            if value not in PRECISIONS:
                raise OptionError(
                    f"{last} of {self.name} has {value!r} at {layer}; choose among "
                    f"{', '.join(PRECISIONS)}"
                )
        given = dict(zip(layers, values, strict=True))
        return (*chosen, *(given.get(layer, PRECISIONS[0]) for layer in self.layer_names))

    def format(self, choices: Sequence[str]) -> str:
        """See `Space.format`."""
        choices = self.check(choices)
        text = self.space.format(choices[: self._inner])
        used = self._used(self.space.row(text)[None])[0]
        values = [v for v, u in zip(choices[self._inner :], used, strict=True) if u]
        return f"{text} {_FIELD}{','.join(values)}"

    def canonical(self, rows: Indices) -> Indices:
        """See `Space.canonical`."""
        inner = self.space.canonical(rows[:, : self._inner])
        return np.concatenate([inner, rows[:, self._inner :] * self._used(inner)], axis=1)

    def used(self, rows: Indices) -> NDArray[np.bool_]:
        """See `Space.used`."""
        inner = rows[:, : self._inner]
        return np.concatenate([self.space.used(inner), self._used(inner)], axis=1)

    def costs(self, arch: str | ArrayLike) -> Costs:
        """See `Space.costs`."""
        choices = self.choices(arch)
        costs = self.space.costs(np.array(self.row(arch)[: self._inner]))
        total, stored = np.array(numbers(costs)), costs.activation_bytes
        given = dict(zip(self.layer_names, choices[self._inner :], strict=True))
        for part in self.parts:
            if given[part.layer] == "int8":
                own = part.costs(*(choices[self._place[name]] for name in part.positions))
                int8 = _int8(own)
                total += np.array(numbers(int8)) - np.array(numbers(own))
                stored += int8.activation_bytes - own.activation_bytes
        return Costs(costs.flops, costs.parameters, stored, Work(*total.tolist()))

    def flops(self, archs: Sequence[str] | ArrayLike) -> Indices:
        """See `Space.flops`: those of the other space."""
        return self.space.flops(self.indices(archs)[:, : self._inner])

    def parameters(self, archs: Sequence[str] | ArrayLike) -> Indices:
        """See `Space.parameters`: those of the other space."""
        return self.space.parameters(self.indices(archs)[:, : self._inner])

    def build(
        self, arch: str | ArrayLike, batch: int = 1, resolution: int | None = None
    ) -> onnx.ModelProto:
        """See `Space.build`."""
        from hwprof.models.onnx.quantise import quantise

        row = self.row(arch)
        model = self.space.build(row[: self._inner], batch, resolution)
        int8 = {
            layer for layer, i in zip(self.layer_names, row[self._inner :], strict=True) if i > 0
        }
        nodes = {n.name for n in model.graph.node if self.space.layer_of(n.name) in int8}
        try:
            quantise(model, nodes)
        except ModelError as error:
            raise OptionError(*error.args) from error
        return model

    def layer_of(self, node: str) -> str:
        """See `CountedSpace.layer_of`."""
        return self.space.layer_of(node)

    @cached_property
    def part_works(self) -> tuple[PartWork, ...]:
        """See `CountedSpace.part_works`: of the other space, by precision."""
        *layers, rest = self.space.part_works
        changes = [*self._changes()]
        found = []
        for part in layers:
            place = self._inner + self.layer_names.index(part.layer)
            alike = np.stack([part.work, part.work], axis=-2)
            own = [
                (where, table[..., : len(NAMES)]) for where, table in changes if where[-1] == place
            ]
            found.append(PartWork(part.layer, *together([([*part.positions, place], alike), *own])))
        return (*found, rest)

    def count(self) -> Columns:
        """See `CountedSpace.count`: those of the other space, and `INT8`."""
        names = (*NAMES, *INT8)
        shape = self.sizes.tolist()
        base = columns_as_tables(self.space.columns, self.space.sizes.tolist(), names)
        added = table_basis(shape, self._changes())
        codes = np.zeros((len(added.codes), base.codes.shape[1]), dtype=np.int64)
        codes[: len(base.codes)] = base.codes
        # Every architecture has one choice at the first position: there the rows begin.
        added.codes[: shape[0]] += len(base.table)
        table = np.concatenate([base.table, added.table])
        kept = np.flatnonzero(table.any(axis=0)).tolist()
        basis = TableBasis(np.concatenate([codes, added.codes], axis=1), table[:, kept])
        return Columns(tuple(names[i] for i in kept), basis, np.eye(len(kept)))

    def similarity(self) -> Similarity:
        """That of the other space, and what runs in int8, by kind and by layer.

        Components that see all features alike see the precisions too. Those that follow which
        operations of a cell are live are left out: they read the features as edges.
        """
        inner = self.space.similarity()
        own = Int8Work(self)
        smooth = [i for i, c in enumerate(inner.smoothing) if not isinstance(c, Dropped | Live)]
        moved = [i for i, c in enumerate(inner.transfer) if not isinstance(c, Dropped | Live)]
        weights = [(*(w[i] for i in smooth), 1.0) for w in inner.smoothing_weights]
        return replace(
            inner,
            name=self.name,
            smoothing=(*(self._leading(inner.smoothing[i]) for i in smooth), own),
            smoothing_weights=tuple(dict.fromkeys(weights)),
            transfer=(*(self._leading(inner.transfer[i]) for i in moved), own),
            transfer_weights=(*(inner.transfer_weights[i] for i in moved), _WEIGHTS),
            analytic=Analytic(self, (*MACHINES, *INT8)),
        )

    def _leading(self, component: Component) -> Component:
        plain = isinstance(component, Rbf) or (
            isinstance(component, Linear) and component.matrix is None
        )
        return component if plain else Leading(component, self.space.width)

    def _used(self, inner: Indices) -> NDArray[np.bool_]:
        """Which layers have products, `[n, l]`; rows of the other space."""
        found = np.zeros((len(inner), len(self.layer_names)), dtype=np.bool_)
        for layer, where, table in self._layer_tables:
            found[:, layer] |= (table[tuple(inner[:, where].T)] != 0).any(axis=1)
        return found

    def _changes(self) -> Iterator[Table]:
        """What a layer in int8 has to do more than in fp32, less where negative."""
        for layer, where, table in self._layer_tables:
            yield [*where, self._inner + layer], np.stack([np.zeros_like(table), table], axis=-2)

    @cached_property
    def _layer_tables(self) -> list[tuple[int, list[int], FloatArray]]:
        """Layer, positions, and what it has to do more in int8, for every choice at these."""
        found = []
        for part in self.parts:
            where = [self._place[name] for name in part.positions]
            choices = [self.space.positions[i].choices for i in where]
            values = []
            for chosen in product(*choices):
                costs = part.costs(*chosen)
                int8 = _int8(costs)
                pairs = zip(numbers(int8), numbers(costs), strict=True)
                change = [after - before for after, before in pairs]
                work = dict(zip(NAMES, numbers(int8), strict=True))
                values.append([*change, *(work[kind] for kind in KINDS)])
            shape = (*map(len, choices), len(NAMES) + len(KINDS))
            table = np.array(values, dtype=np.float64).reshape(shape)
            found.append((self.layer_names.index(part.layer), where, table))
        return found

    @cached_property
    def work(self) -> TableBasis:
        """Multiply-accumulates in int8, by kind and then by layer."""
        kinds, layers = len(KINDS), len(self.layer_names)
        tables = []
        for layer, where, table in self._layer_tables:
            own = np.zeros((*table.shape[:-1], 2, kinds + layers))
            own[..., 1, :kinds] = table[..., len(NAMES) :]
            own[..., 1, kinds + layer] = table[..., len(NAMES) :].sum(axis=-1)
            tables.append(([*where, self._inner + layer], own))
        return table_basis(self.sizes.tolist(), tables)


@dataclass(frozen=True, slots=True, eq=False)
class Int8Work(Component):
    """Inner product of the multiply-accumulates in int8, by kind and by layer, half of it each.

    Each is standardised over the pool; those that do not vary are left out.
    """

    space: MixedPrecision

    def fit(self, features: FloatArray, cost: FloatArray, rng: np.random.Generator) -> FeatureMap:
        basis = self.space.work
        values = basis(features)
        deviation = values.std(axis=0)
        varying = deviation > 0
        kinds = np.arange(len(deviation)) < len(KINDS)
        scale = np.where(varying, deviation, np.inf)
        for group in (kinds, ~kinds):
            scale[group] *= np.sqrt(2 * max(int(varying[group].sum()), 1))
        return FeatureMap(basis, np.diag(1 / scale), values.mean(axis=0) / scale)


def _int8(costs: Costs) -> Costs:
    """Raises ValueError for costs that do not say it."""
    if costs.int8 is None:
        raise ValueError("costs without int8 have no precision; count them by a Recorder")
    return costs.int8
