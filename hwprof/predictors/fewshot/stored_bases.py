"""Bases of prior features as tensors and a header's entry."""

from __future__ import annotations

import msgspec
import numpy as np
from numpy.typing import NDArray

from hwprof.errors import TableError
from hwprof.similarity import Basis, HammingBasis, Identity, RbfBasis
from hwprof.spaces.cells import DroppedBasis, LiveBasis
from hwprof.spaces.tables import TableBasis

# More nodes than any cell has: a damaged file must not ask for gigabytes.
_NODES = 1000

Tensors = dict[str, NDArray[np.generic]]


class StoredBasis(msgspec.Struct, frozen=True):
    """What a header says of a basis; its arrays are tensors of the file."""

    kind: str
    rho: float = 0.0
    positions: int = 0


def pack_basis(basis: Basis, number: int, tensors: Tensors) -> StoredBasis:
    """Add the tensors of the basis with this number. Raises TableError for a foreign kind."""
    if isinstance(basis, HammingBasis):
        tensors[f"landmarks.{number}"] = compact(basis.landmarks)
        return StoredBasis("hamming", basis.rho, basis.positions)
    if isinstance(basis, RbfBasis):
        tensors[f"landmarks.{number}"], tensors[f"scale.{number}"] = basis.landmarks, basis.scale
        return StoredBasis("rbf")
    if isinstance(basis, LiveBasis):
        tensors[f"edges.{number}"] = basis.edges
        return StoredBasis("live")
    if isinstance(basis, DroppedBasis):
        tensors[f"edges.{number}"] = basis.edges
        return StoredBasis("dropped")
    if isinstance(basis, TableBasis):
        tensors[f"codes.{number}"], tensors[f"table.{number}"] = basis.codes, basis.table
        return StoredBasis("table")
    if isinstance(basis, Identity):
        return StoredBasis("identity")
    raise TableError(
        f"a predictor with the basis {type(basis).__name__} has no file form; "
        "use the components of hwprof.similarity"
    )


def unpack_basis(stored: StoredBasis, number: int, tensors: Tensors, features: int) -> Basis:
    """The basis with this number, of as many features.

    Raises KeyError or ValueError for what does not fit.
    """
    if stored.kind == "hamming":
        if not 0 < stored.rho < 1 or not 0 < stored.positions <= features:
            raise ValueError("its basis counts no possible positions")
        return HammingBasis(floats(tensors, f"landmarks.{number}"), stored.rho, stored.positions)
    if stored.kind == "rbf":
        # A scale may be infinite: it marks a feature that never varies.
        scale = tensors[f"scale.{number}"].astype(np.float64)
        return RbfBasis(floats(tensors, f"landmarks.{number}"), scale)
    if stored.kind == "live":
        return LiveBasis(_edges(tensors[f"edges.{number}"]))
    if stored.kind == "dropped":
        return DroppedBasis(_edges(tensors[f"edges.{number}"]))
    if stored.kind == "table":
        codes = tensors[f"codes.{number}"].astype(np.int64)
        return TableBasis(codes, floats(tensors, f"table.{number}"))
    if stored.kind == "identity":
        return Identity()
    raise ValueError(f"it has a basis of the unknown kind {stored.kind!r}")


def floats(tensors: Tensors, name: str) -> NDArray[np.float64]:
    """A tensor in double precision. Raises KeyError or ValueError for none and for no numbers."""
    array = tensors[name].astype(np.float64)
    if not np.isfinite(array).all():
        raise ValueError(f"its {name} is not finite")
    return array


def compact(array: NDArray[np.float64]) -> NDArray[np.generic]:
    """The same values in the smallest type that holds them exactly."""
    for kind in (np.uint8, np.float32):
        with np.errstate(invalid="ignore", over="ignore"):
            small = array.astype(kind)
        if np.array_equal(small.astype(np.float64), array):
            return small
    return array


def _edges(edges: NDArray[np.generic]) -> NDArray[np.int64]:
    nodes = edges.astype(np.int64)
    # Every node but the first has an edge that ends there.
    shaped = nodes.ndim == 2 and nodes.shape[1] == 2 and len(nodes) > 0
    if not shaped or nodes.min() < 0 or (nodes >= min(_NODES, len(nodes) + 1)).any():
        raise ValueError("its edges are not those of a cell")
    return nodes
