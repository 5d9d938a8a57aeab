"""Writing a LiteRT model file: one subgraph, its weights behind the flatbuffer.

The format is TensorFlow Lite's schema version 3 (tensorflow/compiler/mlir/lite/schema/schema.fbs),
through the schema classes that the LiteRT wheel brings. Weights are kept outside the flatbuffer
(the fields `offset` and `size` of a buffer), so that a model may exceed its limit of 2 GiB.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

SCHEMA_VERSION = 3
# What mmap-ed weights are aligned to: a cache line.
ALIGNMENT = 64
# Operators whose first version the runtime no longer registers.
VERSIONS = {"BROADCAST_TO": 2}
# Element types by NumPy's name; the schema's constants carry the same names in capitals.
TYPES = frozenset(
    {"float32", "float16", "float64", "bool", "int8", "int16", "int32", "int64"}
    | {"uint8", "uint16", "uint32", "uint64"}
)


class ModelWriter:
    """Collects tensors and operators, then writes them to a file."""

    def __init__(self) -> None:
        from ai_edge_litert import schema_py_generated

        self._schema: Any = schema_py_generated
        self._tensors: list[Any] = []
        self._operators: list[Any] = []
        self._codes: dict[str, int] = {}
        self._data: list[np.ndarray] = []
        self._names: set[str] = set()

    def tensor(
        self, name: str, dtype: str, shape: Sequence[int], data: np.ndarray | None = None
    ) -> int:
        """Add a tensor and return its number; `data` makes it a constant."""
        made = self._schema.TensorT()
        made.name = self._unique(name)
        made.type = getattr(self._schema.TensorType, dtype.upper())
        made.shape = np.array(shape, np.int32)
        made.hasRank = True
        made.buffer = 0
        if data is not None and data.size:
            self._data.append(np.ascontiguousarray(data))
            made.buffer = len(self._data)
        self._tensors.append(made)
        return len(self._tensors) - 1

    def operator(
        self, code: str, inputs: Sequence[int], outputs: Sequence[int], **options: object
    ) -> None:
        """Add an operator by its name in the schema (`CONV_2D`).

        `options` are fields of its options table, which the name of the operator tells.
        """
        made = self._schema.OperatorT()
        made.opcodeIndex = self._codes.setdefault(code, len(self._codes))
        made.inputs = np.array(inputs, np.int32)
        made.outputs = np.array(outputs, np.int32)
        table = options_table(code)
        if options or table in vars(self._schema.BuiltinOptions):
            made.builtinOptionsType = getattr(self._schema.BuiltinOptions, table)
            made.builtinOptions = getattr(self._schema, f"{table}T")()
            for key, value in options.items():
                if key not in vars(made.builtinOptions):
                    raise AttributeError(f"{table} has no field {key}")
                setattr(made.builtinOptions, key, self._value(value))
        self._operators.append(made)

    def write(self, path: Path, inputs: Sequence[int], outputs: Sequence[int]) -> None:
        """Write the model. Raises OSError when the disk is full or may not be written."""
        # The offsets are of fixed width: what the placeholders measure, the real ones will too.
        offsets = [ALIGNMENT] * len(self._data)
        end = len(self._packed(inputs, outputs, offsets))
        for number, data in enumerate(self._data):
            offsets[number] = -(-end // ALIGNMENT) * ALIGNMENT
            end = offsets[number] + data.nbytes
        packed = self._packed(inputs, outputs, offsets)
        with path.open("wb") as stream:
            stream.write(packed)
            for offset, data in zip(offsets, self._data, strict=True):
                stream.write(bytes(offset - stream.tell()))
                stream.write(data.tobytes())

    def _packed(
        self, inputs: Sequence[int], outputs: Sequence[int], offsets: Sequence[int]
    ) -> bytes:
        import flatbuffers  # type: ignore[import-untyped]

        schema = self._schema
        subgraph = schema.SubGraphT()
        subgraph.name = "main"
        subgraph.tensors = self._tensors
        subgraph.operators = self._operators
        subgraph.inputs = np.array(inputs, np.int32)
        subgraph.outputs = np.array(outputs, np.int32)
        model = schema.ModelT()
        model.version = SCHEMA_VERSION
        model.description = "hwprof"
        model.subgraphs = [subgraph]
        model.operatorCodes = [self._operator_code(name) for name in self._codes]
        model.buffers = [schema.BufferT()]
        for offset, data in zip(offsets, self._data, strict=True):
            buffer = schema.BufferT()
            buffer.offset, buffer.size = offset, data.nbytes
            model.buffers.append(buffer)
        builder = flatbuffers.Builder(1 << 16)
        builder.Finish(model.Pack(builder), file_identifier=b"TFL3")
        return bytes(builder.Output())

    def _operator_code(self, name: str) -> Any:
        made = self._schema.OperatorCodeT()
        number = getattr(self._schema.BuiltinOperator, name)
        # Readers of before 2020 look at a byte alone.
        made.deprecatedBuiltinCode = min(number, 127)
        made.builtinCode = number
        made.version = VERSIONS.get(name, 1)
        return made

    def _value(self, value: object) -> object:
        """A field's value; an enumerator is written `Padding.SAME`."""
        if isinstance(value, str):
            enum, _, name = value.partition(".")
            return getattr(getattr(self._schema, enum), name)
        return value

    def _unique(self, name: str) -> str:
        found, number = name, 1
        while found in self._names:
            found, number = f"{name};{number}", number + 1
        self._names.add(found)
        return found


# Where the options table is not named after its operator.
_TABLES = {
    "CONV_2D": "Conv2DOptions",
    "DEPTHWISE_CONV_2D": "DepthwiseConv2DOptions",
    "MAX_POOL_2D": "Pool2DOptions",
    "AVERAGE_POOL_2D": "Pool2DOptions",
    "LOCAL_RESPONSE_NORMALIZATION": "LocalResponseNormalizationOptions",
    "BATCH_MATMUL": "BatchMatMulOptions",
    "MEAN": "ReducerOptions",
    "SUM": "ReducerOptions",
    "REDUCE_MAX": "ReducerOptions",
    "REDUCE_MIN": "ReducerOptions",
    "REDUCE_PROD": "ReducerOptions",
    "MINIMUM": "MaximumMinimumOptions",
    "MAXIMUM": "MaximumMinimumOptions",
    "PADV2": "PadV2Options",
    "SELECT_V2": "SelectV2Options",
}


def options_table(code: str) -> str:
    """Name of an operator's options table: `StridedSliceOptions` for `STRIDED_SLICE`."""
    words = "".join(word.capitalize() for word in code.split("_"))
    return _TABLES.get(code, f"{words}Options")
