"""One ONNX node in front of its converter: inputs, attributes, and the words for what is wrong."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

import numpy as np
import torch
from onnx import AttributeProto, NodeProto, TensorProto, helper, numpy_helper

from hwprof.convert.torch.builder import Builder, Value
from hwprof.errors import ModelError
from hwprof.models.onnx.elements import onnx_dtype

Converter = Callable[["Call"], "Value | Sequence[Value]"]
"""Gives the values of a node's outputs; the first ones, where nobody can want the rest."""

TABLE: dict[str, Converter] = {}
"""Converters by ONNX operator; other domains than ONNX's own as `domain:operator`."""

TYPES: Mapping[int, torch.dtype] = {
    TensorProto.FLOAT: torch.float32,
    TensorProto.DOUBLE: torch.float64,
    TensorProto.FLOAT16: torch.float16,
    TensorProto.BFLOAT16: torch.bfloat16,
    TensorProto.INT8: torch.int8,
    TensorProto.INT16: torch.int16,
    TensorProto.INT32: torch.int32,
    TensorProto.INT64: torch.int64,
    TensorProto.UINT8: torch.uint8,
    TensorProto.UINT16: torch.uint16,
    TensorProto.UINT32: torch.uint32,
    TensorProto.UINT64: torch.uint64,
    TensorProto.BOOL: torch.bool,
}


def converts(*operators: str) -> Callable[[Converter], Converter]:
    """Enter a converter into the table under each of the operators' names."""

    def enter(converter: Converter) -> Converter:
        for operator in operators:
            TABLE[operator] = converter
        return converter

    return enter


@dataclass(frozen=True, slots=True, eq=False)
class Call:
    """A node of an ONNX graph with the values of its inputs (None where one is left out)."""

    proto: NodeProto
    name: str
    opset: int
    inputs: tuple[Value | None, ...]
    build: Builder

    @property
    def op(self) -> str:
        return str(self.proto.op_type)

    def has(self, position: int) -> bool:
        """Whether the optional input at `position` is given."""
        return position < len(self.inputs) and self.inputs[position] is not None

    def input(self, position: int = 0) -> Value:
        """A required input. Raises ModelError when it is left out."""
        value = self.inputs[position] if position < len(self.inputs) else None
        if value is None:
            self.refuse(f"lacks its input number {position + 1}")
        return value

    def given(self) -> list[Value]:
        """Every input that is not left out."""
        return [value for value in self.inputs if value is not None]

    def optional(self, position: int) -> Value | None:
        """An input that may be left out."""
        return self.inputs[position] if position < len(self.inputs) else None

    def known(self, position: int, what: str) -> torch.Tensor:
        """The elements of an input that the conversion must know. Raises ModelError."""
        value = self.input(position)
        if not value.constant:
            self.refuse(f"computes its {what} from the model's inputs, which leaves shapes open")
        return value.sample

    def numbers(self, position: int, what: str) -> list[int]:
        """A constant input as whole numbers. Raises ModelError."""
        return [int(x) for x in self.known(position, what).reshape(-1).tolist()]

    def attribute(self, name: str, default: Any = None) -> Any:
        """An attribute's value: number, text, list of numbers or array."""
        for each in self.proto.attribute:
            if each.name != name:
                continue
            if each.type == AttributeProto.STRING:
                return each.s.decode(errors="replace")
            if each.type in (AttributeProto.INTS, AttributeProto.FLOATS):
                return list(helper.get_attribute_value(each))
            if each.type == AttributeProto.TENSOR:
                return numpy_helper.to_array(each.t)
            if each.type == AttributeProto.FLOAT:
                # Attributes are 32-bit floats: 0.01 must not read 0.009999999776482582.
                return float(str(np.float32(each.f)))
            return helper.get_attribute_value(each)
        return default

    def setting(self, name: str, position: int, what: str) -> list[int] | None:
        """Whole numbers from the attribute `name` or, as newer operator sets have it, an input."""
        if self.has(position):
            return self.numbers(position, what)
        found: list[int] | int | None = self.attribute(name)
        return [found] if isinstance(found, int) else found

    def dtype(self, number: int) -> torch.dtype:
        """The torch type of an ONNX type number, in the precision asked for."""
        found = TYPES.get(number)
        if found is None:
            self.refuse(f"uses the type {onnx_dtype(number)}, which torch lacks")
        return self.build.dtype(found)

    def axis(self, default: int, rank: int, name: str = "axis") -> int:
        """The attribute `axis`, counted from the front."""
        return int(self.attribute(name, default)) % max(rank, 1)

    def call(self, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Value:
        return self.build.call(function, *args, **kwargs)

    def number_or(self, value: Value, other: Value) -> Value | int | float | bool:
        """`value` as a plain number where it is a constant of one that cannot change the result."""
        plain = value.constant and value.sample.numel() == 1 and value.rank <= other.rank
        if plain and value.dtype == other.dtype and not other.constant:
            number: int | float | bool = value.sample.item()
            return number
        return value

    def refuse(self, what: str) -> NoReturn:
        """Raise ModelError: the node is one that has no equal in torch, or none yet."""
        raise ModelError(
            f"node '{self.name}' ({self.op}) {what}; "
            "measure the model on another device, such as onnxruntime-cpu"
        )
