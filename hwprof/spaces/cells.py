"""How alike cells are: small graphs whose edges each choose an operation, one of them none."""

from __future__ import annotations

from dataclasses import dataclass

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
        chosen = features.reshape(len(features), len(self.edges), -1)
        used, reached = joints(1 - chosen[:, :, 0], self.edges)
        live = (chosen[:, :, 1:] * used[:, self.edges[:, 1], None]).sum(axis=1)
        return np.concatenate([live, reached[:, -1:]], axis=1)


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
