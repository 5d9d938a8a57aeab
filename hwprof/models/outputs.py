"""Outputs of a model: as its file declares them, and computed, in a form that crosses a pipe."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from hwprof.errors import DeviceError
from hwprof.models.base import Model
from hwprof.models.onnx.elements import onnx_dtype
from hwprof.models.onnx.file import read_structure

# Everything an output may be: a type's name from another process is looked up, never evaluated.
DTYPES = frozenset(
    ["bool", "float16", "float32", "float64", "complex64", "complex128"]
    + [f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)]
)


@dataclass(frozen=True, slots=True)
class OutputTensor:
    """One output: NumPy's name of its type, its shape, and its elements in C order."""

    dtype: str
    shape: tuple[int, ...]
    data: bytes

    @classmethod
    def of(cls, value: object) -> OutputTensor:
        """Raises DeviceError for what is not a tensor of numbers (strings, sequences, maps)."""
        array = np.asarray(value)
        if array.dtype.name not in DTYPES:
            raise DeviceError(
                f"an output of type {array.dtype.name} cannot be compared; "
                "use --no-check-outputs to measure without comparing"
            )
        return cls(array.dtype.name, array.shape, np.ascontiguousarray(array).tobytes())

    def array(self) -> np.ndarray:
        """The elements, not writable. Raises DeviceError when type, shape and data disagree."""
        if self.dtype not in DTYPES:
            raise DeviceError(f"an output has the unknown type '{self.dtype}'")
        try:
            return np.frombuffer(self.data, self.dtype).reshape(self.shape)
        except ValueError as error:
            raise DeviceError(f"an output does not fit its shape: {error}") from error


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

    def dress(self, value: np.ndarray) -> np.ndarray:
        """What a runtime computed, in the declared type and shape.

        Mobile runtimes know neither 64-bit numbers nor, all of them, scalars. What cannot be
        dressed so stays as it is.
        """
        if self.shape is not None and value.size == math.prod(self.shape):
            value = value.reshape(self.shape)
        return value.astype(self.dtype) if self.dtype in DTYPES else value


def declared_outputs(model: Model) -> tuple[DeclaredOutput, ...]:
    """Outputs of an ONNX file, in its order. Raises ModelError."""
    found = []
    for output in read_structure(model.path).graph.output:
        kind = output.type.tensor_type
        dims = kind.shape.dim
        known = kind.HasField("shape") and all(d.HasField("dim_value") for d in dims)
        shape = tuple(d.dim_value for d in dims) if known else None
        found.append(DeclaredOutput(output.name, onnx_dtype(kind.elem_type), shape))
    return tuple(found)
