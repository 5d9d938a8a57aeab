"""Reading a kernel: its tensors by position, its attributes as numbers."""

from __future__ import annotations

import math
from collections.abc import Callable

from hwprof.graph import Kernel, TensorSpec

MICROSOFT = "com.microsoft"
NCHWC = "com.microsoft.nchwc"

Cost = Callable[[Kernel], int | None]
"""A count for one call of a kernel; None when its shapes do not decide it."""


def key_of(kernel: Kernel) -> tuple[str, str]:
    return ("" if kernel.domain == "ai.onnx" else kernel.domain, kernel.op)


def required(kernel: Kernel, position: int) -> TensorSpec:
    tensor = kernel.inputs[position] if position < len(kernel.inputs) else None
    if tensor is None:
        raise ValueError(f"input {position} is missing")
    return tensor


def optional(kernel: Kernel, position: int) -> TensorSpec | None:
    return kernel.inputs[position] if position < len(kernel.inputs) else None


def output(kernel: Kernel) -> TensorSpec:
    tensor = kernel.outputs[0] if kernel.outputs else None
    if tensor is None:
        raise ValueError("the output is missing")
    return tensor


def integer(kernel: Kernel, name: str, default: int = 0) -> int:
    return int(kernel.attributes.get(name, default))


def window(kernel: Kernel) -> int:
    text = kernel.attributes.get("kernel_shape", "")
    return math.prod(int(size) for size in text.split(",")) if text else 1
