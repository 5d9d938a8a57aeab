"""Latencies of architectures from a file or a table, each checked."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hwprof import spaces
from hwprof.codec import CodecError, from_json
from hwprof.errors import OptionError
from hwprof.lut import Table
from hwprof.metrics import METRICS

_SQLITE = b"SQLite format 3\x00"
# Of a file of measurements: some hundred thousand of them.
_MOST_BYTES = 64 << 20
_BRIEF = 60
# Seconds in the unit that a column is named after.
_UNITS = {unit: METRICS["latency"].units[unit] for unit in ("s", "ms", "us")}
_COLUMNS = frozenset(("arch", "std_error_s", *(f"latency_{unit}" for unit in _UNITS)))


@dataclass(frozen=True, slots=True)
class ArchLatency:
    """One measured architecture. `std_error_s` is None where the file does not tell."""

    arch: str
    latency_s: float
    std_error_s: float | None = None


def read_measurements(path: Path, space: str, device: str | None = None) -> list[ArchLatency]:
    """Measurements of architectures of `space` from CSV, JSON lines or an hwprof table.

    A file needs the columns `arch` and `latency_s` (or `latency_ms`, `latency_us`), and may have
    `std_error_s`. In a table, measurements count whose model is named by an architecture;
    `device` narrows them. Raises OptionError that names the line and what is wrong.
    """
    start = _start(path)
    if start == _SQLITE:
        found = list(_from_table(path, space, device))
    elif path.suffix.lower() in (".jsonl", ".ndjson", ".json"):
        found = list(_from_rows(path, _json_rows(path)))
    else:
        found = list(_from_rows(path, _csv_rows(path)))
    if not found:
        raise OptionError(
            f"'{path}' holds no measurement of an architecture of {space}; "
            f"'hwprof select --space {space}' prints which to measure"
        )
    return found


def _start(path: Path) -> bytes:
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
            f"'{path}' has more than {_MOST_BYTES >> 20} MiB; keep the columns arch and latency_s"
        )
    return start


def _from_table(path: Path, space: str, device: str | None) -> Iterable[ArchLatency]:
    form = spaces.get(space)
    devices: set[str] = set()
    with Table.open(path, create=False, readonly=True) as table:
        for measurement in table.measurements(device=device):
            try:
                arch = form.format(form.parse(measurement.subject.name))
            except OptionError:
                continue  # a model that is no architecture of this space
            devices.add(measurement.device.slug)
            if len(devices) > 1:
                raise OptionError(
                    f"'{path}' holds measurements of several devices "
                    f"({', '.join(sorted(devices))}); choose one with --device"
                )
            latency = measurement.latency
            ci95 = latency.ci95_s
            error = None if ci95 is None else (ci95[1] - ci95[0]) / (2 * 1.96)
            yield ArchLatency(arch, latency.headline_s, error)


def _csv_rows(path: Path) -> Iterable[tuple[int, Mapping[str, Any]]]:
    try:
        with path.open(newline="", encoding="utf-8-sig") as stream:
            reader = csv.reader(stream)
            # Only these: a short row of a file with a million columns is a short one here too.
            places = {name: i for i, name in enumerate(next(reader, [])) if name in _COLUMNS}
            for number, cells in enumerate(reader, 2):
                if cells:
                    yield (
                        number,
                        {n: cells[i] if i < len(cells) else None for n, i in places.items()},
                    )
    except (UnicodeDecodeError, csv.Error) as error:
        raise OptionError(f"'{path}' is not a CSV file ({error}); export it as CSV") from error


def _json_rows(path: Path) -> Iterable[tuple[int, Mapping[str, Any]]]:
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


def _from_rows(path: Path, rows: Iterable[tuple[int, Mapping[str, Any]]]) -> Iterable[ArchLatency]:
    for number, row in rows:
        where = f"line {number} of '{path}'"
        arch = row.get("arch")
        unit = next((u for u in _UNITS if row.get(f"latency_{u}") not in (None, "")), None)
        if not isinstance(arch, str) or not arch or unit is None:
            raise OptionError(
                f"{where} needs arch and latency_s (or latency_ms, latency_us); add the missing one"
            )
        value = _number(row[f"latency_{unit}"], where) * _UNITS[unit]
        if not 0 < value < float("inf"):
            raise OptionError(
                f"{where} has the latency '{_brief(row[f'latency_{unit}'])}'; a latency is "
                "positive and finite, so measure it again or leave it out"
            )
        error = row.get("std_error_s")
        yield ArchLatency(arch, value, None if error in (None, "") else _number(error, where))


def _number(value: Any, where: str) -> float:
    try:
        # Truth is no latency, though Python counts with it.
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
