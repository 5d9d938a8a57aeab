"""How alike cells are: small graphs whose edges each choose an operation, one of them none."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from hwprof.similarity import Basis, Component, FeatureMap

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class LiveBasis(Basis):
    """How often each operation occurs on edges whose result is used, and whether a cell is joined.

    A runtime that removes dead code does not run an operation from which no chain of edges leads
    to the output; one that interprets the model runs it all the same. Features are one-hot by
    edge, the first operation being none. Values: one count per other operation, then 1 where the
    input reaches the output.
    """

    edges: NDArray[np.int64]
    """Where each edge starts and ends, `[e, 2]`; node 0 is the input, the last one the output.
    Edges must start at smaller nodes than they end."""

    def __call__(self, features: FloatArray) -> FloatArray:
        live, _, joined = _counts(features, self.edges)
        return np.concatenate([live, joined[:, None]], axis=1)


@dataclass(frozen=True, slots=True, eq=False)
class DroppedBasis(Basis):
    """What a runtime that removes dead code does not run of a cell.

    Edges and features as in `LiveBasis`. Values: how often each operation other than none occurs on
    edges whose result is not used, or at all where the input does not reach the output; then 1
    where it does not.
    """

    switch: ClassVar[bool] = True
    edges: NDArray[np.int64]

    def __call__(self, features: FloatArray) -> FloatArray:
        live, every, joined = _counts(features, self.edges)
        dropped = every - joined[:, None] * live
        return np.concatenate([dropped, 1 - joined[:, None]], axis=1)


def _counts(
    features: FloatArray, edges: NDArray[np.int64]
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Operations on used edges and on all, `[n, o]` each, and whether the ends are joined `[n]`."""
    chosen = features.reshape(len(features), len(edges), -1)
    used, reached = joints(1 - chosen[:, :, 0], edges)
    live = (chosen[:, :, 1:] * used[:, edges[:, 1], None]).sum(axis=1)
    return live, chosen[:, :, 1:].sum(axis=1), reached[:, -1]


def joints(open_: FloatArray, edges: NDArray[np.int64]) -> tuple[FloatArray, FloatArray]:
    """Which nodes the output uses, and which the input reaches, `[n, nodes]` each.

    `open_` `[n, e]` is 1 where an edge has an operation other than none; edges as in `LiveBasis`.
    """
    nodes = int(edges.max()) + 1
    used, reached = (np.zeros((len(open_), nodes)) for _ in range(2))
    used[:, -1] = 1
    reached[:, 0] = 1
    for e in np.argsort(edges[:, 1], kind="stable"):
        start, end = edges[e]
        reached[:, end] = np.maximum(reached[:, end], reached[:, start] * open_[:, e])
    for e in np.argsort(-edges[:, 0], kind="stable"):
        start, end = edges[e]
        used[:, start] = np.maximum(used[:, start], used[:, end] * open_[:, e])
    return used, reached


@dataclass(frozen=True, slots=True)
class Live(Component):
    """Inner product of the values of `LiveBasis`, standardised over the pool, per dimension."""

    edges: tuple[tuple[int, int], ...]

    def fit(self, features: FloatArray, cost: FloatArray, rng: np.random.Generator) -> FeatureMap:
        basis = LiveBasis(np.array(self.edges, dtype=np.int64))
        values = basis(features)
        deviation = values.std(axis=0)
        scale = np.where(deviation > 0, deviation, np.inf) * np.sqrt(values.shape[1])
        return FeatureMap(basis, np.diag(1 / scale), values.mean(axis=0) / scale)


@dataclass(frozen=True, slots=True)
class Dropped(Component):
    """How a device that drops dead operations differs from one that runs them: one direction.

    It takes less by what the dropped operations cost on the pool's typical device, where costs are
    counts times a cost each, and nothing at all where the input does not reach the output.
    """

    edges: tuple[tuple[int, int], ...]

    def fit(self, features: FloatArray, cost: FloatArray, rng: np.random.Generator) -> FeatureMap:
        edges = np.array(self.edges, dtype=np.int64)
        _, every, joined = _counts(features, edges)
        known = np.concatenate([every, np.ones((len(every), 1))], axis=1)[joined > 0]
        each = np.linalg.lstsq(known, cost[joined > 0], rcond=None)[0]
        matrix = -np.maximum(each, 0)[:, None]
        return FeatureMap(DroppedBasis(edges), matrix, np.zeros(1))
