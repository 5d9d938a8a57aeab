"""Operators of two or more tensors, element by element, with ONNX's broadcasting."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from functools import reduce
from typing import Any

import torch

from hwprof.convert.torch.builder import Value
from hwprof.convert.torch.call import Call, converts

TWO: Mapping[str, Callable[..., Any]] = {
    "Add": torch.add,
    "Sub": torch.sub,
    "Mul": torch.mul,
    "Equal": torch.eq,
    "Greater": torch.gt,
    "GreaterOrEqual": torch.ge,
    "Less": torch.lt,
    "LessOrEqual": torch.le,
    "And": torch.logical_and,
    "Or": torch.logical_or,
    "Xor": torch.logical_xor,
    "BitwiseAnd": torch.bitwise_and,
    "BitwiseOr": torch.bitwise_or,
    "BitwiseXor": torch.bitwise_xor,
}
_SWAPPED: Mapping[str, Callable[..., Any]] = {
    "Add": torch.add,
    "Mul": torch.mul,
    "Equal": torch.eq,
    "Sub": torch.rsub,
    "Greater": torch.lt,
    "GreaterOrEqual": torch.le,
    "Less": torch.gt,
    "LessOrEqual": torch.ge,
}
_PYTHON: Mapping[str, Callable[..., Any]] = {"Div": operator.truediv, "Pow": operator.pow}


@converts(*TWO)
def two(call: Call) -> Value:
    a, b = _aligned(call)
    if isinstance(a, Value):
        return call.call(TWO[call.op], a, b)
    if call.op in _SWAPPED:
        return call.call(_SWAPPED[call.op], b, a)
    return call.call(TWO[call.op], call.input(0), b)


@converts("Div")
def quotient(call: Call) -> Value:
    a, b = _aligned(call)
    whole = not call.input().floating
    if not isinstance(a, Value):
        if a == 1 and not whole:
            return call.call(torch.reciprocal, b)
        if whole:
            a = call.input()
        else:
            return call.call(_PYTHON["Div"], a, b)
    return call.call(torch.div, a, b, **({"rounding_mode": "trunc"} if whole else {}))


@converts("Pow")
def power(call: Call) -> Value:
    base, exponent = call.input(), call.input(1)
    plain = exponent.constant and exponent.sample.numel() == 1 and exponent.rank <= base.rank
    if plain and base.floating:
        number = exponent.sample.item()
        return call.call(torch.pow, base, int(number) if number == int(number) else number)
    found = call.call(torch.pow, base, exponent)
    return found if found.dtype == base.dtype else call.call(torch.Tensor.to, found, base.dtype)


@converts("Mod")
def remainder(call: Call) -> Value:
    function = torch.fmod if call.attribute("fmod", 0) else torch.remainder
    return call.call(function, call.input(), call.input(1))


@converts("BitShift")
def shift(call: Call) -> Value:
    left = call.attribute("direction") == "LEFT"
    function = torch.bitwise_left_shift if left else torch.bitwise_right_shift
    return call.call(function, call.input(), call.input(1))


@converts("Sum", "Max", "Min", "Mean")
def several(call: Call) -> Value:
    values = call.given()
    if len(values) == 1:
        return values[0]
    if call.op == "Mean":
        return call.call(mean_of, *values)
    functions: Mapping[str, Callable[..., Any]] = {
        "Sum": torch.add,
        "Max": torch.maximum,
        "Min": torch.minimum,
    }
    if len(values) == 2:
        return call.call(functions[call.op], *values)
    folded: Mapping[str, Callable[..., Any]] = {
        "Sum": sum_of,
        "Max": largest_of,
        "Min": smallest_of,
    }
    return call.call(folded[call.op], *values)


@converts("Where")
def where(call: Call) -> Value:
    condition, a, b = call.input(0), call.input(1), call.input(2)
    if not b.constant:
        picked = call.number_or(a, b)
        return call.call(torch.where, condition, picked, b)
    if not a.constant:
        return call.call(torch.where, condition, a, call.number_or(b, a))
    return call.call(torch.where, condition, a, b)


@converts("PRelu")
def prelu(call: Call) -> Value:
    x, slope = call.input(), call.input(1)
    if slope.constant and slope.sample.numel() in (1, x.shape[1] if x.rank > 1 else 1):
        flat = call.build.constant(slope.sample.reshape(-1))
        per_channel = slope.sample.numel() == 1 or slope.shape[:1] == (x.shape[1],)
        if per_channel and (slope.rank == x.rank - 1 or slope.sample.numel() == 1):
            return call.call(torch.nn.functional.prelu, x, flat)
    return call.call(sloped, x, slope)


def sloped(x: torch.Tensor, slope: torch.Tensor) -> torch.Tensor:
    """PReLU with a slope of any shape that broadcasts."""
    return torch.where(x < 0, x * slope, x)


def sum_of(*values: torch.Tensor) -> torch.Tensor:
    return reduce(torch.add, values)


def largest_of(*values: torch.Tensor) -> torch.Tensor:
    return reduce(torch.maximum, values)


def smallest_of(*values: torch.Tensor) -> torch.Tensor:
    return reduce(torch.minimum, values)


def mean_of(*values: torch.Tensor) -> torch.Tensor:
    return reduce(torch.add, values) / len(values)


def _aligned(call: Call) -> tuple[Value | int | float | bool, Value | int | float | bool]:
    """Both inputs, one of them as a number where it is one; the old opsets' `axis` worked in."""
    a, b = call.input(0), call.input(1)
    if call.opset < 7 and call.attribute("broadcast", 0) and "axis" in _attributes(call):
        after = a.rank - call.attribute("axis") - b.rank
        b = call.call(torch.reshape, b, (*b.shape, *(1,) * after))
    return call.number_or(a, b), call.number_or(b, a)


def _attributes(call: Call) -> set[str]:
    return {each.name for each in call.proto.attribute}
