"""Costs of architectures from a file or a table, each checked."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hwprof.codec import CodecError, from_json
from hwprof.errors import OptionError
from hwprof.metrics import LATENCY, METRICS, Metric, check_metric
from hwprof.predictors.naming import need_latency
from hwprof.predictors.pools.making import one_kind_of_values, one_setting
from hwprof.predictors.pools.rows import find_rows, nothing_found
from hwprof.predictors.setting import Setting
from hwprof.predictors.table_costs import OF_MEASUREMENT
from hwprof.spaces.base import Space

_SQLITE = b"SQLite format 3\x00"
# Of a file of measurements: some hundred thousand of them.
_MOST_BYTES = 64 << 20
_BRIEF = 60
# What a file may be searched for: costs of a device. What a space tells is not measured.
_MEASURED = {name: metric for name, metric in METRICS.items() if not metric.of_space}


@dataclass(frozen=True, slots=True)
class ArchCost:
    """One measured architecture. `std_error` is None where the file does not tell."""

    arch: str
    value: float
    """In the base unit of `metric`."""
    std_error: float | None = None
    metric: Metric = LATENCY

    @property
    def latency_s(self) -> float:
        """The value in seconds. Raises OptionError for another metric than latency."""
        need_latency(self.metric, "measurement", "value")
        return self.value

    @property
    def std_error_s(self) -> float | None:
        """The error in seconds. Raises OptionError for another metric than latency."""
        need_latency(self.metric, "measurement", "std_error")
        return self.std_error


# Their name while latencies were all that was read.
ArchLatency = ArchCost


@dataclass(frozen=True, slots=True)
class Reading:
    """What a file or a table tells of one metric."""

    metric: Metric
    measured: tuple[ArchCost, ...]
    left_out: tuple[str, ...]
    """Why rows of a table are not among them, a reason for each."""
    setting: Setting | None = None
    """Under what they were measured; None where the file does not tell."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which rows of a table are meant, where they differ in what never mixes; None: the only."""

    batch: int | None = None
    resolution: int | None = None
    precision: str | None = None
    threads: int | None = None
    include: tuple[str, ...] = ()
    """Sources that count beside what was measured here, such as `imported`."""


def read_measurements(
    path: Path, space: str, device: str | None = None, metric: Metric | str | None = None
) -> list[ArchCost]:
    """Measurements of architectures of `space` from CSV, JSON lines or an hwprof table.

    Those of `read`, which also tells what was left out.
    """
    return list(read(path, space, device, metric).measured)


def read(
    path: Path,
    space: str | Space,
    device: str | None = None,
    metric: Metric | str | None = None,
    wanted: Wanted | None = None,
) -> Reading:
    """What was measured of `metric` on architectures of `space`, from CSV, JSON lines or a table.

    A file needs the columns `arch` and `METRIC_UNIT`, such as `latency_ms` or `energy_mJ` (only
    `METRIC` for plain numbers), and may have `std_error_UNIT`. Without `metric` it is latency where
    the file has it, otherwise the only one it has. In a table, measurements count whose model is
    named by an architecture; `device` narrows them. It has latency, energy of one run and peak
    memory; without `metric` it is latency. `energy_gross`, also called `energy`, is what the sensor
    counted, `energy_net` is less what it counts when idle. Rows of a table that differ in batch,
    resolution, precision or threads are never read together: `wanted` says which are meant. Raises
    OptionError that names the line and what is wrong.
    """
    asked = None if metric is None else check_metric(metric)
    name = space if isinstance(space, str) else space.name
    start = _start(path, asked)
    if start == _SQLITE:
        reading = _from_table(path, space, device, asked or LATENCY, wanted or Wanted())
    else:
        if wanted is not None and wanted != Wanted():
            raise OptionError(
                f"'{path}' is no table of hwprof, and does not say under what it was measured; "
                "leave --batch, --resolution, --precision, --threads and --include out"
            )
        in_json = path.suffix.lower() in (".jsonl", ".ndjson", ".json")
        rows = _json_rows if in_json else _csv_rows
        if asked is None:
            asked = _only_metric(path, rows(path, _columns(*_MEASURED.values())))
        found = tuple(_from_rows(path, rows(path, _columns(asked)), asked))
        reading = Reading(asked, found, ())
    if not reading.measured:
        if reading.left_out:
            raise OptionError(
                f"'{path}' holds no {reading.metric.name} of an architecture of {name} "
                f"({reading.left_out[0]}); measure it, or name another metric"
            )
        raise OptionError(
            f"'{path}' holds no measurement of an architecture of {name}; "
            f"'hwprof select --space {name}' prints which to measure"
        )
    return reading


def _column(name: str, unit: str) -> str:
    return f"{name}_{unit}" if unit else name


def _columns(*metrics: Metric) -> frozenset[str]:
    """Every column that is of use for these metrics."""
    named = [(m.name, unit) for m in metrics for unit in m.units]
    return frozenset(("arch", *(_column(n, u) for name, u in named for n in (name, "std_error"))))


def _value_columns(metric: Metric) -> dict[str, float]:
    """Columns of a metric's values, the base unit first, with the size of their unit."""
    units = sorted(metric.units.items(), key=lambda item: item[0] != metric.unit)
    return {_column(metric.name, unit): size for unit, size in units}


