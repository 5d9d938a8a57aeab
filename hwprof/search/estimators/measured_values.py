"""Measured costs of architectures of one device and one setting, out of a table or a file."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from hwprof.errors import OptionError
from hwprof.lut import Table
from hwprof.measurement import Measurement
from hwprof.metrics import LATENCY, Metric, check_metric
from hwprof.predictors.base import FloatArray, IntArray
from hwprof.predictors.measurements import read
from hwprof.predictors.setting import Setting
from hwprof.predictors.table_costs import OF_MEASUREMENT
from hwprof.search.architectures import Architectures

_SQLITE = b"SQLite format 3\x00"
# Settings named in a message.
_SHOWN = 4
# Sources of rows that were measured: a lookup never gives what was itself predicted.
_MEASURED = ("measured", "imported")


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
    wanted: Mapping[str, int | str | None],
) -> Values:
    """The values of one device and setting; `wanted` narrows the settings by name.

    Raises OptionError for none and for several, TableError for a table that cannot be read.
    """
    if isinstance(source, Table) or _is_table(Path(source)):
        told = LATENCY if metric is None else check_metric(metric)
        return _of_table(source, view, device, told, wanted)
    asked = [name for name, value in {"device": device, **wanted}.items() if value is not None]
    if asked:
        raise OptionError(
            f"'{source}' is no table of hwprof and does not tell {', '.join(asked)}; leave that "
            "out, or give a table"
        )
    reading = read(Path(source), str(view.space.name), None, metric)
    texts = [cost.arch for cost in reading.measured]
    values = [cost.value for cost in reading.measured]
    errors = [np.nan if c.std_error is None else c.std_error for c in reading.measured]
    return _joined(view, reading.metric, texts, values, errors, None, f"'{source}'")


def _of_table(
    source: Table | str | Path,
    view: Architectures,
    device: str | None,
    metric: Metric,
    wanted: Mapping[str, int | str | None],
) -> Values:
    if metric.name not in OF_MEASUREMENT:
        raise OptionError(
            f"a table of hwprof holds {', '.join(OF_MEASUREMENT)}, and not {metric.name}; name "
            "one of them, or give a file with arch and a column for it"
        )
    opened: AbstractContextManager[Table] = (
        nullcontext(source)
        if isinstance(source, Table)
        else Table.open(source, create=False, readonly=True)
    )
    found: dict[tuple[str, Setting], list[tuple[str, float, float]]] = {}
    lacking: list[str] = []
    with opened as table:
        where = f"'{table.path}'"
        for text, measurement in _architectures(view, table.measurements(device=device)):
            setting = setting_of(measurement, view, text)
            if any(v is not None and getattr(setting, name) != v for name, v in wanted.items()):
                continue
            value, error, reason = OF_MEASUREMENT[metric.name](measurement)
            if value is None:
                lacking.append(reason)
                continue
            if not 0 < value < np.inf:
                raise OptionError(
                    f"measurement {measurement.id[:8]} of {where} has the {metric.name} {value:g} "
                    f"{metric.unit}, which is not positive and finite; measure it again or remove "
                    "it"
                )
            kept = found.setdefault((measurement.device.slug, setting), [])
            kept.append((text, value, np.nan if error is None else error))
    if not found:
        why = f" ({lacking[0]})" if lacking else ""
        raise OptionError(
            f"{where} holds no {metric.name} of an architecture of {view.space.name} under the "
            f"setting that was asked for{why}; measure some with 'hwprof sweep --space "
            f"{view.space.name}', or ask for another setting"
        )
    if len(found) > 1:
        raise OptionError(_several(where, list(found)))
    (_, setting), told = next(iter(found.items()))
    texts, values, errors = (list(each) for each in zip(*told, strict=True))
    return _joined(view, metric, texts, values, errors, setting, where)


def setting_of(measurement: Measurement, view: Architectures, text: str) -> Setting:
    """Under what an architecture was measured.

    The side of the input counts as the architecture's own where its position `resolution` says so.
    To be one with what pools are made from.
    """
    inputs = measurement.subject.inputs
    shape = inputs[0].shape if inputs else ()
    side = int(shape[-1]) if len(shape) > 1 else None
    if "resolution" in view.names:
        chosen = view.space.parse(text)[view.names.index("resolution")]
        side = None if str(side) == chosen else side
    device = measurement.device
    batch = measurement.subject.batch
    whole = int(shape[0]) if batch is None and shape else batch or 1
    return Setting(str(view.space.name), whole, side, device.precision, device.threads)


def _architectures(
    view: Architectures, measurements: Iterable[Measurement]
) -> Iterable[tuple[str, Measurement]]:
    for measurement in measurements:
        if measurement.source not in _MEASURED:
            continue
        try:
            yield view.space.format(view.space.parse(measurement.subject.name)), measurement
        except OptionError:
            continue  # a model that is no architecture of this space


def _several(where: str, found: list[tuple[str, Setting]]) -> str:
    devices = sorted({slug for slug, _ in found})
    if len(devices) > 1:
        more = ", ..." if len(devices) > _SHOWN else ""
        return (
            f"{where} holds measurements of several devices ({', '.join(devices[:_SHOWN])}{more}); "
            "choose one with device="
        )
    first = found[0][1]
    differ = "; ".join("; ".join(first.differences(other)) for _, other in found[1:][:_SHOWN])
    return (
        f"{where} holds measurements under several settings, which are never mixed ({differ}); "
        "choose with batch=, resolution=, precision= or threads="
    )


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
