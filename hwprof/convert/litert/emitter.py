"""Tensors of a model being converted: where each lies, and in which order of dimensions.

LiteRT computes convolutions with the channels last, ONNX with the channels second. A tensor is
known by its ONNX name and shape, and lies in memory with its dimensions permuted: `order[i]` is
the ONNX dimension that stands at place `i`. It is transposed when an operator needs another order
and not before, so that a chain of convolutions never is.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from hwprof.convert.litert.flatbuffer import TYPES, ModelWriter
from hwprof.errors import ModelError

Order = tuple[int, ...]

# Constants up to this size are compared, so that equal ones are kept once.
_SMALL_BYTES = 4096


class UnsupportedError(Exception):
    """An operator, or a form of it, that has no counterpart; the text follows upon its name."""


def plain(rank: int) -> Order:
    """The order of ONNX."""
    return tuple(range(rank))


def channels_last(rank: int) -> Order:
    """`(0, 2, 3, 1)` for an image; ONNX's own order below three dimensions."""
    return (0, *range(2, rank), 1) if rank > 2 else plain(rank)


@dataclass(slots=True)
class Value:
    """A tensor that is computed at run time. The first of its places is where it is computed."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    places: dict[Order, int] = field(default_factory=dict)
    waiting: tuple[str, ...] = ()
    """Transpose nodes that only renamed dimensions so far: who moves the data does their work."""

    @property
    def order(self) -> Order:
        return next(iter(self.places))


@dataclass(frozen=True, slots=True)
class Written:
    """An operator of the LiteRT model and the nodes of the ONNX model that it stands for."""

    code: str
    sources: tuple[str, ...]


class Emitter:
    """Writes operators, and keeps the account of tensors and of what came from which node."""

    def __init__(self, writer: ModelWriter, prefers_last: frozenset[str]) -> None:
        self._writer = writer
        self._prefers_last = prefers_last
        self.values: dict[str, Value] = {}
        self.constants: dict[str, np.ndarray] = {}
        self.non_negative: set[str] = set()
        self.operators: list[Written] = []
        self._kept: dict[tuple[str, tuple[int, ...], bytes], int] = {}
        self._read: dict[tuple[str, Order], int] = {}
        self._claimed: set[str] = set()
        self._main: list[int] = []
        self._first = 0

    def declare(self, name: str, dtype: str, shape: Sequence[int]) -> Value:
        """A tensor whose place is decided when it is first read or written."""
        if dtype not in TYPES:
            raise UnsupportedError(f"computes in {dtype}, a type that LiteRT lacks")
        made = Value(name, dtype, tuple(shape))
        self.values[name] = made
        return made

    def shape(self, name: str) -> tuple[int, ...]:
        """ONNX shape of a tensor, constant or not."""
        constant = self.constants.get(name)
        return self.values[name].shape if constant is None else constant.shape

    def dtype(self, name: str) -> str:
        constant = self.constants.get(name)
        return self.values[name].dtype if constant is None else constant.dtype.name

    def constant_of(self, name: str, role: str) -> np.ndarray:
        """The elements of a constant input; refuses one that is computed at run time."""
        if name not in self.constants:
            raise UnsupportedError(f"takes {role} that the model computes as it runs")
        return self.constants[name]

    def order(self, name: str) -> Order:
        """The order a tensor lies in; what suits its readers where none is decided yet."""
        value = self.values[name]
        if value.places:
            return value.order
        rank = len(value.shape)
        return channels_last(rank) if name in self._prefers_last else plain(rank)

    def constant(self, array: np.ndarray, name: str) -> int:
        """A constant; equal small ones are kept once."""
        if array.dtype.name not in TYPES:
            raise UnsupportedError(f"has a constant of type {array.dtype.name}")
        if array.nbytes > _SMALL_BYTES:
            return self._writer.tensor(name, array.dtype.name, array.shape, array)
        key = (array.dtype.name, array.shape, array.tobytes())
        if key not in self._kept:
            self._kept[key] = self._writer.tensor(name, array.dtype.name, array.shape, array)
        return self._kept[key]

    def integers(self, values: Sequence[int], name: str) -> int:
        """A constant of 32-bit integers, as shapes and axes are given."""
        return self.constant(np.array(values, np.int32), name)

    def read(self, name: str, order: Order | None = None) -> int:
        """The number of a tensor with its dimensions in `order`, ONNX's own by default."""
        if name in self.constants:
            array = self.constants[name]
            order = plain(array.ndim) if order is None else order
            if (name, order) not in self._read:
                self._read[name, order] = self.constant(array.transpose(order), name)
            return self._read[name, order]
        value = self.values[name]
        order = plain(len(value.shape)) if order is None else order
        if not value.places:
            return self.place(name, order)
        if order not in value.places:
            value.places[order] = self._moved(value, order)
        return value.places[order]

    def read_flat(self, name: str) -> int:
        """A tensor of any shape whose elements follow one another as ONNX's do."""
        if name in self.values:
            value = self.values[name]
            for order, number in value.places.items():
                if _same_elements(value.shape, order, plain(len(value.shape))):
                    return number
        return self.read(name)

    def place(self, name: str, order: Order | None = None) -> int:
        """Where a node, or the caller of the model, writes a declared tensor."""
        value = self.values[name]
        order = plain(len(value.shape)) if order is None else order
        number = self._writer.tensor(name, value.dtype, [value.shape[d] for d in order])
        value.places[order] = number
        return number

    def scratch(self, name: str, dtype: str, shape: Sequence[int]) -> int:
        """A tensor between two operators of one node, with the shape as it lies."""
        return self._writer.tensor(name, dtype, shape)

    def operator(
        self, code: str, inputs: Sequence[int], outputs: Sequence[int], **options: object
    ) -> None:
        """Write an operator that does the current node's work."""
        self._main.append(len(self.operators))
        self.step(code, inputs, outputs, **options)

    def step(
        self, code: str, inputs: Sequence[int], outputs: Sequence[int], **options: object
    ) -> None:
        """Write an operator that prepares for the current node's own, or follows from it."""
        self._writer.operator(code, inputs, outputs, **options)
        self.operators.append(Written(code, ()))

    def begin(self) -> None:
        """The operators that follow belong to one node."""
        self._main, self._first = [], len(self.operators)

    def finish(self, sources: tuple[str, ...]) -> None:
        """Say that what was written since `begin` stands for the nodes `sources`.

        A node belongs to one operator at most: the last that is no mere step.
        """
        free = [i for i in range(self._first, len(self.operators)) if not self.operators[i].sources]
        if free:
            last = self._main[-1] if self._main else free[-1]
            self.operators[last] = Written(self.operators[last].code, self._claim(sources))

    def _claim(self, sources: tuple[str, ...]) -> tuple[str, ...]:
        """Those of the nodes that no operator stands for yet."""
        free = tuple(name for name in sources if name not in self._claimed)
        self._claimed.update(free)
        return free

    def _moved(self, value: Value, order: Order) -> int:
        source = value.places[value.order]
        shape = [value.shape[d] for d in order]
        number = self._writer.tensor(value.name, value.dtype, shape)
        if _same_elements(value.shape, value.order, order):
            self.step("RESHAPE", [source], [number], newShape=np.array(shape, np.int32))
        else:
            places = [value.order.index(d) for d in order]
            permutation = self.integers(places, "permutation")
            self.step("TRANSPOSE", [source, permutation], [number])
        self.operators[-1] = Written(self.operators[-1].code, self._claim(value.waiting))
        value.waiting = ()
        return number


def _same_elements(shape: Sequence[int], first: Order, second: Order) -> bool:
    """Whether two orders of a shape differ in dimensions of size 1 alone."""
    return [d for d in first if shape[d] != 1] == [d for d in second if shape[d] != 1]


def elements(shape: Sequence[int]) -> int:
    """How many elements a tensor has."""
    return math.prod(shape)


def refusal(op: str, reason: str, model: str) -> ModelError:
    """What to tell when a model cannot be converted; the reason follows upon the operator."""
    return ModelError(
        f"'{model}' cannot be converted to LiteRT, because its operator {op} {reason}; "
        "convert it with its exporter's own tools and give the .tflite file instead"
    )
