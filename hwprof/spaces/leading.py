"""What is known of a space, for one that has further positions behind the same."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from hwprof.similarity import (
    Basis,
    Component,
    FeatureMap,
    HammingBasis,
    Identity,
    RbfBasis,
)
from hwprof.spaces.analytic import Columns
from hwprof.spaces.tables import TableBasis, table_basis

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Leading(Component):
    """A component of the first features alone.

    Raises ValueError when it is fitted and its basis cannot be told to leave features out.
    """

    component: Component
    width: int
    """How many features it sees."""

    def fit(self, features: FloatArray, cost: FloatArray, rng: np.random.Generator) -> FeatureMap:
        found = self.component.fit(features[:, : self.width], cost, rng)
        more = features.shape[1] - self.width
        if isinstance(found.basis, Identity):
            return replace(found, matrix=np.pad(found.matrix, [(0, more), (0, 0)]))
        return replace(found, basis=_widened(found.basis, more))


def _widened(basis: Basis, more: int) -> Basis:
    """The same functions of features of which the last ones count for nothing."""
    if isinstance(basis, RbfBasis):
        landmarks = np.pad(basis.landmarks, [(0, 0), (0, more)])
        # Divided by infinity, whatever they are is 0.
        return RbfBasis(landmarks, np.pad(basis.scale, (0, more), constant_values=np.inf))
    if isinstance(basis, HammingBasis):
        return replace(basis, landmarks=np.pad(basis.landmarks, [(0, 0), (0, more)]))
    if isinstance(basis, TableBasis):
        return replace(basis, codes=np.pad(basis.codes, [(0, more), (0, 0)]))
    raise ValueError(f"{type(basis).__name__} cannot leave features out")


def columns_as_tables(columns: Columns, sizes: Sequence[int], names: Sequence[str]) -> TableBasis:
    """Columns of those names as one sum of tables; 0 for those that a space has not.

    Raises ValueError for columns that are no sum over positions.
    """
    matrix = np.zeros((len(columns.matrix), len(names)))
    for i, name in enumerate(names):
        if name in columns.names:
            matrix[:, i] = columns.matrix[:, columns.names.index(name)]
    basis = columns.basis
    if isinstance(basis, TableBasis):
        return TableBasis(basis.codes, basis.table @ matrix)
    if isinstance(basis, Identity):
        starts = np.cumsum([0, *sizes])
        return table_basis(
            sizes,
            (([i], matrix[a:b]) for i, (a, b) in enumerate(pairwise(starts))),
        )
    raise ValueError(f"{type(basis).__name__} is no sum over positions")
