"""Parquet files that are small and stand for much, and footers that lie."""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path

import pytest

from hwprof.errors import TableError
from hwprof.lut import Table, export, import_file
from hwprof.lut.exchange.pages import check_pages, room
from hwprof.testing.stores import example_measurement

pa = pytest.importorskip("pyarrow")
pq = pytest.importorskip("pyarrow.parquet")


@pytest.fixture
def exported(tmp_path: Path) -> bytes:
    with Table.open(tmp_path / "seed.db") as table:
        table.add(example_measurement(1))
        table.add(example_measurement(3))
        export(table, None, tmp_path / "seed.parquet")
    return (tmp_path / "seed.parquet").read_bytes()


def changed(content: bytes, column: str, values: object, **options: object) -> bytes:
    table = pq.read_table(pa.BufferReader(content))
    at = table.schema.names.index(column)
    table = table.set_column(at, table.schema.field(at), values)
    made = pa.BufferOutputStream()
    pq.write_table(table, made, compression="zstd", **options)
    return made.getvalue().to_pybytes()


def refused(folder: Path, content: bytes, says: str) -> None:
    (folder / "x.parquet").write_bytes(content)
    with Table.open(folder / "t.db") as table:
        with pytest.raises(TableError, match=f"not an hwprof export .*{says}") as caught:
            import_file(folder / "x.parquet", table)
        assert "\n" not in str(caught.value)
        assert table.ids() == []


def test_what_we_write_may_be_read(exported: bytes) -> None:
    check_pages(exported)


@pytest.mark.parametrize("options", [{}, {"use_dictionary": False}, {"data_page_version": "2.0"}])
def test_values_that_take_no_room_are_counted(
    tmp_path: Path, exported: bytes, options: dict[str, object]
) -> None:
    rows = pq.read_table(pa.BufferReader(exported)).num_rows
    many = pa.array([[0] * 2_000_000, *[[]] * (rows - 1)], pa.list_(pa.int64()))
    bomb = changed(exported, "steady_switches", many, **options)
    assert len(bomb) < 100_000
    refused(tmp_path, bomb, "takes more than .* unpacked")


def test_texts_that_repeat_are_counted(tmp_path: Path, exported: bytes) -> None:
    table = pq.read_table(pa.BufferReader(exported))
    heads = [i for i, kind in enumerate(table["record"].to_pylist()) if kind == "end_to_end"]
    row = table.slice(heads[0], 1)
    long = '{"id":"' + "x" * 50_000 + '"}'
    row = row.set_column(row.schema.names.index("document"), "document", pa.array([long]))
    row = row.set_column(row.schema.names.index("record"), "record", pa.array(["failure"]))
    many = pa.concat_tables([row] * 400).combine_chunks()
    made = pa.BufferOutputStream()
    pq.write_table(many.replace_schema_metadata(table.schema.metadata), made, compression="zstd")
    content = made.getvalue().to_pybytes()
    assert len(content) < 50_000
    check_pages(content)
    refused(tmp_path, content, "texts are longer")


def test_beginnings_that_texts_share_are_not_read(tmp_path: Path, exported: bytes) -> None:
    rows = pq.read_table(pa.BufferReader(exported)).num_rows
    shared = changed(
        exported,
        "document",
        pa.array(["x" * 1000] * rows),
        use_dictionary=False,
        column_encoding={"document": "DELTA_BYTE_ARRAY"},
    )
    refused(tmp_path, shared, "encoding 7")


def test_a_page_is_believed_and_not_the_footer(exported: bytes) -> None:
    """The header of a page says how many values follow; what the footer repeats may lie."""
    rows = pq.read_table(pa.BufferReader(exported)).num_rows
    many = pa.array([[0] * 2_000_000, *[[]] * (rows - 1)], pa.list_(pa.int64()))
    bomb = bytearray(changed(exported, "steady_switches", many))
    count = 2_000_000 + rows - 1
    value, number = count << 1, bytearray()
    while value > 127:
        number.append(value & 127 | 128)
        value >>= 7
    number.append(value)
    (length,) = struct.unpack("<I", bomb[-8:-4])
    begin = len(bomb) - 8 - length
    at = bomb.find(number, begin)
    assert at > 0
    # As many bytes that say 1: a number in this form may be longer than it needs to be.
    bomb[at : at + len(number)] = b"\x82" + b"\x80" * (len(number) - 2) + b"\x00"
    with pytest.raises(ValueError, match="takes more than"):
        check_pages(bytes(bomb))


@pytest.mark.parametrize(
    "change",
    [
        lambda data: b"",
        lambda data: data[:-1],
        lambda data: data[4:],
        lambda data: data[:-8] + b"\xff\xff\xff\x7f" + data[-4:],
        lambda data: data[:-8] + b"\x01\0\0\0" + data[-4:],
        lambda data: data[:-8] + b"\0\0\0\0" + data[-4:],
        lambda data: data[: len(data) // 2] + bytes(9) + data[len(data) // 2 :],
        lambda data: b"PAR1" + b"\x1c" * 5000 + struct.pack("<I", 5000) + b"PAR1",
        lambda data: b"PAR1" + b"\x19" * 5000 + struct.pack("<I", 5000) + b"PAR1",
        lambda data: b"PAR1" + b"\x19\xfc\xff\xff\xff\xff\x0f\0" + struct.pack("<I", 8) + b"PAR1",
        lambda data: b"PAR1" + b"\x15" + b"\xff" * 20 + struct.pack("<I", 21) + b"PAR1",
        lambda data: b"PAR1" + b"\x1f\0" + struct.pack("<I", 2) + b"PAR1",
        lambda data: b"PAR1" + b"\x1b\x03\x55\x01\x01" + struct.pack("<I", 5) + b"PAR1",
    ],
)
def test_what_is_no_parquet_is_one_sentence(
    exported: bytes, change: Callable[[bytes], bytes]
) -> None:
    with pytest.raises(ValueError, match="it"):
        check_pages(change(exported))


def test_a_file_may_take_what_it_is_worth() -> None:
    assert room(0) < 16 << 20
    assert room(1 << 20) > 100 << 20
