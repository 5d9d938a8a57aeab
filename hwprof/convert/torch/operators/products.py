"""Matrix products."""

from __future__ import annotations

import torch
from torch.nn import functional as F

from hwprof.convert.torch.builder import Value
from hwprof.convert.torch.call import Call, converts


@converts("MatMul")
def matrix_product(call: Call) -> Value:
    """`nn.Linear` for a stored matrix (its bias, if one was found, is input 2)."""
    x, weight = call.input(), call.input(1)
    if weight.constant and weight.rank == 2 and x.rank >= 2 and not x.constant:
        return call.call(F.linear, x, _turned(call, weight), call.optional(2))
    return call.call(torch.matmul, x, weight)


@converts("Gemm")
def general_product(call: Call) -> Value:
    a, b, c = call.input(), call.input(1), call.optional(2)
    alpha, beta = call.attribute("alpha", 1.0), call.attribute("beta", 1.0)
    if call.attribute("transA", 0):
        a = call.call(torch.t, a)
    turned = bool(call.attribute("transB", 0))
    plain = alpha == 1.0 and (c is None or beta == 1.0)
    rows = b.shape[0] if turned else b.shape[1]
    if c is not None and c.constant and c.shape in ((1, rows), (1,)):
        c = call.build.constant(c.sample.reshape(-1).expand(rows).contiguous())
    if plain and (c is None or c.shape == (rows,)):
        return call.call(F.linear, a, b if turned else _turned(call, b), c)
    if turned:
        b = call.call(torch.t, b)
    if c is None:
        return call.call(torch.mul, call.call(torch.mm, a, b), alpha)
    return call.call(torch.addmm, c, a, b, beta=beta, alpha=alpha)


@converts("Einsum")
def einsum(call: Call) -> Value:
    equation = str(call.attribute("equation"))
    if not set(equation) <= set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ,.-> "):
        call.refuse("has an equation that torch cannot read")
    return call.call(torch.einsum, equation, *call.given())


def _turned(call: Call, weight: Value) -> Value:
    """A matrix with its dimensions changed over; a stored one is stored that way."""
    turned = call.call(torch.t, weight)
    if turned.constant:
        return call.build.constant(turned.sample.contiguous())
    return turned
