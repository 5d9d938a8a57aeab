"""Export and import of a table, whatever the format."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from importlib import import_module
from pathlib import Path
from typing import BinaryIO, Unpack, cast

from hwprof.errors import OptionError, TableError, WrongTable
from hwprof.files import MISNAMED, Kind, is_csv, is_json, is_parquet, whole_file
from hwprof.lut.entries import Calibration
from hwprof.lut.exchange.base import Format, Located, Record, describe
from hwprof.lut.filters import Filters
from hwprof.lut.table import Table
from hwprof.measurement import Failure, Measurement

FORMATS = {"jsonl": "jsonl", "csv": "csv", "parquet": "parquet"}
"""Module of each format, by the name it is asked for."""

_KINDS: dict[str, Kind] = {"jsonl": is_json, "csv": is_csv, "parquet": is_parquet}


@dataclass(frozen=True, slots=True)
class ImportReport:
    """What an import changed: counts of records."""

    added: int
    """Measurements that are new."""
    already_there: int
    """Measurements that the table held before, equal in every part."""
    failures: int
    """Failures that are new."""
    calibrations: int
    """Calibrations that are new."""


def export(
    table: Table,
    fmt: str | None,
    target: str | Path | BinaryIO,
    *,
    anonymous: bool = False,
    **filters: Unpack[Filters],
) -> int:
    """Write the measurements that match, with failures and calibrations, oldest first.

    Returns how many measurements were written. A file is replaced whole or left as it was; with
    `fmt` None its suffix decides. Failures go along unless a `source` other than measured is asked
    for, calibrations unless anything but `device` narrows the selection. An `anonymous` file tells
    nothing of whose machines these were: it has no host names, git commits, ids of single GPUs,
    notes of earlier versions, and no failures, which quote paths.
    Raises TableError for a target that cannot be written, OptionError for an unknown format. What a
    stream raises, such as BrokenPipeError, is passed on.
    """
    path = Path(target) if isinstance(target, str | Path) else None
    form = find_format(fmt, path)
    written = 0

    def records() -> Iterator[Record]:
        nonlocal written
        for identity in reversed(table.ids(**filters)):
            measurement = table.get(identity)
            yield _anonymous(measurement) if anonymous else measurement
            written += 1
        for other in _others(table, filters):
            if not (anonymous and isinstance(other, Failure)):
                yield other

    # One moment of the table, though others may be adding to it.
    with table.snapshot():
        if path is None:
            form.write(records(), cast(BinaryIO, target))
        else:
            _refuse_the_table(path, table.path)
            with whole_file(path, replaces=_KINDS[form.name]) as stream:
                form.write(records(), stream)
    return written


def import_file(path: str | Path, table: Table, fmt: str | None = None) -> ImportReport:
    """Add what a file holds that the table does not; all of it, or on an error nothing.

    With `fmt` None the suffix decides. Raises TableError naming the line or row and record that
    cannot be read or contradicts the table, and OptionError for an unknown format.
    """
    path = Path(path)
    form = find_format(fmt, path)
    # Read before the table is locked, so that other writers wait for the inserts alone.
    found = _read(form, path)
    added = already_there = failures = calibrations = 0
    with table.transaction():
        for item in found:
            try:
                match item.record:
                    case Measurement() as measurement:
                        new = table.add(measurement)
                        added += new
                        already_there += not new
                    case Failure() as failure:
                        failures += table.add_failure(failure)
                    case Calibration() as calibration:
                        calibrations += table.add_calibration(calibration)
            except TableError as error:
                place = f"{path}, {item.where}, {describe(item.record)}"
                raise TableError(f"{place}: {error}") from error
    return ImportReport(added, already_there, failures, calibrations)


def find_format(name: str | None, path: Path | None) -> Format:
    """The format of this name, or, without a name, the one that the path's suffix means.

    Raises OptionError listing the formats.
    """
    if name is not None:
        if name not in FORMATS:
            raise OptionError(f"'{name}' is not a format: choose one of {', '.join(FORMATS)}")
        return _load(name)
    suffix = path.suffix.lower() if path is not None else ""
    for form in map(_load, FORMATS):
        if suffix in form.suffixes:
            return form
    raise OptionError(
        f"the suffix of '{path or 'standard output'}' names no format: "
        f"choose one of {', '.join(FORMATS)} with --format"
    )


def _load(name: str) -> Format:
    module = import_module(f"hwprof.lut.exchange.{FORMATS[name]}")
    return cast(Format, module.FORMAT)


def _refuse_the_table(target: Path, table: Path) -> None:
    # A name that cannot be looked at is not the table's; writing to it will tell why.
    with suppress(OSError, ValueError):
        if target.exists() and table.exists() and target.samefile(table):
            raise WrongTable(f"{target} is the table itself: export to another file")


def _read(form: Format, path: Path) -> list[Located]:
    try:
        if path.is_dir():
            raise WrongTable(f"{path} is a folder: name a file to import")
        if not path.exists():
            raise WrongTable(f"there is no file {path}: check the path")
        if not path.is_file():
            # A pipe may never say anything, and a device never end.
            raise WrongTable(f"{path} is not a regular file: copy what it gives into one")
        return list(form.read(path))
    except OSError as error:
        kind = WrongTable if error.errno in MISNAMED else TableError
        raise kind(f"{path} cannot be read ({error}): check the file") from error


def _others(table: Table, filters: Filters) -> Iterator[Record]:
    if filters.get("source") in (None, "measured"):
        yield from reversed(list(table.failures(**filters)))
    narrowed = {name for name, value in filters.items() if value is not None}
    if narrowed <= {"device"}:
        yield from table.calibrations(filters.get("device"))


def _anonymous(measurement: Measurement) -> Measurement:
    """The measurement without what tells whose machine it was made on."""
    known = measurement.provenance
    gpu = None if known.gpu is None else replace(known.gpu, uuid="")
    bare = replace(known, host=None, git_commit=None, gpu=gpu, legacy_notes={})
    return replace(measurement, provenance=bare)
