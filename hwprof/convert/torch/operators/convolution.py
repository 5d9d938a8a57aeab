"""Convolutions and their transposes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch.nn import functional as F

from hwprof.convert.torch.builder import Value
from hwprof.convert.torch.call import Call, converts
from hwprof.convert.torch.operators.padding import window_of

FORWARD: Mapping[int, Callable[..., Any]] = {1: F.conv1d, 2: F.conv2d, 3: F.conv3d}
BACKWARD: Mapping[int, Callable[..., Any]] = {
    1: F.conv_transpose1d,
    2: F.conv_transpose2d,
    3: F.conv_transpose3d,
}


def padded_convolution(
    x: torch.Tensor,
    weight: torch.Tensor,
    bias: torch.Tensor | None,
    stride: tuple[int, ...],
    pads: tuple[int, ...],
    dilation: tuple[int, ...],
    groups: int,
) -> torch.Tensor:
    """A convolution with another padding before than after, which torch writes in two steps."""
    padded = F.pad(x, pads)
    result: torch.Tensor = FORWARD[len(stride)](padded, weight, bias, stride, 0, dilation, groups)
    return result


@converts("Conv")
def convolution(call: Call) -> Value:
    x, weight, bias = call.input(), call.input(1), call.optional(2)
    if weight.rank - 2 not in FORWARD:
        call.refuse(f"slides over {weight.rank - 2} dimensions, and torch knows 1 to 3")
    window = window_of(call, weight.shape[2:])
    groups = call.attribute("group", 1)
    if window.even is None:
        settings = (window.strides, window.flat, window.dilations, groups)
        return call.call(padded_convolution, x, weight, bias, *settings)
    settings = (window.strides, window.even, window.dilations, groups)
    return call.call(FORWARD[weight.rank - 2], x, weight, bias, *settings)


@converts("ConvTranspose")
def transposed_convolution(call: Call) -> Value:
    x, weight, bias = call.input(), call.input(1), call.optional(2)
    rank = weight.rank - 2
    if rank not in BACKWARD:
        call.refuse(f"slides over {rank} dimensions, and torch knows 1 to 3")
    kernel = weight.shape[2:]
    strides = tuple(call.attribute("strides", [1] * rank))
    dilations = tuple(call.attribute("dilations", [1] * rank))
    extra = list(call.attribute("output_padding", [0] * rank))
    pads = _transposed_pads(call, kernel, strides, dilations, extra)
    even = []
    crop = []
    for axis, (before, after) in enumerate(pads):
        # torch pads both sides alike: what one side loses more is cut off afterwards.
        even.append(min(before, after))
        crop.append((before - even[-1], after - even[-1]))
        if extra[axis] >= max(strides[axis], dilations[axis]):
            call.refuse("pads its output by a whole stride, which torch does not")
    groups = call.attribute("group", 1)
    settings = (strides, tuple(even), tuple(extra), groups, dilations)
    if not any(side for pair in crop for side in pair):
        return call.call(BACKWARD[rank], x, weight, bias, *settings)
    flat = tuple(-side for pair in reversed(crop) for side in pair)
    return call.call(cropped_transpose, x, weight, bias, *settings, flat)


def cropped_transpose(
    x: torch.Tensor,
    weight: torch.Tensor,
    bias: torch.Tensor | None,
    stride: tuple[int, ...],
    padding: tuple[int, ...],
    output_padding: tuple[int, ...],
    groups: int,
    dilation: tuple[int, ...],
    crop: tuple[int, ...],
) -> torch.Tensor:
    """A transposed convolution that loses more at one side than at the other."""
    full = BACKWARD[len(stride)](x, weight, bias, stride, padding, output_padding, groups, dilation)
    return F.pad(full, crop)


def _transposed_pads(
    call: Call,
    kernel: tuple[int, ...],
    strides: tuple[int, ...],
    dilations: tuple[int, ...],
    extra: list[int],
) -> list[tuple[int, int]]:
    """Padding (before, after) per dimension, as the operator's specification works it out."""
    rank = len(kernel)
    auto = call.attribute("auto_pad", "NOTSET")
    wanted = call.attribute("output_shape")
    if wanted is None and auto in ("NOTSET", "", "VALID"):
        listed = call.attribute("pads", [0] * 2 * rank) if auto != "VALID" else [0] * 2 * rank
        return list(zip(listed[:rank], listed[rank:], strict=True))
    sizes = call.input().shape[-rank:]
    if wanted is None:
        wanted = [size * stride for size, stride in zip(sizes, strides, strict=True)]
    pads = []
    for axis in range(rank):
        reach = (kernel[axis] - 1) * dilations[axis] + 1
        total = strides[axis] * (sizes[axis] - 1) + extra[axis] + reach - wanted[-rank:][axis]
        if total < 0:
            call.refuse("asks for an output larger than its windows reach")
        less, more = total // 2, total - total // 2
        pads.append((less, more) if auto == "SAME_UPPER" else (more, less))
    return pads
