"""Operators of one tensor, element by element."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch.nn import functional as F

from hwprof.convert.torch.builder import Value
from hwprof.convert.torch.call import Call, converts

ONE: Mapping[str, Callable[..., Any]] = {
    "Abs": torch.abs,
    "Acos": torch.acos,
    "Acosh": torch.acosh,
    "Asin": torch.asin,
    "Asinh": torch.asinh,
    "Atan": torch.atan,
    "Atanh": torch.atanh,
    "BitwiseNot": torch.bitwise_not,
    "Ceil": torch.ceil,
    "Cos": torch.cos,
    "Cosh": torch.cosh,
    "Erf": torch.erf,
    "Exp": torch.exp,
    "Floor": torch.floor,
    "HardSwish": F.hardswish,
    "IsNaN": torch.isnan,
    "Log": torch.log,
    "Mish": F.mish,
    "Neg": torch.neg,
    "Not": torch.logical_not,
    "Reciprocal": torch.reciprocal,
    "Relu": F.relu,
    "Round": torch.round,
    "Sigmoid": torch.sigmoid,
    "Sign": torch.sign,
    "Sin": torch.sin,
    "Sinh": torch.sinh,
    "Softplus": F.softplus,
    "Softsign": F.softsign,
    "Sqrt": torch.sqrt,
    "Tan": torch.tan,
    "Tanh": torch.tanh,
}


@converts(*ONE)
def one(call: Call) -> Value:
    return call.call(ONE[call.op], call.input())


@converts("Identity", "Dropout")
def unchanged(call: Call) -> Value:
    """What is handed on; the mask of a dropout, which inference has no use for, is not made."""
    return call.input()


@converts("IsInf")
def infinite(call: Call) -> Value:
    positive, negative = call.attribute("detect_positive", 1), call.attribute("detect_negative", 1)
    if positive and negative:
        return call.call(torch.isinf, call.input())
    return call.call(torch.isposinf if positive else torch.isneginf, call.input())


@converts("Gelu", "com.microsoft:Gelu")
def gelu(call: Call) -> Value:
    return call.call(F.gelu, call.input(), approximate=_approximation(call))


def _approximation(call: Call) -> str:
    return "tanh" if call.attribute("approximate", "none") == "tanh" else "none"


@converts("Swish")
def swish(call: Call) -> Value:
    alpha = call.attribute("alpha", 1.0)
    if alpha == 1.0:
        return call.call(F.silu, call.input())
    return call.call(scaled_swish, call.input(), alpha)


def scaled_swish(x: torch.Tensor, alpha: float) -> torch.Tensor:
    return x * torch.sigmoid(alpha * x)


@converts("LeakyRelu")
def leaky_relu(call: Call) -> Value:
    return call.call(F.leaky_relu, call.input(), call.attribute("alpha", 0.01))


@converts("Elu")
def elu(call: Call) -> Value:
    return call.call(F.elu, call.input(), call.attribute("alpha", 1.0))


@converts("Celu")
def celu(call: Call) -> Value:
    return call.call(F.celu, call.input(), call.attribute("alpha", 1.0))


@converts("Selu")
def selu(call: Call) -> Value:
    alpha = call.attribute("alpha", 1.6732632)
    gamma = call.attribute("gamma", 1.050701)
    if abs(alpha - 1.6732632) < 1e-6 and abs(gamma - 1.050701) < 1e-6:
        return call.call(F.selu, call.input())
    return call.call(scaled_elu, call.input(), alpha, gamma)


def scaled_elu(x: torch.Tensor, alpha: float, gamma: float) -> torch.Tensor:
    return F.elu(x, alpha) * gamma


@converts("ThresholdedRelu")
def thresholded(call: Call) -> Value:
    return call.call(F.threshold, call.input(), call.attribute("alpha", 1.0), 0.0)


@converts("Shrink")
def shrink(call: Call) -> Value:
    bias, lambd = call.attribute("bias", 0.0), call.attribute("lambd", 0.5)
    if bias == 0.0:
        return call.call(F.hardshrink, call.input(), lambd)
    if bias == lambd:
        return call.call(F.softshrink, call.input(), lambd)
    call.refuse("shrinks by another amount than its threshold, which torch does not")


@converts("HardSigmoid")
def hard_sigmoid(call: Call) -> Value:
    alpha, beta = call.attribute("alpha", 0.2), call.attribute("beta", 0.5)
    if abs(alpha - 1 / 6) < 1e-6 and beta == 0.5:
        return call.call(F.hardsigmoid, call.input())
    return call.call(sloped_sigmoid, call.input(), alpha, beta)


def sloped_sigmoid(x: torch.Tensor, alpha: float, beta: float) -> torch.Tensor:
    """A hard sigmoid of another slope than torch's sixth."""
    return torch.clamp(x * alpha + beta, 0.0, 1.0)


@converts("Clip")
def clip(call: Call) -> Value:
    low: Any = call.attribute("min")
    high: Any = call.attribute("max")
    if call.opset >= 11:
        low, high = (_bound(call, position) for position in (1, 2))
    if low == 0 and high == 6 and call.input().floating:
        return call.call(F.relu6, call.input())
    if low is None and high is None:
        return call.input()
    return call.call(torch.clamp, call.input(), low, high)


def _bound(call: Call, position: int) -> Value | int | float | None:
    value = call.optional(position)
    if value is None or not value.constant:
        return value
    number: int | float = value.sample.item()
    return number


@converts("Cast")
def cast(call: Call) -> Value:
    x, dtype = call.input(), call.dtype(call.attribute("to"))
    return x if x.dtype == dtype else call.call(torch.Tensor.to, x, dtype)


@converts("CastLike")
def cast_like(call: Call) -> Value:
    return call.call(torch.Tensor.to, call.input(), call.input(1).dtype)


@converts("Softmax", "LogSoftmax")
def softmax(call: Call) -> Value:
    x = call.input()
    function = F.softmax if call.op == "Softmax" else F.log_softmax
    if call.opset >= 13:
        return call.call(function, x, call.axis(-1, x.rank))
    axis = call.axis(1, x.rank)
    # Older operator sets flatten everything from the axis on.
    if axis == x.rank - 1 or all(size == 1 for size in x.shape[axis + 1 :]):
        return call.call(function, x, axis)
    if all(size == 1 for size in x.shape[axis:-1]):
        return call.call(function, x, -1)
    flattened = flat_softmax if call.op == "Softmax" else flat_log_softmax
    return call.call(flattened, x, axis)


def flat_softmax(x: torch.Tensor, axis: int) -> torch.Tensor:
    """Softmax over all dimensions from `axis` on."""
    return F.softmax(x.flatten(axis), -1).reshape(x.shape)


def flat_log_softmax(x: torch.Tensor, axis: int) -> torch.Tensor:
    """Logarithm of the softmax over all dimensions from `axis` on."""
    return F.log_softmax(x.flatten(axis), -1).reshape(x.shape)
