"""Reading what a caller passes: measurements, rows, and values in the wrong unit."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hwprof.errors import OptionError
from hwprof.metrics import LATENCY, Metric
from hwprof.predictors.base import Measured
from hwprof.predictors.naming import error_name, values_name

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

# A unit mistake is a factor of 1000. A device this many times beyond the pool's typical one, and
# so far beyond the slowest or the fastest, is taken for one. Nearer ones exist: `cautions` tells.
UNIT_FACTOR, UNIT_BEYOND = 600.0, 32.0
# One measurement this many times above what the others let expect of it.
UNIT_CELL = 300.0


# How to insist, in Python and at the prompt.
_ANYWAY = "check_units=False (hwprof adapt --any-speed)"


def check_rows(rows: ArrayLike, count: int, what: str = "indices") -> IntArray:
    """Rows of the pool as integers `[k]`. Raises OptionError unless each lies in 0..count-1."""
    array = np.asarray(rows)
    if array.ndim != 1:
        remedy = "pass a flat list"
        if what == "indices" and array.ndim == 2:
            remedy = "pass rows of the pool; the few-shot predictor alone takes features, as floats"
        raise OptionError(f"{what} must be 1-d, but has shape {array.shape}; {remedy}")
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


def check_repeats(measured: Measured, remedy: str) -> None:
    """Raise OptionError naming architectures that were measured twice."""
    _, first, count = np.unique(measured.indices, return_index=True, return_counts=True)
    twice = first[count > 1]
    if len(twice):
        raise OptionError(f"indices has duplicates ({labels(measured, twice, '')}); {remedy}")


def labels(measured: Measured, places: IntArray, word: str = "rows ") -> str:
    """The first few of some measurements' architectures, as messages call them."""
    rows = measured.indices[places[:4]]
    if measured.own is None or (rows < measured.own).all():
        return word + ", ".join(map(str, rows))
    return ", ".join(measured.label(place) for place in places[:4])


def check_measured(
    indices: ArrayLike,
    values: ArrayLike,
    std_error: ArrayLike | None,
    count: int,
    metric: Metric = LATENCY,
    own: int | None = None,
) -> Measured:
    """Measurements on the target; `own` as in `Measured`.

    Raises OptionError for anything that `metric` cannot be.
    """
    rows = check_rows(indices, count)
    if rows.size == 0:
        raise OptionError("adapting needs at least 1 measurement, but got 0; measure what "
                          "select(k) proposes")  # fmt: skip
    what, of_errors = values_name(metric), error_name(metric)
    numbers = _numbers(values, what, rows, metric)
    measured = Measured(rows, numbers, metric=metric, own=own)
    for place, value in enumerate(numbers):
        if not (np.isfinite(value) and value > 0):
            raise OptionError(
                f"{what} must be positive finite {metric.words}, but is {value:g} for "
                f"{measured.label(place)}; measure it again or leave it out"
            )
    if std_error is None:
        check_repeats(measured, f"average the repeats, pass {of_errors}, or add them with update()")
        return measured
    error = _numbers(std_error, of_errors, rows, metric)
    for place, value in enumerate(error):
        if not (np.isfinite(value) and value >= 0):
            raise OptionError(
                f"{of_errors} must be finite {metric.words}, zero or more, but is {value:g} for "
                f"{measured.label(place)}; pass 0 where it is unknown"
            )
    return replace(measured, std_error=error)


