"""Architectures as graphs: one node per layer or operation, and one that listens to all.

Shapes: n architectures, d features, v nodes, f numbers per node.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from hwprof import spaces
from hwprof.errors import OptionError
from hwprof.predictors.base import FloatArray
from hwprof.predictors.help.encoders import choose_encoder
from hwprof.similarity import Similarity, check_similarity
from hwprof.spaces import Space

Float32Array = NDArray[np.float32]

# Positions of one layer, such as its kernel and its expansion, are one node.
_LAYER = re.compile(r"(.*layer\d+)(?:\.(.*))?")


@dataclass(frozen=True, slots=True, eq=False)
class Graph:
    """Which node listens to which, and what each of them is."""

    adjacency: Float32Array
    """Row i holds the share of each node in what node i hears, itself included, `[v, v]`; the last
    node hears all of them."""
    width: int
    """Numbers per node, f."""
    nodes: Callable[[FloatArray], Float32Array]
    """Features to what the nodes are, `[n, d] -> [n, v, f]`."""


def graph_of(similarity: Similarity | None, features: FloatArray) -> Graph:
    """The graph of a space's architectures, from the name that its similarity has.

    A cell of nasbench201 is a graph of its operations; of any other known space, layers are a chain
    in the order of its positions; what belongs to no known space is a single node. `features` are
    the pool's, `[n, d]`. Raises OptionError for features that are not the named space's.
    """
    name = None if similarity is None else check_similarity(similarity).name
    if name == "nasbench201":
        encoder = choose_encoder(name, features)
        assert encoder.adjacency is not None
        hears = encoder.adjacency
        return Graph(_shares(hears), encoder.width, lambda rows: encoder(rows).transpose(1, 0, 2))
    if name in spaces.names():
        return _chain(spaces.get(name), features)
    encoder = choose_encoder(None, features)
    plain = np.array([[1, 0], [1, 1]], dtype=np.float32)

    def nodes(rows: FloatArray) -> Float32Array:
        own = encoder(rows)[0]
        return np.stack([own, np.zeros_like(own)], axis=1)

    return Graph(_shares(plain), encoder.width, nodes)


def _chain(space: Space, features: FloatArray) -> Graph:
    one_hot = features.shape[1] == space.width and bool(np.isin(features, (0, 1)).all())
    if not one_hot:
        raise OptionError(
            f"features are not one-hot architectures of {space.name} (shape {features.shape}); "
            f"encode them with hwprof.spaces.get({space.name!r})"
        )
    node, shared = _places(space)
    layers, kinds = int(node.max()) + 1, int(shared.max()) + 1
    owner = np.repeat(np.arange(len(space.sizes)), space.sizes)
    starts = np.cumsum([0, *space.sizes])

    def nodes(rows: FloatArray) -> Float32Array:
        chosen = np.stack([rows[:, a:b].argmax(axis=1) for a, b in pairwise(starts)], axis=1)
        used = space.used(chosen.astype(np.int64))
        found = np.zeros((len(rows), layers + 1, kinds + space.width + 1), dtype=np.float32)
        for column in range(space.width):
            value = rows[:, column] * used[:, owner[column]]
            # What a choice is anywhere, and what it is here: the same block costs more early on.
            found[:, node[column], shared[column]] += value
            found[:, node[column], kinds + column] = value
        found[:, -1, -1] = 1
        return found

    hears = np.eye(layers + 1, dtype=np.float32)
    hears[np.arange(1, layers), np.arange(layers - 1)] = 1
    hears[-1] = 1
    return Graph(_shares(hears), kinds + space.width + 1, nodes)


def _places(space: Space) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Of each feature: the node that it belongs to, and the number of what it is, `[d]` each."""
    numbers: dict[str, int] = {}
    kinds: dict[tuple[str, str], int] = {}
    node, shared = [], []
    for position in space.positions:
        layer = _LAYER.fullmatch(position.name)
        scope, what = (layer[1], layer[2] or "") if layer else (position.name, position.name)
        number = numbers.setdefault(scope, len(numbers))
        for choice in position.choices:
            node.append(number)
            shared.append(kinds.setdefault((what, choice), len(kinds)))
    return np.array(node), np.array(shared)


def _shares(hears: Float32Array) -> Float32Array:
    found: Float32Array = hears / hears.sum(axis=1, keepdims=True)
    return found
