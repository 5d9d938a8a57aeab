"""Sums of tables: what a network costs where each part of it depends on a few positions."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hwprof.similarity import Basis

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

Table = tuple[Sequence[int], FloatArray]
"""Numbers of positions, and values `[choices of the first, of the second, ..., c]`."""


@dataclass(frozen=True, slots=True, eq=False)
class TableBasis(Basis):
    """The sum over parts of the row that their table has for the choices made.

    Features are one-hot by position; p parts, v rows of all tables together, c columns.
    """

    codes: IntArray
    """What each feature adds to the number of each part's row, `[d, p]`."""
    table: FloatArray
    """Rows of all parts, `[v, c]`."""

    def __call__(self, features: FloatArray) -> FloatArray:
        rows = np.rint(features @ self.codes).astype(np.int64)
        # Features that are not one-hot get some row: they cost nothing that anybody knows.
        np.clip(rows, 0, len(self.table) - 1, out=rows)
        total = np.zeros((len(features), self.table.shape[1]))
        for part in rows.T:
            total += self.table[part]
        return total


def table_basis(sizes: Sequence[int], tables: Iterable[Table]) -> TableBasis:
    """The sum of some tables; `sizes` are the choices of each position.

    Choices between which a table makes no difference share its rows.
    """
    starts = np.cumsum([0, *sizes])
    codes, rows, first = [], [], 0
    for positions, values in tables:
        code = np.zeros(starts[-1], dtype=np.int64)
        # Every architecture has one choice at the first position: a part's rows begin there.
        code[: starts[1]] = first
        step, merged = 1, values
        for axis in reversed(range(len(positions))):
            kept, group = _distinct(np.moveaxis(merged, axis, 0))
            merged = np.take(merged, kept, axis=axis)
            at = starts[positions[axis]]
            code[at : at + len(group)] += step * group
            step *= merged.shape[axis]
        codes.append(code)
        rows.append(merged.reshape(-1, values.shape[-1]))
        first += len(rows[-1])
    return TableBasis(np.stack(codes, axis=1), np.concatenate(rows))


def _distinct(slices: FloatArray) -> tuple[list[int], IntArray]:
    """Which slices of the first axis differ from all before, and which of them each equals."""
    kept: list[int] = []
    group = np.zeros(len(slices), dtype=np.int64)
    for i, values in enumerate(slices):
        same = [j for j, k in enumerate(kept) if np.array_equal(slices[k], values)]
        group[i] = same[0] if same else len(kept)
        kept += [] if same else [i]
    return kept, group
