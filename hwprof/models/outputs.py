"""What a model computed, in a form that crosses a pipe."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from hwprof.errors import DeviceError

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
