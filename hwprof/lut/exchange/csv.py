"""CSV for spreadsheets: the rows of `to_rows`, arrays as JSON lists, RFC 4180 quoting, UTF-8.

A text that a spreadsheet would take for a formula has an apostrophe before it, which an import
takes off again: whoever names a model must not run anything where a table of it is opened (OWASP,
CSV Injection). Numbers are left alone.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from hwprof.codec import from_json
from hwprof.lut.exchange.base import Format, Located, Record, bad_record, not_ours
from hwprof.lut.exchange.from_rows import records_of
from hwprof.lut.exchange.to_rows import COLUMNS, NEEDED, Kind, Row, needed, rows_of
from hwprof.lut.rows import canonical_json

_CELL_LETTERS = 64 << 20


# What formulas begin with, in letters of double width too.
_FORMULA = ("=", "+", "-", "@", "\uff1d", "\uff0b", "\uff0d", "\uff20")
_TEXT = "'"


def write(records: Iterable[Record], stream: BinaryIO) -> None:
    """A line of column names, then the rows of each record. An absent value is an empty cell."""
    text = io.TextIOWrapper(stream, encoding="utf-8", newline="")
    try:
        writer = csv.writer(text)
        writer.writerow(COLUMNS)
        for record in records:
            for row in rows_of(record):
                writer.writerow([_cell(row.get(name), kind) for name, kind in COLUMNS.items()])
        text.flush()
    finally:
        # The stream is the caller's: it stays open.
        text.detach()


def read(path: Path) -> Iterator[Located]:
    """The records of a file. Raises TableError naming the row that does not fit.

    Columns may be in any order and those that are derived may be missing.
    """
    yield from records_of(_rows(path), path)


def _cell(value: Any, kind: Kind) -> Any:
    if kind == "text" and isinstance(value, str):
        return as_text(value)
    return canonical_json(value) if isinstance(value, list) else value


def as_text(value: str) -> str:
    """A text as a cell that no spreadsheet computes."""
    # Some trim white space first, and a cell that begins with some is split by others.
    active = value[:1].isspace() or value.startswith((_TEXT, *_FORMULA))
    return _TEXT + value if active else value


def from_text(cell: str) -> str:
    """The text that `as_text` made a cell of. Other cells, such as earlier exports have, stay."""
    return cell[1:] if cell.startswith(_TEXT) and as_text(cell[1:]) == cell else cell


def _rows(path: Path) -> Iterator[tuple[str, Row]]:
    # A byte order mark is what spreadsheets put in front.
    with path.open(encoding="utf-8-sig", newline="") as stream, _long_fields():
        reader = csv.reader(stream, strict=True)
        try:
            names = next(reader, [])
            # What later versions need besides, each row tells by its own version.
            missing = [name for name in needed(1) if name not in names]
            if missing:
                raise not_ours(path, f"it lacks the column {missing[0]}")
            # Counted as spreadsheets do, where the names are row 1.
            for number, cells in enumerate(reader, 2):
                if cells:
                    where = f"row {number}"
                    yield where, _row(names, cells, path, where)
        except (csv.Error, UnicodeDecodeError) as error:
            raise not_ours(path, f"after {reader.line_num} lines: {error}") from error


def _row(names: list[str], cells: list[str], path: Path, where: str) -> Row:
    if len(cells) != len(names):
        raise bad_record(path, where, f"it has {len(cells)} cells and not {len(names)}")
    row = dict(zip(names, cells, strict=True))
    try:
        return {name: _value(row[name], COLUMNS[name]) for name in NEEDED if name in row}
    except ValueError as error:
        raise bad_record(path, f"{where}, {row['record']}", error) from error


def _value(cell: str, kind: Kind) -> Any:
    if kind == "text":
        return from_text(cell)
    if not cell:
        return None
    if kind == "int":
        return from_json(cell, int)
    return from_json(cell, list[int] if kind == "ints" else list[float])


@contextmanager
def _long_fields() -> Iterator[None]:
    # A cell holds thousands of samples; the module's own limit is 128 KiB.
    before = csv.field_size_limit(_CELL_LETTERS)
    try:
        yield
    finally:
        csv.field_size_limit(before)


FORMAT = Format("csv", (".csv",), write, read)
