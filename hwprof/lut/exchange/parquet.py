"""Parquet: the rows of `to_rows` with real types, schema and hwprof version in the metadata."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any, BinaryIO, cast

from hwprof.codec import CodecError, from_json
from hwprof.errors import TableError
from hwprof.lut.exchange.base import (
    FORMAT_NAME,
    Format,
    Located,
    Record,
    check_version,
    header,
    not_ours,
)
from hwprof.lut.exchange.from_rows import records_of
from hwprof.lut.exchange.pages import check_pages, room
from hwprof.lut.exchange.to_rows import COLUMNS, NEEDED, Row, needed, rows_of
from hwprof.lut.rows import canonical_json

METADATA_KEY = b"hwprof"

# Rows are written in groups of this many values, a few MB of memory.
_GROUP_VALUES = 500_000


def write(records: Iterable[Record], stream: BinaryIO) -> None:
    """One row group per few hundred thousand values. Raises TableError without pyarrow."""
    pa, pq = _pyarrow()
    schema = pa.schema(_fields(pa).items(), metadata={METADATA_KEY: canonical_json(header())})

    def fill(sink: BinaryIO) -> None:
        with pq.ParquetWriter(sink, schema, compression="zstd") as writer:
            for group in _groups(records):
                writer.write_table(pa.Table.from_pylist(group, schema=schema))

    # Offsets are counted from the beginning of the file, which a pipe cannot tell.
    if stream.seekable() and stream.tell() == 0:
        fill(stream)
        return
    with tempfile.TemporaryFile() as draft:
        fill(draft)
        draft.seek(0)
        shutil.copyfileobj(draft, stream)


def read(path: Path) -> Iterator[Located]:
    """The records of a file. Raises TableError naming the row that does not fit."""
    pa, pq = _pyarrow()
    # Read once: what was checked is what is unpacked.
    data = path.read_bytes()
    try:
        check_pages(data)
        with pq.ParquetFile(pa.BufferReader(data)) as file:
            _check_schema(pa, file.schema_arrow, path)
            there = set(file.schema_arrow.names)
        # Equal texts stay one text: a thousand rows may name the same one.
        texts = [name for name, kind in COLUMNS.items() if kind == "text" and name in there]
        with pq.ParquetFile(pa.BufferReader(data), read_dictionary=texts) as file:
            yield from records_of(_rows(pa, file, room(len(data))), path)
    except (pa.ArrowException, OSError, ValueError, KeyError) as error:
        raise not_ours(path, f"as Parquet: {_one_line(error)}") from error


def _pyarrow() -> tuple[ModuleType, ModuleType]:
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError as error:
        raise TableError(
            "Parquet needs pyarrow, which is not installed: "
            "run `pip install 'hwprof[parquet]'`, or choose jsonl or csv"
        ) from error
    return pyarrow, pyarrow.parquet


def _fields(pa: ModuleType) -> dict[str, Any]:
    types = {
        "text": pa.string(),
        "int": pa.int64(),
        "float": pa.float64(),
        "floats": pa.list_(pa.float64()),
        "ints": pa.list_(pa.int64()),
    }
    return {name: types[kind] for name, kind in COLUMNS.items()}


def _groups(records: Iterable[Record]) -> Iterator[list[Row]]:
    group: list[Row] = []
    values = 0
    for record in records:
        for row in rows_of(record):
            group.append(row)
            values += sum(len(v) if isinstance(v, list) else 1 for v in row.values())
        if values > _GROUP_VALUES:
            yield group
            group, values = [], 0
    if group:
        yield group


def _check_schema(pa: ModuleType, schema: Any, path: Path) -> None:
    try:
        about = from_json((schema.metadata or {}).get(METADATA_KEY, b""), dict[str, str | int])
    except CodecError as error:
        raise not_ours(path, "its metadata does not name hwprof") from error
    version = about.get("schema_version")
    if about.get("format") != FORMAT_NAME or not isinstance(version, int):
        raise not_ours(path, "its metadata is not of a table")
    check_version(version, path)
    kinds = _fields(pa)
    for name in needed(version):
        if name not in schema.names or schema.field(name).type != kinds[name]:
            raise not_ours(path, f"its column {name} is missing or of another type")


def _rows(pa: ModuleType, file: Any, allowed: int) -> Iterator[tuple[str, Row]]:
    """Rows with their places. Raises ValueError for texts of more letters than are `allowed`."""
    number = letters = 0
    columns = [name for name in NEEDED if name in file.schema_arrow.names]
    for batch in file.iter_batches(batch_size=256, columns=columns):
        names = batch.schema.names
        for cells in zip(*(_cells(pa, column) for column in batch.columns), strict=True):
            number += 1
            letters += sum(len(cell) for cell in cells if isinstance(cell, str))
            if letters > allowed:
                raise ValueError("its texts are longer than a file of its size may hold")
            yield f"row {number}", dict(zip(names, cells, strict=True))


def _cells(pa: ModuleType, column: Any) -> list[Any]:
    if not pa.types.is_dictionary(column.type):
        return cast(list[Any], column.to_pylist())
    places = column.indices.to_pylist()
    known = {place: column.dictionary[place].as_py() for place in set(places) - {None}}
    return [known.get(place) for place in places]


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:400]


FORMAT = Format("parquet", (".parquet", ".pq"), write, read)
