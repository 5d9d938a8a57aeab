"""The structure of a .mnn file: which operators it holds and which tensors join them.

A .mnn file is a FlatBuffer (schema/default/MNN.fbs and Tensor.fbs of MNN). FlatBuffers keep the
numbers of fields for ever, so the few that are read here are written out instead of generated.
"""

from __future__ import annotations

import mmap
import struct
from dataclasses import dataclass
from pathlib import Path

from hwprof.errors import DeviceError

# Fields of the table Net.
_NET_OPERATORS, _NET_TENSORS = 3, 7
# Fields of the table Op; its parameters are a union, which takes two.
_OP_INPUTS, _OP_MAIN, _OP_NAME, _OP_OUTPUTS, _OP_TYPE = 0, 2, 3, 4, 5
# First field of the tables BinaryOp and UnaryOp: which function it is.
_FUNCTION = 0

# Kinds of operators (enum OpType) that give the same tensor another shape or layout: Flatten,
# Reshape, Squeeze, Unsqueeze and ConvertTensor. What they read first is that tensor.
LAYOUT = frozenset({28, 73, 90, 107, 129})


@dataclass(frozen=True, slots=True)
class Operator:
    """One operator of the file. `function` is the first of its parameters, as a number.

    For a BinaryOp or UnaryOp that tells sums from quotients; elsewhere it means something else.
    """

    name: str
    kind: int
    """Its number among MNN's kinds of operators (enum OpType)."""
    reads: tuple[str, ...]
    writes: tuple[str, ...]
    function: int


def read_operators(path: Path) -> tuple[Operator, ...]:
    """The operators of a .mnn file in their order. Weights are not read.

    Raises DeviceError when the file is not laid out as MNN 3 lays it out.
    """
    try:
        with path.open("rb") as stream, mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as m:
            return _operators(_Buffer(m))
    except (OSError, ValueError, IndexError, struct.error) as error:
        raise DeviceError(
            f"the file that MNN's converter wrote cannot be understood ({error}); "
            "install the version of MNN that hwprof was tested with"
        ) from error


def _operators(buffer: _Buffer) -> tuple[Operator, ...]:
    net = buffer.offset(0)
    names = [buffer.text(at) for at in buffer.tables(net, _NET_TENSORS)]
    found = []
    for op in buffer.tables(net, _NET_OPERATORS):
        name = buffer.field(op, _OP_NAME)
        main = buffer.field(op, _OP_MAIN)
        slot = buffer.field(buffer.offset(main), _FUNCTION) if main else 0
        kind = buffer.field(op, _OP_TYPE)
        found.append(
            Operator(
                buffer.text(buffer.offset(name)) if name else "",
                buffer.number(kind) if kind else 0,
                tuple(names[i] for i in buffer.numbers(op, _OP_INPUTS)),
                tuple(names[i] for i in buffer.numbers(op, _OP_OUTPUTS)),
                buffer.number(slot) if slot else 0,
            )
        )
    return tuple(found)


class _Buffer:
    """Reads the few kinds of FlatBuffer data; every position is an offset into the file."""

    def __init__(self, data: mmap.mmap) -> None:
        self._data = data

    def number(self, at: int) -> int:
        return int(struct.unpack_from("<i", self._data, at)[0])

    def offset(self, at: int) -> int:
        """Where the reference at `at` points to."""
        return at + int(struct.unpack_from("<I", self._data, at)[0])

    def field(self, table: int, number: int) -> int:
        """Position of a field of a table, 0 where it has its default value."""
        directory = table - self.number(table)
        size = int(struct.unpack_from("<H", self._data, directory)[0])
        entry = 4 + 2 * number
        if entry >= size:
            return 0
        relative = int(struct.unpack_from("<H", self._data, directory + entry)[0])
        return table + relative if relative else 0

    def numbers(self, table: int, number: int) -> tuple[int, ...]:
        """A field that is a vector of 32-bit integers."""
        at = self.field(table, number)
        if not at:
            return ()
        start = self.offset(at)
        count = self.number(start)
        return struct.unpack_from(f"<{count}i", self._data, start + 4)

    def tables(self, table: int, number: int) -> list[int]:
        """Positions of the elements of a field that is a vector of tables or strings."""
        at = self.field(table, number)
        if not at:
            return []
        start = self.offset(at)
        return [self.offset(start + 4 + 4 * i) for i in range(self.number(start))]

    def text(self, at: int) -> str:
        length = self.number(at)
        return self._data[at + 4 : at + 4 + length].decode("utf-8", "backslashreplace")
