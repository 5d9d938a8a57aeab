"""Operators that reduce over dimensions."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch

from hwprof.convert.torch.builder import Value
from hwprof.convert.torch.call import Call, converts


def product_over(x: torch.Tensor, axes: tuple[int, ...], keep: bool) -> torch.Tensor:
    """The product over several dimensions, one after the other."""
    for axis in sorted(axes, reverse=True):
        x = torch.prod(x, axis, keepdim=keep)
    return x


def absolute_sum(x: torch.Tensor, axes: tuple[int, ...], keep: bool) -> torch.Tensor:
    return x.abs().sum(axes, keepdim=keep)


def length(x: torch.Tensor, axes: tuple[int, ...], keep: bool) -> torch.Tensor:
    return x.square().sum(axes, keepdim=keep).sqrt()


def square_sum(x: torch.Tensor, axes: tuple[int, ...], keep: bool) -> torch.Tensor:
    return x.square().sum(axes, keepdim=keep)


def log_sum(x: torch.Tensor, axes: tuple[int, ...], keep: bool) -> torch.Tensor:
    return x.sum(axes, keepdim=keep).log()


REDUCTIONS: Mapping[str, Callable[..., Any]] = {
    "ReduceL1": absolute_sum,
    "ReduceL2": length,
    "ReduceLogSum": log_sum,
    "ReduceLogSumExp": torch.logsumexp,
    "ReduceMax": torch.amax,
    "ReduceMean": torch.mean,
    "ReduceMin": torch.amin,
    "ReduceProd": product_over,
    "ReduceSum": torch.sum,
    "ReduceSumSquare": square_sum,
}


@converts(*REDUCTIONS)
def reduction(call: Call) -> Value:
    x = call.input()
    keep = bool(call.attribute("keepdims", 1))
    axes = call.setting("axes", 1, "axes")
    if not axes:
        if call.attribute("noop_with_empty_axes", 0):
            return x
        axes = list(range(x.rank))
    return call.call(REDUCTIONS[call.op], x, tuple(axis % x.rank for axis in axes), keep)
