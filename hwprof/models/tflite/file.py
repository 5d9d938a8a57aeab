"""A LiteRT model file as data: tensors, operators and their options, read without running it."""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from hwprof.errors import ModelError
from hwprof.graph import TensorSpec

IDENTIFIER = b"TFL3"
# Integer constants up to this size decide what an operator does: shapes, axes, pads.
_TELLING = 16
_PADDING = ("SAME", "VALID")
_ACTIVATIONS = ("NONE", "RELU", "RELU_N1_TO_1", "RELU6", "TANH", "SIGN_BIT")
# What reading beyond the end of a flatbuffer raises, or finding there what has no name.
_DAMAGE = (
    *(struct.error, LookupError, TypeError, ValueError, AttributeError),
    *(ArithmeticError, AssertionError, MemoryError, RecursionError),
)


@dataclass(frozen=True, slots=True)
class Operator:
    """An operator of the file. `inputs` and `outputs` are numbers of tensors, -1 for none."""

    name: str
    code: str
    attributes: dict[str, str]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class LiteRtFile:
    """The main subgraph. `signatures` holds -1 where a dimension may change; absent if none may."""

    tensors: tuple[TensorSpec, ...]
    signatures: tuple[tuple[int, ...] | None, ...]
    operators: tuple[Operator, ...]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    weights_bytes: int

    def with_shapes(self, shapes: Sequence[tuple[int, ...]]) -> LiteRtFile:
        """The same model with another shape for each tensor."""
        pairs = zip(self.tensors, shapes, strict=True)
        tensors = tuple(replace(tensor, shape=shape) for tensor, shape in pairs)
        return replace(self, tensors=tensors)


def read(path: Path) -> LiteRtFile:
    """Read a model file. Raises ModelError when it is none or is cut off.

    OSError is left to the caller. Needs the package ai-edge-litert for the format's schema.
    """
    with path.open("rb") as stream:
        if stream.read(8)[4:] != IDENTIFIER:
            raise _broken(path)
    try:
        found = _parse(np.memmap(path, np.uint8, "r"))
        _check_numbers(found)
    except _DAMAGE as error:
        raise _broken(path) from error
    return found


def _check_numbers(file: LiteRtFile) -> None:
    """Raise LookupError for numbers of tensors that the file does not have."""
    count = len(file.tensors)
    ends = [*file.inputs, *file.outputs]
    inner = [number for each in file.operators for number in (*each.inputs, *each.outputs)]
    if not all(0 <= number < count for number in ends):
        raise LookupError("an input or output is no tensor of the file")
    if not all(-1 <= number < count for number in inner):
        raise LookupError("an operator reads or writes no tensor of the file")


def _broken(path: Path) -> ModelError:
    return ModelError(
        f"'{path.name}' is not a LiteRT model, or is cut off; convert or download it again"
    )


def _parse(data: np.ndarray) -> LiteRtFile:
    from ai_edge_litert import schema_py_generated as schema

    model = schema.Model.GetRootAs(data, 0)
    graph = model.Subgraphs(0)
    tensors, signatures = [], []
    types = _names(schema.TensorType)
    for number in range(graph.TensorsLength()):
        tensor = graph.Tensors(number)
        tensors.append(_tensor(tensor, types[tensor.Type()], model, data))
        signatures.append(_numbers(tensor.ShapeSignatureAsNumpy) or None)
    buffers = [model.Buffers(number) for number in range(model.BuffersLength())]
    return LiteRtFile(
        tuple(tensors),
        tuple(signatures),
        _operators(model, graph, schema),
        _numbers(graph.InputsAsNumpy),
        _numbers(graph.OutputsAsNumpy),
        sum(buffer.DataLength() or buffer.Size() for buffer in buffers),
    )


def _operators(model: Any, graph: Any, schema: Any) -> tuple[Operator, ...]:
    codes, tables = _names(schema.BuiltinOperator), _names(schema.BuiltinOptions)
    found = []
    for number in range(graph.OperatorsLength()):
        operator = graph.Operators(number)
        code = model.OperatorCodes(operator.OpcodeIndex())
        name = codes[max(code.BuiltinCode(), code.DeprecatedBuiltinCode())]
        if name == "CUSTOM":
            name = code.CustomCode().decode()
        options = _options(operator, schema, tables[operator.BuiltinOptionsType()])
        inputs, outputs = _numbers(operator.InputsAsNumpy), _numbers(operator.OutputsAsNumpy)
        found.append(Operator(f"{name}_{number}", name, options, inputs, outputs))
    return tuple(found)


def _names(enum: Any) -> dict[int, str]:
    return {value: name for name, value in vars(enum).items() if isinstance(value, int)}


def _numbers(read_array: Callable[[], Any]) -> tuple[int, ...]:
    found = read_array()
    return tuple(int(v) for v in found) if isinstance(found, np.ndarray) else ()


def _tensor(tensor: Any, kind: str, model: Any, data: np.ndarray) -> TensorSpec:
    shape = _numbers(tensor.ShapeAsNumpy)
    buffer = model.Buffers(tensor.Buffer())
    size = buffer.DataLength() or (buffer.Size() if buffer.Offset() > 1 else 0)
    name = (tensor.Name() or b"").decode()
    spec = TensorSpec(name, kind.lower(), shape, constant=size > 0)
    if size and kind in ("INT32", "INT64") and spec.elements <= _TELLING:
        raw = data[buffer.Offset() : buffer.Offset() + buffer.Size()]
        if buffer.DataLength():
            raw = buffer.DataAsNumpy()
        values = np.frombuffer(raw.tobytes(), kind.lower())
        spec = replace(spec, value=tuple(int(v) for v in values))
    return spec


def _options(operator: Any, schema: Any, table: str) -> dict[str, str]:
    """An operator's options by their names in the schema, as text."""
    if table == "NONE":
        return {}
    reader = getattr(schema, table)()
    options = operator.BuiltinOptions()
    reader.Init(options.Bytes, options.Pos)
    unpacked = getattr(schema, f"{table}T").InitFromObj(reader)
    return {key: _text(key, value) for key, value in sorted(vars(unpacked).items())}


def _text(key: str, value: Any) -> str:
    if value is None:
        return ""
    if key == "padding":
        return _PADDING[value]
    if key == "fusedActivationFunction":
        return _ACTIVATIONS[value]
    if isinstance(value, float):
        return repr(float(np.float32(value)))
    if isinstance(value, np.ndarray | list):
        return ",".join(str(v) for v in value)
    return str(int(value) if isinstance(value, bool) else value)