def _only_metric(path: Path, rows: Iterable[tuple[int, Mapping[str, Any]]]) -> Metric:
    """Latency where the file has it, or has nothing; otherwise the only metric it has."""
    columns = {name: _value_columns(metric) for name, metric in _MEASURED.items()}
    present = {
        name
        for _, row in rows
        for name, those in columns.items()
        if any(row.get(column) not in (None, "") for column in those)
    }
    if not present or LATENCY.name in present:
        return LATENCY
    if len(present) > 1:
        raise OptionError(
            f"'{path}' holds {', '.join(sorted(present))}; choose one with --metric (metric=)"
        )
    return METRICS[present.pop()]


def _start(path: Path, metric: Metric | None) -> bytes:
    """What the file begins with. Raises OptionError for one that is none, or too large."""
    try:
        if path.exists() and not path.is_file():
            # A pipe may never say anything, and a device never end.
            raise OptionError(f"'{path}' is not a regular file; name a file of measurements")
        with path.open("rb") as stream:
            start = stream.read(len(_SQLITE))
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else error
        raise OptionError(
            f"'{path}' cannot be read ({why}); name a file of measurements"
        ) from error
    if start != _SQLITE and path.stat().st_size > _MOST_BYTES:
        raise OptionError(
            f"'{path}' has more than {_MOST_BYTES >> 20} MiB; keep the columns arch and "
            f"{next(iter(_value_columns(metric or LATENCY)))}"
        )
    return start


def _from_table(
    path: Path, space: str | Space, device: str | None, metric: Metric, wanted: Wanted
) -> Reading:
    name = space if isinstance(space, str) else space.name
    if metric.name not in OF_MEASUREMENT:
        raise OptionError(
            f"a table of hwprof holds {', '.join(OF_MEASUREMENT)}, and not {metric.name}; name "
            "one of them, or give a file with arch and a column for it"
        )
    found = find_rows([path], space, metric, () if device is None else (device,), wanted.include)
    if not found.rows:
        if not found.left_out and not device:
            return Reading(metric, (), ())
        raise nothing_found(found, [path], name, metric, () if device is None else (device,))
    setting, rows = one_setting(
        found.rows,
        name,
        batch=wanted.batch,
        resolution=wanted.resolution,
        precision=wanted.precision,
        threads=wanted.threads,
    )
    rows, reasons = one_kind_of_values(rows)
    devices = {row.device.fingerprint: row.device.slug for row in rows}
    if len(devices) > 1:
        named = ", ".join(sorted(f"{slug} ({mark})" for mark, slug in devices.items()))
        raise OptionError(
            f"'{path}' holds measurements of several devices ({named}); choose one with --device"
        )
    costs = tuple(ArchCost(row.arch, row.value, row.std_error, metric) for row in rows)
    return Reading(metric, costs, (*found.left_out, *reasons), setting)


def _csv_rows(path: Path, columns: frozenset[str]) -> Iterable[tuple[int, Mapping[str, Any]]]:
    try:
        with path.open(newline="", encoding="utf-8-sig") as stream:
            reader = csv.reader(stream)
            # Only these: a short row of a file with a million columns is a short one here too.
            places = {name: i for i, name in enumerate(next(reader, [])) if name in columns}
            for number, cells in enumerate(reader, 2):
                if cells:
                    yield (
                        number,
                        {n: cells[i] if i < len(cells) else None for n, i in places.items()},
                    )
    except (UnicodeDecodeError, csv.Error) as error:
        raise OptionError(f"'{path}' is not a CSV file ({error}); export it as CSV") from error


def _json_rows(path: Path, _: frozenset[str]) -> Iterable[tuple[int, Mapping[str, Any]]]:
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except UnicodeDecodeError as error:
        raise OptionError(f"'{path}' is not JSON lines ({error}); write it as UTF-8") from error
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            yield number, from_json(line, dict[str, Any])
        except CodecError as error:
            raise OptionError(
                f"line {number} of '{path}' is not JSON, or no object ({error}); write one object "
                "per line"
            ) from error


def _from_rows(
    path: Path, rows: Iterable[tuple[int, Mapping[str, Any]]], metric: Metric
) -> Iterable[ArchCost]:
    columns = _value_columns(metric)
    first, *others = columns
    either = f"{first} (or {', '.join(others)})" if others else first
    for number, row in rows:
        where = f"line {number} of '{path}'"
        arch = row.get("arch")
        column = next((c for c in columns if row.get(c) not in (None, "")), None)
        if not isinstance(arch, str) or not arch or column is None:
            raise OptionError(f"{where} needs arch and {either}; add the missing one")
        value = _number(row[column], where) * columns[column]
        if not 0 < value < float("inf"):
            raise OptionError(
                f"{where} has the {metric.name} '{_brief(row[column])}'; what is measured is "
                "positive and finite, so measure it again or leave it out"
            )
        yield ArchCost(arch, value, _std_error(row, where, metric), metric)


def _std_error(row: Mapping[str, Any], where: str, metric: Metric) -> float | None:
    for unit, size in metric.units.items():
        error = row.get(_column("std_error", unit))
        if error not in (None, ""):
            return _number(error, where) * size
    return None


def _number(value: Any, where: str) -> float:
    try:
        # Truth is no figure, though Python counts with it.
        return float("" if isinstance(value, bool) else value)
    except (TypeError, ValueError, OverflowError) as error:
        raise OptionError(
            f"{where} has '{_brief(value)}' where a number should stand; correct it"
        ) from error


def _brief(value: Any) -> str:
    """What stands there, as far as a sentence has room for it."""
    try:
        text = str(value)
    except ValueError:  # a whole number of thousands of digits
        text = "a number too long to read"
    return text if len(text) <= _BRIEF else f"{text[:_BRIEF]}..."
