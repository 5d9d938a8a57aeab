"""Operators made of multiply-accumulates, and how many each takes."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from hwprof.graph import Kernel
from hwprof.opcosts.reading import (
    MICROSOFT,
    NCHWC,
    Cost,
    integer,
    key_of,
    optional,
    output,
    required,
)


def _conv(weight: int = 1) -> Cost:
    """Convolution: each output element takes one weight each from its group and window."""
    return lambda k: output(k).elements * math.prod(required(k, weight).shape[1:])


def _conv_transpose(kernel: Kernel) -> int:
    """Each input element is spread over the output channels of its group and the window."""
    return required(kernel, 0).elements * math.prod(required(kernel, 1).shape[1:])


def _matmul(right: int = 1) -> Cost:
    """Matrix product, `right` being the second matrix: output elements times the inner length."""

    def cost(kernel: Kernel) -> int:
        left = required(kernel, 0).shape
        transposed = integer(kernel, "transA") and len(left) > 1
        required(kernel, right)
        return output(kernel).elements * (left[-2] if transposed else left[-1])

    return cost


def _recurrent(gates: int) -> Cost:
    """Per step, sequence and direction: input and state times the weights of every gate."""

    def cost(kernel: Kernel) -> int:
        steps = math.prod(required(kernel, 0).shape[:2])  # length and batch, in either layout
        per_step = required(kernel, 1).elements + required(kernel, 2).elements
        if required(kernel, 1).shape[1] != gates * required(kernel, 2).shape[2]:
            raise ValueError(f"{gates} gates do not go with weights of {required(kernel, 1).shape}")
        return steps * per_step

    return cost


def _einsum(kernel: Kernel) -> int | None:
    """A product of two tensors: as many terms as all labels together span."""
    equation = kernel.attributes.get("equation", "").replace(" ", "")
    left, _, right = equation.partition("->")
    operands = left.split(",")
    if len(operands) != 2 or len(kernel.inputs) != 2 or "." in equation or not right:
        return None
    sizes: dict[str, int] = {}
    for position, labels in enumerate(operands):
        for label, size in zip(labels, required(kernel, position).shape, strict=True):
            sizes[label] = max(size, sizes.get(label, 1))
    return math.prod(sizes.values())


@dataclass(frozen=True, slots=True)
class _Heads:
    """Sizes of one attention: `rows` is batch times heads."""

    rows: int
    queries: int
    keys: int
    head: int
    value_head: int
    projection: int = 0

    @property
    def scores(self) -> int:
        return self.rows * self.queries * self.keys


def _heads_of(kernel: Kernel) -> _Heads | None:
    """Sizes of an attention; None for a form that the shapes do not decide.

    com.microsoft Attention projects `[batch, length, width]` to query, key and value first.
    com.microsoft MultiHeadAttention takes them apart or packed in the last dimensions but one,
    ONNX Attention in 4-D, or in 3-D with the numbers of heads as attributes.
    """
    query, key, value = (optional(kernel, position) for position in range(3))
    past = optional(kernel, 6 if kernel.op == "MultiHeadAttention" else 4)
    before = past.shape[-2] if past is not None else 0
    first = required(kernel, 0).shape
    if key_of(kernel) == (MICROSOFT, "Attention"):
        weight = required(kernel, 1).shape
        heads = integer(kernel, "num_heads", 1)
        sizes = kernel.attributes.get("qkv_hidden_sizes") or f"{weight[1] // 3},0,{weight[1] // 3}"
        wide, _, value_wide = (int(size) for size in sizes.split(","))
        batch, length, width = first
        projection = batch * length * width * weight[1]
        keys = length + before
        return _Heads(batch * heads, length, keys, wide // heads, value_wide // heads, projection)
    if len(first) == 5:  # query, key and value in one: [batch, length, heads, 3, head]
        batch, length, heads, _, head = first
        return _Heads(batch * heads, length, length + before, head, head)
    if key is not None and len(key.shape) == 5 and len(first) == 3:
        batch, keys, heads, _, head = key.shape  # key and value in one
        return _Heads(batch * heads, first[1], keys + before, head, head)
    if key is None or value is None or query is None:
        return None
    keys = key.shape[-2] + before
    if len(first) == 4:
        return _Heads(first[0] * first[1], first[2], keys, first[3], value.shape[-1])
    heads = integer(kernel, "num_heads") or integer(kernel, "q_num_heads")
    value_heads = integer(kernel, "num_heads") or integer(kernel, "kv_num_heads")
    if len(first) != 3 or not heads or not value_heads:
        return None
    value_head = value.shape[-1] // (value_heads if len(value.shape) == 3 else 1)
    return _Heads(first[0] * heads, first[1], keys, first[2] // heads, value_head)


def _attention(kernel: Kernel) -> int | None:
    """Projection, query times key, weights times value; masked scores count, they are computed."""
    sizes = _heads_of(kernel)
    if sizes is None or integer(kernel, "do_rotary"):
        return None
    return sizes.projection + sizes.scores * (sizes.head + sizes.value_head)


def attention_scores(kernel: Kernel) -> int | None:
    """Scaling and softmax of every score."""
    sizes = _heads_of(kernel)
    return None if sizes is None else 6 * sizes.scores


PRODUCTS: Mapping[tuple[str, str], Cost] = {
    ("", "Conv"): _conv(),
    ("", "ConvInteger"): _conv(),
    ("", "QLinearConv"): _conv(weight=3),
    ("", "ConvTranspose"): _conv_transpose,
    ("", "Gemm"): _matmul(),
    ("", "MatMul"): _matmul(),
    ("", "MatMulInteger"): _matmul(),
    ("", "QLinearMatMul"): _matmul(right=3),
    ("", "Einsum"): _einsum,
    ("", "LSTM"): _recurrent(4),
    ("", "GRU"): _recurrent(3),
    ("", "RNN"): _recurrent(1),
    ("", "Attention"): _attention,
    (MICROSOFT, "FusedConv"): _conv(),
    (MICROSOFT, "NhwcFusedConv"): _conv(),
    (MICROSOFT, "QLinearConv"): _conv(weight=3),
    (MICROSOFT, "FusedGemm"): _matmul(),
    (MICROSOFT, "FusedMatMul"): _matmul(),
    (MICROSOFT, "TransposeMatMul"): _matmul(),
    (MICROSOFT, "QGemm"): _matmul(right=3),
    (MICROSOFT, "MatMulIntegerToFloat"): _matmul(),
    (MICROSOFT, "DynamicQuantizeMatMul"): _matmul(),
    (MICROSOFT, "MatMulNBits"): _matmul(),
    (MICROSOFT, "Attention"): _attention,
    (MICROSOFT, "MultiHeadAttention"): _attention,
    (NCHWC, "Conv"): _conv(),
}

RESIDUAL = frozenset({(NCHWC, "Conv"), (MICROSOFT, "FusedConv"), (MICROSOFT, "NhwcFusedConv")})
