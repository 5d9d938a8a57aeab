"""Outputs of a model: as its file declares them, and computed, in a form that crosses a pipe."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from hwprof.errors import DeviceError
from hwprof.models.base import Model
from hwprof.models.onnx.elements import onnx_dtype
from hwprof.models.onnx.file import read_structure

if TYPE_CHECKING:
    from onnx import ValueInfoProto

# Everything an output may be: a type's name from another process is looked up, never evaluated.
DTYPES = frozenset(
    ["bool", "float16", "float32", "float64", "complex64", "complex128"]
    + [f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)]
)
TEXT = "text"
"""Strings; their elements cross as a list in JSON."""
SEQUENCE = "sequence"
MAPS = "maps"
"""A list of maps, as classifiers give them: `items` are the keys and the values, map by map."""
NOTHING = "nothing"
"""An optional that is empty."""

MAX_COMPARED_BYTES = 128 << 20
"""Larger outputs are not compared: they cross a pipe as text, and are held several times."""


@dataclass(frozen=True, slots=True)
class OutputTensor:
    """One output: NumPy's name of its type, its shape, and its elements in C order.

    A sequence, a list of maps and an empty optional are outputs too: their type is `SEQUENCE`,
    `MAPS` or `NOTHING`, and what they hold is in `items`.
    """

    dtype: str
    shape: tuple[int, ...]
    data: bytes
    items: tuple[OutputTensor, ...] = ()

    @classmethod
    def of(cls, value: object) -> OutputTensor:
        """Raises DeviceError for what is neither tensor nor text, nor made of them."""
        if value is None:
            return cls(NOTHING, (), b"")
        if isinstance(value, Mapping):
            value = [value]
        if isinstance(value, list | tuple) and not (value and all(map(_is_number, value))):
            return cls._made_of(value)
        array = np.asarray(value)
        name = array.dtype.name
        if name in _AS and array.dtype.kind == "V":
            # Types that NumPy has from ml_dtypes: no number of theirs is lost in these.
            array = array.astype(_AS[name])
        elif array.dtype.kind in "OUST":
            return cls(TEXT, array.shape, _text_of(array))
        elif name not in DTYPES:
            raise DeviceError(
                f"an output of type {name} cannot be compared; "
                "use --no-check-outputs to measure without comparing"
            )
        return cls(array.dtype.name, array.shape, np.ascontiguousarray(array).tobytes())

    @classmethod
    def _made_of(cls, parts: list[object] | tuple[object, ...]) -> OutputTensor:
        maps = [part for part in parts if isinstance(part, Mapping)]
        if maps and len(maps) == len(parts):
            keys = [key for each in maps for key in each]
            values = [value for each in maps for value in each.values()]
            items = (cls.of(np.array(keys)), cls.of(np.array(values)))
            return cls(MAPS, (len(parts),), b"", items)
        return cls(SEQUENCE, (len(parts),), b"", tuple(cls.of(part) for part in parts))

    def array(self) -> np.ndarray:
        """The elements, not writable. Raises DeviceError when type, shape and data disagree."""
        if self.dtype == TEXT:
            return self._texts()
        if self.dtype not in DTYPES:
            raise DeviceError(f"an output has the unknown type '{self.dtype}'")
        try:
            return np.frombuffer(self.data, self.dtype).reshape(self.shape)
        except ValueError as error:
            raise DeviceError(f"an output does not fit its shape: {error}") from error

    def _texts(self) -> np.ndarray:
        try:
            texts = json.loads(self.data)
            if not isinstance(texts, list) or not all(isinstance(each, str) for each in texts):
                raise ValueError("it is no list of texts")
            # NumPy's own type of text drops zeros at the end; objects keep texts as they are.
            return np.array(texts, object).reshape(self.shape)
        except (ValueError, RecursionError) as error:
            raise DeviceError(f"an output does not fit its shape: {error}") from error

    @property
    def nbytes(self) -> int:
        """Of the elements, those of its items included."""
        return len(self.data) + sum(item.nbytes for item in self.items)


_AS = {
    **dict.fromkeys(("bfloat16", "float8_e4m3fn", "float8_e5m2"), "float32"),
    **dict.fromkeys(("float8_e4m3fnuz", "float8_e5m2fnuz", "float4_e2m1fn"), "float32"),
    **{"int4": "int8", "uint4": "uint8", "int2": "int8", "uint2": "uint8"},
}


def _is_number(value: object) -> bool:
    return isinstance(value, bool | int | float | complex | np.number | np.bool_)


def _text_of(array: np.ndarray) -> bytes:
    texts = []
    for each in array.ravel().tolist():
        if isinstance(each, bytes):
            each = each.decode("utf-8", "backslashreplace")
        if not isinstance(each, str):
            raise DeviceError(
                f"an output that holds a {type(each).__name__} cannot be compared; "
                "use --no-check-outputs to measure without comparing"
            )
        texts.append(each)
    return json.dumps(texts).encode()


def refuse_large(needed: int) -> None:
    """Raise DeviceError for outputs of more bytes than are compared."""
    if needed > MAX_COMPARED_BYTES:
        raise DeviceError(
            f"the outputs are {needed / 2**20:.0f} MiB, and at most "
            f"{MAX_COMPARED_BYTES >> 20} MiB are compared"
        )


@dataclass(frozen=True, slots=True)
class DeclaredOutput:
    """An output as the model file declares it: its type in NumPy's words, its shape if decided."""

    name: str
    dtype: str
    shape: tuple[int, ...] | None

    @property
    def whole(self) -> bool:
        """Whether its elements are whole numbers or truth values."""
        return self.dtype.startswith(("int", "uint", "bool"))

    @property
    def nbytes(self) -> int | None:
        """None where the type or the shape is not known."""
        if self.shape is None or self.dtype not in DTYPES:
            return None
        return math.prod(self.shape) * np.dtype(self.dtype).itemsize

    def dress(self, value: np.ndarray) -> np.ndarray:
        """What a runtime computed, in the declared type and shape.

        Mobile runtimes know neither 64-bit numbers nor, all of them, scalars. What cannot be
        dressed so stays as it is.
        """
        if self.shape is not None and value.size == math.prod(self.shape):
            value = value.reshape(self.shape)
        return value.astype(self.dtype) if self.dtype in DTYPES else value


def declared_outputs(model: Model) -> tuple[DeclaredOutput, ...]:
    """Outputs of an ONNX file, in its order, for the subject's inputs.

    A shape is what inference finds for these inputs, and where that hangs on values, what the file
    states; None where it leaves that open. Raises ModelError.
    """
    from hwprof.models.onnx.infer import inferred, sized

    proto = read_structure(model.path)
    decided = inferred(sized(proto, model.subject))
    stated = {output.name: output for output in proto.graph.output}
    found = []
    for output in decided.graph.output:
        kind = output.type.tensor_type
        shape = _shape_of(output)
        if shape is None:
            shape = _shape_of(stated[output.name])
        found.append(DeclaredOutput(output.name, onnx_dtype(kind.elem_type), shape))
    return tuple(found)


def _shape_of(value: ValueInfoProto) -> tuple[int, ...] | None:
    kind = value.type.tensor_type
    dims = kind.shape.dim
    known = kind.HasField("shape") and all(d.HasField("dim_value") for d in dims)
    return tuple(d.dim_value for d in dims) if known else None
