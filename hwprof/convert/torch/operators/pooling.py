"""Pools: sliding ones, and those over everything."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch.nn import functional as F

from hwprof.convert.torch.builder import Value
from hwprof.convert.torch.call import Call, converts
from hwprof.convert.torch.operators.padding import Window, window_of

MAX: Mapping[int, Callable[..., Any]] = {1: F.max_pool1d, 2: F.max_pool2d, 3: F.max_pool3d}
MEAN: Mapping[int, Callable[..., Any]] = {1: F.avg_pool1d, 2: F.avg_pool2d, 3: F.avg_pool3d}


def padded_max_pool(
    x: torch.Tensor,
    pads: tuple[int, ...],
    kernel: tuple[int, ...],
    stride: tuple[int, ...],
    dilation: tuple[int, ...],
    ceil_mode: bool,
) -> torch.Tensor:
    """A max pool with a padding that torch's own pools do not take."""
    lowest = torch.finfo(x.dtype).min if x.dtype.is_floating_point else torch.iinfo(x.dtype).min
    padded = F.pad(x, pads, value=lowest)
    result: torch.Tensor = MAX[len(kernel)](padded, kernel, stride, 0, dilation, ceil_mode)
    return result


def padded_mean_pool(
    x: torch.Tensor,
    share: torch.Tensor,
    pads: tuple[int, ...],
    kernel: tuple[int, ...],
    stride: tuple[int, ...],
    ceil_mode: bool,
) -> torch.Tensor:
    """A mean pool with any padding; `share` makes up for the padding that is not to count."""
    padded = F.pad(x, pads)
    result: torch.Tensor = MEAN[len(kernel)](padded, kernel, stride, 0, ceil_mode)
    return result * share


@converts("MaxPool")
def max_pool(call: Call) -> Value:
    x = call.input()
    if len(call.proto.output) > 1 and call.proto.output[1]:
        call.refuse("returns the places of its maxima, which the conversion does not")
    window, rank = _window(call)
    ceil_mode = _needs_ceil(call, window)
    even = window.even
    if even is None or any(2 * p > k for p, k in zip(even, window.kernel, strict=True)):
        settings = (window.flat, window.kernel, window.strides, window.dilations, ceil_mode)
        return call.call(padded_max_pool, x, *settings)
    settings = (window.kernel, window.strides, even, window.dilations, ceil_mode)
    return call.call(MAX[rank], x, *settings)


@converts("AveragePool")
def mean_pool(call: Call) -> Value:
    x = call.input()
    window, rank = _window(call)
    ceil_mode = _needs_ceil(call, window)
    if any(d != 1 for d in window.dilations):
        call.refuse("averages over a dilated window, which torch does not")
    counted = bool(call.attribute("count_include_pad", 0))
    even = window.even
    if even is not None and all(2 * p <= k for p, k in zip(even, window.kernel, strict=True)):
        windows = (window.kernel, window.strides, even)
        return call.call(MEAN[rank], x, *windows, ceil_mode, counted)
    ones = torch.ones((1, 1, *x.shape[2:]))
    padded = F.pad(ones, window.flat, value=1.0 if counted else 0.0)
    means = MEAN[rank](padded, window.kernel, window.strides, 0, ceil_mode)
    share = call.build.constant((1 / means).to(x.dtype))
    settings = (window.flat, window.kernel, window.strides, ceil_mode)
    return call.call(padded_mean_pool, x, share, *settings)


@converts("GlobalAveragePool")
def global_mean_pool(call: Call) -> Value:
    x = call.input()
    pools = {1: F.adaptive_avg_pool1d, 2: F.adaptive_avg_pool2d, 3: F.adaptive_avg_pool3d}
    if x.rank - 2 in pools:
        return call.call(pools[x.rank - 2], x, (1,) * (x.rank - 2) if x.rank > 3 else 1)
    return call.call(torch.mean, x, _spatial(x), True)


@converts("GlobalMaxPool")
def global_max_pool(call: Call) -> Value:
    x = call.input()
    return call.call(torch.amax, x, _spatial(x), True)


def _spatial(x: Value) -> tuple[int, ...]:
    return tuple(range(2, x.rank))


def _window(call: Call) -> tuple[Window, int]:
    kernel: Sequence[int] = call.attribute("kernel_shape", [])
    if len(kernel) not in MAX:
        call.refuse(f"slides over {len(kernel)} dimensions, and torch knows 1 to 3")
    return window_of(call, tuple(kernel)), len(kernel)


def _needs_ceil(call: Call, window: Window) -> bool:
    """Whether rounding up gives another shape: torch counts border windows in its own way."""
    if not call.attribute("ceil_mode", 0):
        return False
    sizes = call.input().shape[2:]
    rests = (
        (size + a + b - (kernel - 1) * dilation - 1) % stride
        for size, (a, b), kernel, stride, dilation in zip(
            sizes, window.pads, window.kernel, window.strides, window.dilations, strict=True
        )
    )
    return any(rests)
