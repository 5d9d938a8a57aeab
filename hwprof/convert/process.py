"""For runtimes that have a file format of their own: an ONNX model made ready for their converter.

Converters of mobile runtimes run as processes of their own: they crash on what they do not know,
and the memory they take must not count as the model's.
"""

from __future__ import annotations

import math
import re
import signal
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from hwprof.errors import DeviceError, MeasurementError
from hwprof.models.base import Model
from hwprof.models.outputs import DTYPES

if TYPE_CHECKING:
    pass


_COLOUR = re.compile(r"\x1b\[[0-9;]*m")


@dataclass(frozen=True, slots=True)
class Declared:
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


def declared_outputs(model: Model) -> tuple[Declared, ...]:
    """Outputs of an ONNX file, in its order."""
    import onnx

    from hwprof.models.onnx.elements import onnx_dtype

    found = []
    for output in onnx.load(str(model.path), load_external_data=False).graph.output:
        kind = output.type.tensor_type
        dims = kind.shape.dim
        known = kind.HasField("shape") and all(d.HasField("dim_value") for d in dims)
        shape = tuple(d.dim_value for d in dims) if known else None
        found.append(Declared(output.name, onnx_dtype(kind.elem_type), shape))
    return tuple(found)


@dataclass(frozen=True, slots=True)
class Ran:
    """How a converter ended, and what it printed (both streams, without colours)."""

    returncode: int
    text: str

    @property
    def crashed(self) -> str:
        """Name of the signal that ended it, such as `SIGSEGV`; empty where none did."""
        if self.returncode >= 0:
            return ""
        try:
            return signal.Signals(-self.returncode).name
        except ValueError:
            return f"signal {-self.returncode}"


def run_converter(command: Sequence[str], folder: Path, model: str) -> Ran:
    """Run a converter inside `folder`, which is where it writes.

    Raises DeviceError when it does not start, MeasurementError when the system killed it, which
    is what happens when memory runs out.
    """
    try:
        ended = subprocess.run(command, cwd=folder, capture_output=True, check=False)
    except OSError as error:
        raise DeviceError(
            f"the converter '{Path(command[0]).name}' does not start: {error}; "
            "reinstall the package that brings it"
        ) from error
    text = (ended.stdout + b"\n" + ended.stderr).decode("utf-8", "backslashreplace")
    ran = Ran(ended.returncode, _COLOUR.sub("", text))
    if ran.crashed == "SIGKILL":
        raise MeasurementError(
            f"the converter was killed while it read '{model}', most likely because memory ran "
            "out; close other programs, or use a machine with more memory"
        )
    return ran
