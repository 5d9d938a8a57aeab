"""Quantising and its inverse, as arithmetic: torch's own integer kernels are another matter."""

from __future__ import annotations

import torch

from hwprof.convert.torch.builder import Value
from hwprof.convert.torch.call import Call, converts


@converts("DequantizeLinear")
def dequantise(call: Call) -> Value:
    x, scale, zero = call.input(), call.input(1), call.optional(2)
    scale = _per_channel(call, x, scale)
    if zero is None:
        return call.call(widen, x, scale)
    return call.call(widen_from, x, scale, _per_channel(call, x, zero))


def widen(x: torch.Tensor, scale: torch.Tensor) -> torch.Tensor:
    return x.to(scale.dtype) * scale


def widen_from(x: torch.Tensor, scale: torch.Tensor, zero: torch.Tensor) -> torch.Tensor:
    return (x.to(scale.dtype) - zero.to(scale.dtype)) * scale


@converts("QuantizeLinear")
def quantise(call: Call) -> Value:
    x, scale, zero = call.input(), call.input(1), call.optional(2)
    kind = torch.uint8 if zero is None else zero.dtype
    if kind not in (torch.uint8, torch.int8):
        call.refuse("quantises to another type than 8-bit integers")
    limits = torch.iinfo(kind)
    zero = zero or call.build.constant(torch.tensor(0, dtype=kind))
    scale, zero = _per_channel(call, x, scale), _per_channel(call, x, zero)
    return call.call(narrow, x, scale, zero, kind, limits.min, limits.max)


def narrow(
    x: torch.Tensor,
    scale: torch.Tensor,
    zero: torch.Tensor,
    kind: torch.dtype,
    lowest: int,
    highest: int,
) -> torch.Tensor:
    shifted = torch.round(x / scale) + zero.to(x.dtype)
    return torch.clamp(shifted, lowest, highest).to(kind)


def _per_channel(call: Call, x: Value, value: Value) -> Value:
    """A scale or zero point in the shape that broadcasts along the operator's axis."""
    if value.rank == 0 or value.sample.numel() == 1:
        return call.call(torch.reshape, value, ())
    if value.rank != 1 or call.attribute("block_size", 0):
        call.refuse("quantises in blocks, which the conversion does not know")
    shape = [1] * x.rank
    shape[call.axis(1, x.rank)] = -1
    return call.call(torch.reshape, value, tuple(shape))
