"""Reading what a caller passes: measurements, rows, and values in the wrong unit."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hwprof.errors import OptionError
from hwprof.predictors.base import Measured

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

# A unit mistake is a factor of 1000. A device this many times beyond the slowest or the fastest of
# the pool is taken for one: the square root of 1000, half way between the two on a log scale.
UNIT_FACTOR = 32.0
# One measurement this many times above what the others let expect of it.
UNIT_CELL = 300.0


# How to insist, in Python and at the prompt.
_ANYWAY = "check_units=False (hwprof adapt --any-speed)"


def check_rows(rows: ArrayLike, count: int, what: str = "indices") -> IntArray:
    """Rows of the pool as integers `[k]`. Raises OptionError unless each lies in 0..count-1."""
    array = np.asarray(rows)
    if array.ndim != 1:
        raise OptionError(f"{what} must be 1-d, but has shape {array.shape}; pass a flat list")
    if array.size == 0:
        return np.zeros(0, dtype=np.int64)
    if not np.issubdtype(array.dtype, np.integer):
        raise OptionError(
            f"{what} must be integers, but is of type {array.dtype}; pass rows of the pool"
        )
    outside = array[(array < 0) | (array >= count)]
    if outside.size:
        raise OptionError(
            f"{what} must be rows of the pool, 0 to {count - 1}, but has {outside[0]}; "
            "pass other rows"
        )
    return array.astype(np.int64)


def check_distinct(rows: IntArray, what: str, remedy: str) -> None:
    """Raise OptionError naming rows that are given twice."""
    values, counts = np.unique(rows, return_counts=True)
    if (counts > 1).any():
        twice = ", ".join(map(str, values[counts > 1][:4]))
        raise OptionError(f"{what} has duplicates ({twice}); {remedy}")


def check_measured(
    indices: ArrayLike, latency_s: ArrayLike, std_error_s: ArrayLike | None, count: int
) -> Measured:
    """Measurements on the target. Raises OptionError for anything that is not a latency."""
    rows = check_rows(indices, count)
    if rows.size == 0:
        raise OptionError("adapting needs at least 1 measurement, but got 0; measure what "
                          "select(k) proposes")  # fmt: skip
    latency = _numbers(latency_s, "latency_s", rows)
    for row, value in zip(rows, latency, strict=True):
        if not (np.isfinite(value) and value > 0):
            raise OptionError(
                f"latency_s must be positive finite seconds, but is {value:g} for row {row}; "
                "measure it again or leave it out"
            )
    if std_error_s is None:
        check_distinct(
            rows, "indices", "average the repeats, pass std_error_s, or add them with update()"
        )
        return Measured(rows, latency)
    error = _numbers(std_error_s, "std_error_s", rows)
    for row, value in zip(rows, error, strict=True):
        if not (np.isfinite(value) and value >= 0):
            raise OptionError(
                f"std_error_s must be finite seconds, zero or more, but is {value:g} for row "
                f"{row}; pass 0 where it is unknown"
            )
    return Measured(rows, latency, error)


def check_units(
    measured: Measured, mean: FloatArray, pool_scale_s: FloatArray, names: tuple[str, ...]
) -> None:
    """Raise OptionError for latencies a thousand times off.

    `mean` is the mean relative latency of the measured rows over the pool's devices, `[k]`.
    """
    ratio = measured.latency_s / np.maximum(mean, 0.02)
    scale = float(np.median(ratio))
    slow, fast = int(pool_scale_s.argmax()), int(pool_scale_s.argmin())
    if scale > UNIT_FACTOR * pool_scale_s[slow]:
        raise OptionError(
            f"latency_s is {scale / pool_scale_s[slow]:.0f} times that of the slowest device of "
            f"the pool ({names[slow]}, {pool_scale_s[slow]:.3g} s): these look like milliseconds "
            "given as seconds; divide by 1000, or "
            f"say {_ANYWAY} if the device is so slow"
        )
    if scale * UNIT_FACTOR < pool_scale_s[fast]:
        raise OptionError(
            f"latency_s is {pool_scale_s[fast] / scale:.0f} times below that of the fastest device "
            f"of the pool ({names[fast]}, {pool_scale_s[fast]:.3g} s): a wrong unit; multiply by "
            "1000, or "
            f"say {_ANYWAY} if the device is so fast"
        )
    wrong = np.flatnonzero(ratio > UNIT_CELL * scale)
    if wrong.size:
        rows = ", ".join(map(str, measured.indices[wrong][:4]))
        raise OptionError(
            f"latency_s of row {rows} is over {UNIT_CELL:.0f} times what the other measurements "
            "let expect: another unit than the rest; pass all in seconds, or "
            f"say {_ANYWAY}"
        )


def merge(first: Measured, second: Measured) -> Measured:
    """Both sets of measurements; an unknown standard error becomes zero."""
    error = None
    if first.std_error_s is not None or second.std_error_s is not None:
        error = np.concatenate([_error(first), _error(second)])
    return Measured(
        np.concatenate([first.indices, second.indices]),
        np.concatenate([first.latency_s, second.latency_s]),
        error,
    )


def combine(measured: Measured) -> tuple[IntArray, FloatArray, FloatArray]:
    """Distinct rows in order, their latency `[k]` and its known variance `[k]`, seconds squared.

    Repeats are averaged by the inverse of their variances. The noise that the model infers is not
    divided by their number: most of it is what the features do not tell, which repeats share.
    """
    error = _error(measured)
    # Errors of zero are unknown, not perfect: a floor far below any clock keeps the weights finite.
    variance = np.maximum(error, 1e-6 * measured.latency_s) ** 2
    rows, place = np.unique(measured.indices, return_inverse=True)
    total = np.bincount(place, 1 / variance)
    latency = np.bincount(place, measured.latency_s / variance) / total
    known = np.bincount(place, error**2 / variance**2) / total**2
    return rows.astype(np.int64), latency, known


def _error(measured: Measured) -> FloatArray:
    if measured.std_error_s is None:
        return np.zeros(len(measured.latency_s))
    return measured.std_error_s


def _numbers(values: ArrayLike, what: str, rows: IntArray) -> FloatArray:
    try:
        array = np.array(values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise OptionError(f"{what} must be numbers ({error}); pass seconds") from error
    if array.shape != rows.shape:
        raise OptionError(
            f"{what} must have one value per index, but has shape {array.shape} for {rows.size} "
            "indices; pass both in the same order"
        )
    return array
