"""What a Parquet file will take once it is unpacked, found before anything is unpacked.

A page of a few bytes may stand for a thousand million values, and no limit of pyarrow's stops that.
Sizes are read from the headers of the pages themselves: those that the footer repeats may lie.
Format: https://github.com/apache/parquet-format, Thrift's compact protocol.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, cast

_MAGIC = b"PAR1"
_TAIL = 8  # four bytes of length, four of magic
_MOST_PARTS = 1000
_MOST_DEPTH = 24
# Encodings in which a value takes up no more than it says: plain, dictionaries, run lengths, bits,
# deltas of numbers and of lengths, split bytes. Shared beginnings of texts (7) are left out.
_PLAIN_ENCODINGS = frozenset((0, 2, 3, 4, 5, 6, 8, 9))
_FREE_BYTES = 8 << 20
_BYTES_PER_BYTE = 200
_VALUE_BYTES = 8

Struct = dict[int, Any]


def room(size: int) -> int:
    """Bytes that a file of `size` bytes may take unpacked: far more than any export does."""
    return _FREE_BYTES + _BYTES_PER_BYTE * size


def check_pages(data: bytes) -> None:
    """Raises ValueError for a file that is no Parquet, or takes more than `room` unpacked."""
    if len(data) < 2 * _TAIL or data[:4] != _MAGIC or data[-4:] != _MAGIC:
        raise ValueError("it does not begin and end as a Parquet file does")
    begin = len(data) - _TAIL - int.from_bytes(data[-_TAIL:-4], "little")
    if begin < len(_MAGIC):
        raise ValueError("its footer is cut off")
    try:
        footer, _ = _Reader(data, begin, len(data) - _TAIL).struct()
        _check(data, footer)
    except (IndexError, KeyError, TypeError, AttributeError) as error:
        raise ValueError("its footer or a page of it is damaged") from error


def _check(data: bytes, footer: Struct) -> None:
    if len(footer[2]) > _MOST_PARTS:
        raise ValueError(f"it has {len(footer[2])} columns or parts of them")
    taken, allowed = 0, room(len(data))
    for group in footer.get(4, []):
        if len(group[1]) > _MOST_PARTS:
            raise ValueError(f"it has {len(group[1])} columns")
        for column in group[1]:
            if 1 in column:
                raise ValueError("a column of it lies in another file")
            for page in _pages(data, column[3]):
                taken += page
                if taken > allowed:
                    raise ValueError(
                        f"it takes more than {allowed >> 20} MiB unpacked, which is too much for "
                        f"its {len(data)} bytes"
                    )


def _pages(data: bytes, column: Struct) -> Iterator[int]:
    """Bytes that each page of a column takes, by the page's own header."""
    begin = column[9]
    first = column.get(11)
    if first is not None:
        if not 0 < first < begin:
            raise ValueError("its pages overlap")
        begin = first
    end = begin + column[7]
    if not len(_MAGIC) <= begin <= end <= len(data):
        raise ValueError("its pages lie outside of it")
    while begin < end:
        header, begin = _Reader(data, begin, end).struct()
        if not 0 <= header[3] <= end - begin or header[2] < 0:
            raise ValueError("a page of it has no possible size")
        begin += header[3]
        values = 0
        for kind, encoding in ((5, 2), (7, 2), (8, 4)):
            if kind in header:
                values += header[kind][1]
                if header[kind][encoding] not in _PLAIN_ENCODINGS:
                    raise ValueError(
                        f"a page of it has the encoding {header[kind][encoding]}, which is not read"
                    )
        if values < 0:
            raise ValueError("a page of it has fewer than no values")
        yield cast(int, header[2]) + _VALUE_BYTES * values


class _Reader:
    """Thrift's compact protocol. Raises IndexError at the end, ValueError for what is none."""

    def __init__(self, data: bytes, begin: int, end: int) -> None:
        self._data, self._at, self._end = data, begin, end

    def struct(self) -> tuple[Struct, int]:
        """The fields of a struct by their numbers, and where it ends."""
        return self._struct(0), self._at

    def _struct(self, depth: int) -> Struct:
        fields: Struct = {}
        number = 0
        while head := self._byte():
            number = number + (head >> 4) if head >> 4 else self._whole()
            fields[number] = self._value(head & 15, depth)
        return fields

    def _value(self, kind: int, depth: int) -> Any:
        if depth > _MOST_DEPTH:
            raise ValueError("its footer is nested too deeply")
        match kind:
            case 1 | 2:
                return kind == 1
            case 3:
                return self._byte()
            case 4 | 5 | 6:
                return self._whole()
            case 7:
                return self._bytes(8)
            case 8:
                return self._bytes(self._length())
            case 9 | 10:
                head = self._byte()
                size = head >> 4 if head >> 4 < 15 else self._length()
                return [self._element(head & 15, depth) for _ in range(size)]
            case 11:
                return self._map(depth)
            case 12:
                return self._struct(depth + 1)
            case _:
                raise ValueError("its footer holds a value of no known type")

    def _element(self, kind: int, depth: int) -> Any:
        # Inside lists, truth values take a byte.
        return self._byte() == 1 if kind in (1, 2) else self._value(kind, depth + 1)

    def _map(self, depth: int) -> list[tuple[Any, Any]]:
        size = self._length()
        kinds = self._byte() if size else 0
        return [
            (self._element(kinds >> 4, depth), self._element(kinds & 15, depth))
            for _ in range(size)
        ]

    def _byte(self) -> int:
        if self._at >= self._end:
            raise IndexError
        self._at += 1
        return self._data[self._at - 1]

    def _bytes(self, size: int) -> bytes:
        if size > self._end - self._at:
            raise IndexError
        self._at += size
        return self._data[self._at - size : self._at]

    def _length(self) -> int:
        value = shift = 0
        while True:
            part = self._byte()
            value |= (part & 127) << shift
            if part < 128:
                return value
            shift += 7
            if shift > 63:
                raise ValueError("its footer holds a number of no known size")

    def _whole(self) -> int:
        value = self._length()
        return (value >> 1) ^ -(value & 1)
