"""Measured costs of architectures of one device and one setting, out of a table or a file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from hwprof.errors import OptionError
from hwprof.lut import Table
from hwprof.metrics import Metric
from hwprof.predictors.base import FloatArray, IntArray
from hwprof.predictors.measurements import Wanted, read
from hwprof.predictors.setting import Setting
from hwprof.search.architectures import Architectures

_SQLITE = b"SQLite format 3\x00"


@dataclass(frozen=True, slots=True, eq=False)
class Values:
    """What was measured: m architectures, each once."""

    metric: Metric
    rows: IntArray
    """Canonical rows in rising order, shape `[m, p]`."""
    values: FloatArray
    """Base unit, means over repeats, shape `[m]`."""
    std_error: FloatArray
    """Base unit, shape `[m]`; NaN where it is not known."""
    setting: Setting | None
    where: str
    """What the source is called in messages."""


def values_of(
    source: Table | str | Path,
    view: Architectures,
    device: str | None,
    metric: Metric | str | None,
    wanted: Mapping[str, Any],
) -> Values:
    """The values of one device and setting; `wanted` narrows the settings by name.

    Raises OptionError for none and for several, TableError for a table that cannot be read.
    """
    path = source.path if isinstance(source, Table) else Path(source)
    asked = [name for name, value in {"device": device, **wanted}.items() if value is not None]
    table = _is_table(path)
    if asked and not table:
        raise OptionError(
            f"'{path}' is no table of hwprof and does not tell {', '.join(asked)}; leave that "
            "out, or give a table"
        )
    # Rows that were imported were measured too; a lookup never gives what was itself predicted.
    which = Wanted(**wanted, include=("imported",)) if table else None
    reading = read(path, view.space, device, metric, which)
    texts = [cost.arch for cost in reading.measured]
    values = [cost.value for cost in reading.measured]
    errors = [np.nan if c.std_error is None else c.std_error for c in reading.measured]
    return _joined(view, reading.metric, texts, values, errors, reading.setting, f"'{path}'")


def _joined(
    view: Architectures,
    metric: Metric,
    texts: list[str],
    values: list[float],
    errors: list[float],
    setting: Setting | None,
    where: str,
) -> Values:
    """Each architecture once: the mean of its repeats."""
    rows, place, count = np.unique(
        view.indices(texts), axis=0, return_inverse=True, return_counts=True
    )
    place = place.reshape(-1)
    value, error = np.array(values), np.array(errors)
    mean = np.bincount(place, value) / count
    own = np.sqrt(np.bincount(place, error**2)) / count
    # Repeats that differ by more than their errors say so themselves.
    squared = np.bincount(place, (value - mean[place]) ** 2)
    among = np.sqrt(squared / np.maximum(count - 1, 1) / count)
    return Values(metric, rows, mean, np.maximum(own, among), setting, where)


def _is_table(path: Path) -> bool:
    try:
        with path.open("rb") as stream:
            return stream.read(len(_SQLITE)) == _SQLITE
    except OSError:
        return False
