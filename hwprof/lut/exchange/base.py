"""What the formats share: the records they carry, and how they tell of a bad file."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from hwprof.errors import TableError, WrongTable
from hwprof.lut.entries import Calibration
from hwprof.measurement import Failure, Measurement
from hwprof.version import __version__

FORMAT_NAME = "hwprof-lut"

# Letters of a reason: enough for a sentence.
_BRIEF = 400

EXCHANGE_VERSION = 3
"""Schema version of every exchange file. History:

1  First layout.
2  Fields where `details` had strings, no `basis`, as in the table's version 2. The column
   `energy_j`, which was net, is `energy_gross_j` and `energy_net_j`.
3  Columns for how long threads ran and waited, as in the table's version 3; values of inputs.
"""

Record = Measurement | Failure | Calibration


@dataclass(frozen=True, slots=True)
class Located:
    """A record with the place it was read from, as a person would look it up: `line 3`."""

    where: str
    record: Record


@dataclass(frozen=True, slots=True)
class Format:
    """One way to write records to a file and to read them back.

    `write` fills a binary stream that may be a pipe. `read` checks every record and raises
    TableError naming the place of the first that does not fit; it may do so after yielding others.
    """

    name: str
    suffixes: tuple[str, ...]
    write: Callable[[Iterable[Record], BinaryIO], None]
    read: Callable[[Path], Iterator[Located]]


def describe(record: Record) -> str:
    """Kind and identity of a record, for error messages."""
    match record:
        case Measurement():
            return f"measurement {record.id}"
        case Failure():
            return f"failure {record.id}"
        case Calibration():
            return f"calibration {record.name}"


def header() -> dict[str, str | int]:
    """What every file says about itself."""
    return {
        "format": FORMAT_NAME,
        "schema_version": EXCHANGE_VERSION,
        "hwprof_version": __version__,
    }


def check_version(found: int, path: Path) -> None:
    """Raises TableError for a schema version that this hwprof cannot read."""
    if found > EXCHANGE_VERSION:
        raise TableError(
            f"{path} has schema version {found} and this hwprof reads up to version "
            f"{EXCHANGE_VERSION}: upgrade hwprof"
        )
    if found < 1:
        raise not_ours(path, f"its schema version is {found}")


def not_ours(path: Path, why: object) -> WrongTable:
    """For a file that no export of hwprof looks like."""
    return WrongTable(
        f"{path} is not an hwprof export ({_brief(why)}): "
        "name a file that `hwprof lut export` wrote"
    )


def bad_record(path: Path, where: str, why: object) -> TableError:
    """For a record of our own file that cannot be read."""
    told = f"{_brief(where)}: {_brief(why)}"
    return TableError(f"{path}, {told}: correct or remove it and import the file again")


def cut_off(path: Path, why: object) -> TableError:
    """For a file of ours whose end is missing."""
    return TableError(f"{path} is cut off ({why}): export or copy it again")


def _brief(why: object) -> str:
    """One line of what may repeat a whole file."""
    return " ".join(str(why)[:_BRIEF].split())
