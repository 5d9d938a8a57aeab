"""How HELP reads architectures: a cell as a graph, anything else as a vector."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hwprof.errors import OptionError
from hwprof.predictors.pool import FloatArray

Float32Array = NDArray[np.float32]

# NAS-Bench-201: edges in the order of its strings, each as (from, to) among the four nodes.
_CELL_EDGES = ((0, 1), (0, 2), (1, 2), (0, 3), (1, 3), (2, 3))
_CELL_OPERATIONS = 5
# FBNet: kernel 3 or 5, then expansion 1, 1 in two groups, 3 or 6. A skip has none of them.
_BLOCK_ATTRIBUTES = 6
_BLOCKS = 9


@dataclass(frozen=True, slots=True, eq=False)
class Encoder:
    """`features -> [v, b, f]`: inputs of the network by graph node, v = 1 without a graph."""

    name: str
    width: int
    """Inputs per node."""
    matrix: Float32Array | None
    """Linear map of the features, `[d, f]`; None for a graph."""
    offset: Float32Array | None
    adjacency: Float32Array | None
    """Row i holds the nodes that node i listens to, `[v, v]`; None without a graph."""

    def __call__(self, features: FloatArray) -> Float32Array:
        rows = np.asarray(features, dtype=np.float32)
        if self.matrix is not None and self.offset is not None:
            return np.asarray(rows @ self.matrix - self.offset, dtype=np.float32)[None]
        return _cell_nodes(rows)


def choose_encoder(space: str | None, features: FloatArray) -> Encoder:
    """The encoder of a space, or standardised features for one that HELP does not know.

    `features` are the pool's, `[n, d]`. Raises OptionError when they are not what the space of
    that name encodes.
    """
    if space == "nasbench201":
        _need_one_hot(space, features, len(_CELL_EDGES), _CELL_OPERATIONS)
        return Encoder(space, _CELL_OPERATIONS + 3, None, None, _cell_adjacency())
    if space == "fbnet":
        positions = features.shape[1] // _BLOCKS
        _need_one_hot(space, features, positions, _BLOCKS)
        matrix = np.kron(np.eye(positions), _block_attributes()).astype(np.float32)
        return Encoder(space, matrix.shape[1], matrix, np.zeros(1, dtype=np.float32), None)
    deviation = features.std(axis=0)
    varying = deviation > 1e-6 * np.maximum(np.abs(features).max(axis=0), 1e-300)
    scale = np.where(varying, 1 / np.where(varying, deviation, 1), 0)
    return Encoder(
        "vector",
        features.shape[1],
        np.diag(scale).astype(np.float32),
        (features.mean(axis=0) * scale).astype(np.float32),
        None,
    )


def _need_one_hot(space: str, features: FloatArray, positions: int, choices: int) -> None:
    fits = features.shape[1] == positions * choices and positions > 0
    if fits:
        grouped = features.reshape(len(features), positions, choices)
        fits = bool(np.isin(features, (0, 1)).all() and (grouped.sum(axis=2) == 1).all())
    if not fits:
        raise OptionError(
            f"features are not one-hot architectures of {space} (shape {features.shape}); "
            f"encode them with hwprof.spaces.get({space!r})"
        )


def _cell_adjacency() -> Float32Array:
    """Input, six operations, output and a node that listens to all of them."""
    operations = len(_CELL_EDGES)
    last, everything = operations + 1, operations + 2
    hears = np.eye(everything + 1, dtype=np.float32)
    for i, (start, end) in enumerate(_CELL_EDGES, start=1):
        if start == 0:
            hears[i, 0] = 1
        if end == 3:
            hears[last, i] = 1
        for j, (_, stop) in enumerate(_CELL_EDGES, start=1):
            if stop == start:
                hears[i, j] = 1
    hears[everything] = 1
    return hears


def _cell_nodes(rows: Float32Array) -> Float32Array:
    """One-hot kinds of the nodes, `[9, b, 8]`: five operations, input, output, global."""
    operations, kinds = len(_CELL_EDGES), _CELL_OPERATIONS + 3
    nodes = np.zeros((operations + 3, len(rows), kinds), dtype=np.float32)
    chosen = rows.reshape(len(rows), operations, _CELL_OPERATIONS)
    nodes[1 : operations + 1, :, :_CELL_OPERATIONS] = chosen.transpose(1, 0, 2)
    for node, kind in ((0, -3), (operations + 1, -2), (operations + 2, -1)):
        nodes[node, :, kind] = 1
    return nodes


def _block_attributes() -> FloatArray:
    table = np.zeros((_BLOCKS, _BLOCK_ATTRIBUTES))
    for block in range(_BLOCKS - 1):
        table[block, block // 4] = 1
        table[block, 2 + block % 4] = 1
    return table
