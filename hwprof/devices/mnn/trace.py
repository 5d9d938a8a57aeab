"""What MNN's callbacks tell: commands in execution order, and how long each took."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from types import ModuleType
from typing import Any

from hwprof.devices.profiled_runs import StepTimes
from hwprof.graph import TensorSpec

# An operator that MNN lowers to several commands gives them its name, all but the last with an
# ending: `y_raster_0`, `y_raster_1`, `y`. Whatever they compute, the ending says "raster".
_ENDING = re.compile(r"_raster_\d+$")


@dataclass(frozen=True, slots=True)
class Command:
    """One kernel that MNN ran: its name, MNN's word for its kind, and its tensors."""

    name: str
    kind: str
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]

    @property
    def operator(self) -> str:
        """Name of the operator of the converted file that it is a part of."""
        return _ENDING.sub("", self.name)

    @property
    def part(self) -> str:
        """Which part of its operator it is: `raster_1`; empty for the last or only one."""
        return self.name[len(self.operator) :].lstrip("_")


@dataclass(frozen=True, slots=True, eq=False)
class Trace:
    """Commands `[n]` of one run, and `r` timed runs of them."""

    commands: tuple[Command, ...]
    times: StepTimes


def tensor_specs(runtime: ModuleType, tensors: Sequence[Any]) -> tuple[TensorSpec, ...]:
    """Types and shapes of MNN's tensors, unnamed: MNN does not say which is which."""
    kinds = {
        "float32": runtime.Halide_Type_Float,
        "int32": runtime.Halide_Type_Int,
        "uint8": runtime.Halide_Type_Uint8,
        "int64": runtime.Halide_Type_Int64,
    }
    return tuple(
        TensorSpec(
            "",
            next((name for name, kind in kinds.items() if kind == tensor.getDataType()), "opaque"),
            tuple(tensor.getShape()),
        )
        for tensor in tensors
    )