def check_units(
    measured: Measured, mean: FloatArray, pool_scale: FloatArray | None, names: tuple[str, ...]
) -> None:
    """Raise OptionError for values a thousand times off.

    `mean` is the mean relative cost of the measured rows over the pool's devices, `[k]`;
    `pool_scale` the mean cost on each of them, `[m]`, None for a pool of another metric: then the
    measurements are held against each other alone.
    """
    metric = measured.metric
    what, (slow_word, fast_word) = values_name(metric), ends_of(metric)
    ratio = _ratio(measured, mean)
    scale = speed_of(measured, mean)
    if pool_scale is not None:
        slow, fast = int(pool_scale.argmax()), int(pool_scale.argmin())
        typical = float(np.exp(np.log(pool_scale).mean()))
        if scale > max(UNIT_FACTOR * typical, UNIT_BEYOND * pool_scale[slow]):
            raise OptionError(
                f"{what} is {scale / pool_scale[slow]:.0f} times that of the {slow_word} device of "
                f"the pool ({names[slow]}, {pool_scale[slow]:.3g} {metric.unit}): "
                f"{mistaken(metric)}, or say {_ANYWAY} if the device really is so"
            )
        if scale < min(typical / UNIT_FACTOR, pool_scale[fast] / UNIT_BEYOND):
            raise OptionError(
                f"{what} is {pool_scale[fast] / scale:.0f} times below that of the {fast_word} "
                f"device of the pool ({names[fast]}, {pool_scale[fast]:.3g} {metric.unit}): a "
                f"wrong unit; multiply by 1000, or say {_ANYWAY} if the device really is so"
            )
    wrong = np.flatnonzero(ratio > UNIT_CELL * scale)
    if wrong.size:
        raise OptionError(
            f"{what} of {labels(measured, wrong, 'row ')} is over {UNIT_CELL:.0f} times what the "
            f"other measurements let expect: another unit than the rest; pass all in "
            f"{metric.words}, or say {_ANYWAY}"
        )


def speed_of(measured: Measured, mean: FloatArray) -> float:
    """Cost of the mean architecture on the device, from `mean` as `check_units` takes it."""
    return float(np.median(_ratio(measured, mean)))


def _ratio(measured: Measured, mean: FloatArray) -> FloatArray:
    ratio: FloatArray = measured.values / np.maximum(mean, 0.02)
    return ratio


def ends_of(metric: Metric) -> tuple[str, str]:
    """What the devices are called on which most and least is spent."""
    return ("slowest", "fastest") if metric.is_same(LATENCY) else ("costliest", "cheapest")


def mistaken(metric: Metric) -> str:
    """What values a thousand times too large may be, and the way out."""
    if metric.is_same(LATENCY):
        return "these look like milliseconds given as seconds; divide by 1000"
    thousandth = next((unit for unit, size in metric.units.items() if size == 1e-3), None)
    if thousandth is None:
        return f"a wrong unit; pass {metric.words}"
    return f"these look like {thousandth} given as {metric.unit}; divide by 1000"


def merge(first: Measured, second: Measured) -> Measured:
    """Both sets of measurements, of one metric; an unknown standard error becomes zero."""
    error = None
    if first.std_error is not None or second.std_error is not None:
        error = np.concatenate([_error(first), _error(second)])
    return replace(
        first,
        indices=np.concatenate([first.indices, second.indices]),
        values=np.concatenate([first.values, second.values]),
        std_error=error,
    )


def combine(measured: Measured) -> tuple[IntArray, FloatArray, FloatArray]:
    """Distinct rows in order, their value `[k]` and its known variance `[k]`, unit squared.

    Repeats are averaged by the inverse of their variances. The noise that the model infers is not
    divided by their number: most of it is what the features do not tell, which repeats share.
    """
    error = _error(measured)
    # Errors of zero are unknown, not perfect: a floor far below any clock keeps the weights finite.
    variance = np.maximum(error, 1e-6 * measured.values) ** 2
    rows, place = np.unique(measured.indices, return_inverse=True)
    total = np.bincount(place, 1 / variance)
    values = np.bincount(place, measured.values / variance) / total
    known = np.bincount(place, error**2 / variance**2) / total**2
    return rows.astype(np.int64), values, known


def _error(measured: Measured) -> FloatArray:
    if measured.std_error is None:
        return np.zeros(len(measured.values))
    return measured.std_error


def _numbers(values: ArrayLike, what: str, rows: IntArray, metric: Metric) -> FloatArray:
    try:
        array = np.array(values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise OptionError(f"{what} must be numbers ({error}); pass {metric.words}") from error
    if array.shape != rows.shape:
        raise OptionError(
            f"{what} must have one value per index, but has shape {array.shape} for {rows.size} "
            "indices; pass both in the same order"
        )
    return array
