"""Kernels of PyTorch calls: what decides the cost of a call, as text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch

from hwprof.graph import TensorSpec

LONGEST = 200


def tensor_spec(tensor: torch.Tensor, constant: bool = False) -> TensorSpec:
    """Type and shape of a tensor, under no name."""
    return TensorSpec("", dtype_name(tensor.dtype), tuple(tensor.shape), constant)


def dtype_name(dtype: torch.dtype) -> str:
    """NumPy's name of a torch type."""
    return str(dtype).removeprefix("torch.")


def tensors_in(value: Any) -> list[torch.Tensor]:
    """Every tensor in nested arguments, in order."""
    if isinstance(value, torch.Tensor):
        return [value]
    if isinstance(value, Mapping):
        return [tensor for each in value.values() for tensor in tensors_in(each)]
    if isinstance(value, (list, tuple)):
        return [tensor for each in value for tensor in tensors_in(each)]
    return []


def argument_text(args: Sequence[Any], kwargs: Mapping[str, Any]) -> str:
    """Arguments in order, a tensor as `_`: `_,_,_,(2,2),(1,1),(1,1),1`."""
    parts = [_text(each) for each in args]
    parts += [f"{name}={_text(each)}" for name, each in sorted(kwargs.items())]
    return ",".join(parts)


def layout_text(tensors: Sequence[torch.Tensor]) -> str:
    """Which tensors do not lie row by row in memory, and how they lie; empty when all do."""
    parts = []
    for position, tensor in enumerate(tensors):
        if tensor.is_mkldnn:
            parts.append(f"{position}:mkldnn")
        elif tensor.is_contiguous():
            continue
        elif tensor.dim() == 4 and tensor.is_contiguous(memory_format=torch.channels_last):
            parts.append(f"{position}:channels_last")
        else:
            parts.append(f"{position}:strides({','.join(map(str, tensor.stride()))})")
    return " ".join(parts)


def _text(value: Any) -> str:
    if isinstance(value, torch.Tensor):
        return "_"
    if isinstance(value, (list, tuple)):
        return f"({','.join(_text(each) for each in value)})"
    if isinstance(value, slice):
        return ":".join("" if e is None else str(e) for e in (value.start, value.stop, value.step))
    if isinstance(value, torch.dtype):
        return dtype_name(value)
    if isinstance(value, float):
        return f"{value:.9g}"
    return str(value)[:LONGEST]
