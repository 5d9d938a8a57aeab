"""Long arrays a block of rows at a time, so that what is worked out per row never stands for all.

Shapes: n rows, d columns.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]

# Few enough that a few hundred numbers per row stay below 100 MB, enough for quick products. Every
# shipped pool is one block.
ROWS = 16_384


def blocks(count: int) -> Iterator[slice]:
    """Slices that cover 0..count-1 in order."""
    for start in range(0, count, ROWS):
        yield slice(start, min(start + ROWS, count))


def moments(
    values: FloatArray, matrix: FloatArray | None = None
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Mean, standard deviation and largest magnitude of each column, each `[d]`.

    Of `values @ matrix` where a matrix is given.
    """

    def block(rows: slice) -> FloatArray:
        return values[rows] if matrix is None else values[rows] @ matrix

    count = len(values)
    total, largest = np.zeros(0), np.zeros(0)
    for rows in blocks(count):
        part = block(rows)
        total = part.sum(axis=0) + (total if total.size else 0)
        largest = np.maximum(np.abs(part).max(axis=0), largest if largest.size else 0)
    mean = total / count
    square = sum(((block(rows) - mean) ** 2).sum(axis=0) for rows in blocks(count))
    return mean, np.sqrt(square / count), largest


def all_finite(values: FloatArray) -> bool:
    """Whether no number of a matrix is infinite or NaN."""
    return all(bool(np.isfinite(values[rows]).all()) for rows in blocks(len(values)))
