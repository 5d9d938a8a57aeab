"""What operators do besides multiply-accumulates."""

from __future__ import annotations

import math
from collections.abc import Mapping

from hwprof.graph import Kernel
from hwprof.opcosts.products import attention_scores
from hwprof.opcosts.reading import (
    MICROSOFT,
    NCHWC,
    Cost,
    integer,
    optional,
    output,
    required,
    window,
)

# Per element of the output.
PER_ELEMENT: Mapping[str, int] = {
    **dict.fromkeys(["Add", "Sub", "Mul", "Div", "Pow", "Mod", "BitShift"], 1),
    **dict.fromkeys(["And", "Or", "Xor", "Not", "Equal", "Greater", "Less"], 1),
    **dict.fromkeys(["GreaterOrEqual", "LessOrEqual", "Where", "IsInf", "IsNaN"], 1),
    **dict.fromkeys(["Abs", "Neg", "Ceil", "Floor", "Round", "Sign", "Reciprocal"], 1),
    **dict.fromkeys(["Sqrt", "Exp", "Log", "Erf", "Sin", "Cos", "Tan", "Tanh", "Relu"], 1),
    **dict.fromkeys(["Asin", "Acos", "Atan", "Sinh", "Cosh", "Asinh", "Acosh", "Atanh"], 1),
    "Clip": 2,
    "LeakyRelu": 2,
    "PRelu": 2,
    "ThresholdedRelu": 1,
    "Shrink": 2,
    "Softplus": 3,  # log(1 + exp(x))
    "Softsign": 3,  # x / (1 + |x|)
    "Elu": 4,  # compare, exp, subtract, scale
    "Selu": 5,
    "Celu": 5,
    "Sigmoid": 4,  # 1 / (1 + exp(-x))
    "HardSigmoid": 4,  # max(0, min(1, a x + b))
    "HardSwish": 5,
    "Swish": 5,
    "Mish": 5,
    "Gelu": 5,  # 0.5 x (1 + erf(x / sqrt 2))
    "FastGelu": 9,  # 0.5 x (1 + tanh(c (x + d x^3)))
    "QuickGelu": 6,  # x sigmoid(a x)
    "BatchNormalization": 2,  # scale and shift: the statistics are constants
    "InstanceNormalization": 7,
    "GroupNormalization": 7,
    "LayerNormalization": 7,  # mean 1, difference 1, variance 2, division 1, scale and shift 2
    "SimplifiedLayerNormalization": 4,  # mean of squares 2, division 1, scale 1
    "RMSNormalization": 4,
    "LpNormalization": 3,
    "MeanVarianceNormalization": 5,
    "Softmax": 5,  # maximum, difference, exp, sum, division
    "LogSoftmax": 5,
    "QuantizeLinear": 3,  # division, zero point, rounding
    "DequantizeLinear": 2,
    "DynamicQuantizeLinear": 5,  # the range of the input on top
    "CumSum": 1,
    "Hardmax": 2,
}

# Per element of the input: what comes out is smaller.
_PER_INPUT: Mapping[str, int] = {
    **dict.fromkeys(["ReduceSum", "ReduceMean", "ReduceMax", "ReduceMin", "ReduceProd"], 1),
    **dict.fromkeys(["ReduceL1", "ReduceL2", "ReduceSumSquare", "ReduceLogSum"], 2),
    "ReduceLogSumExp": 2,
    "ArgMax": 1,
    "ArgMin": 1,
    "GlobalLpPool": 2,
}

# They hand their input on under another shape.
_RESHAPING = ["Reshape", "Flatten", "Squeeze", "Unsqueeze", "Identity", "Dropout"]

# They move data, or make it up, without computing with it.
_MOVING = [
    *["Cast", "CastLike", "Concat", "Constant", "ConstantOfShape", "DepthToSpace", "Expand"],
    *["EyeLike", "Gather", "GatherElements", "GatherND", "OneHot", "Pad", "Range"],
    *["ReverseSequence", "ScatterElements", "ScatterND", "Shape", "Size", "Slice"],
    *["SpaceToDepth", "Split", "Tile", "Transpose", "Trilu"],
]

VIEWS = frozenset(("", op) for op in _RESHAPING)
"""Operators that cost nothing: their output is their input under another shape."""

PICKING = frozenset(("", op) for op in ("Gather", "GatherElements", "GatherND", "Slice"))
"""Operators that read only as much of their first input as they write."""

SHAPES = frozenset({("", "Shape"), ("", "Size")})
"""Operators that read none of their input's elements."""


def _per_element(count: int) -> Cost:
    return lambda kernel: count * output(kernel).elements


def _per_input(count: int) -> Cost:
    return lambda kernel: count * required(kernel, 0).elements


def _variadic(kernel: Kernel) -> int:
    """Sum, Mean, Max, Min of several tensors: one operation per element and further tensor."""
    present = sum(tensor is not None for tensor in kernel.inputs)
    mean = 1 if kernel.op == "Mean" else 0
    return (max(0, present - 1) + mean) * output(kernel).elements


def _pool(per_tap: int) -> Cost:
    """Every output element looks at its whole window, padding included."""
    return lambda kernel: per_tap * window(kernel) * output(kernel).elements


def _lrn(kernel: Kernel) -> int:
    """A window of squares and its sum, then scale, bias, power and division."""
    return (2 * integer(kernel, "size", 1) + 4) * output(kernel).elements


def _resize(kernel: Kernel) -> int | None:
    """Every output element weighs 2 (linear) or 4 (cubic) inputs per dimension that changes."""
    mode = kernel.attributes.get("mode", "nearest")
    if mode == "nearest":
        return 0
    before, after = required(kernel, 0).shape, output(kernel).shape
    changed = sum(a != b for a, b in zip(before, after, strict=True))
    taps = {"linear": 2, "bilinear": 2, "cubic": 4}.get(mode)
    return None if taps is None else 2 * int(taps**changed) * output(kernel).elements


def _recurrent_gates(kernel: Kernel) -> int:
    """Gate sums and biases, activations, state update, per element of the hidden state."""
    # LSTM: 4 gates of 2 sums, 3 sigmoids, 2 tanh, 3 for the cell, 1 for the output.
    # GRU: 3 gates of 2 sums, 2 sigmoids, 1 tanh, 1 reset, 4 for the blend. RNN: 2 sums, 1 tanh.
    per_element = {"LSTM": 8 + 12 + 2 + 3 + 1, "GRU": 6 + 8 + 1 + 1 + 4, "RNN": 3}[kernel.op]
    directions, _, hidden = required(kernel, 2).shape
    return per_element * math.prod(required(kernel, 0).shape[:2]) * directions * hidden


def _with_bias(position: int, per_element: int) -> Cost:
    """`per_element` operations, and a sum where there is a bias at `position`."""

    def cost(kernel: Kernel) -> int:
        bias = 1 if optional(kernel, position) is not None else 0
        return (per_element + bias) * output(kernel).elements

    return cost


def _dynamic_quantisation(kernel: Kernel) -> int:
    """The left matrix is quantised first, and the product scaled."""
    return 5 * required(kernel, 0).elements + output(kernel).elements


_NOTHING = _per_element(0)
_POOLS: Mapping[str, Cost] = {
    "MaxPool": _pool(1),
    "AveragePool": _pool(1),
    "GlobalMaxPool": _per_input(1),
    "GlobalAveragePool": _per_input(1),
}

OPERATIONS: Mapping[tuple[str, str], Cost] = {
    **{("", op): _per_element(count) for op, count in PER_ELEMENT.items()},
    **{("", op): _per_input(count) for op, count in _PER_INPUT.items()},
    **{("", op): _NOTHING for op in (*_RESHAPING, *_MOVING)},
    **{("", op): cost for op, cost in _POOLS.items()},
    **{("", op): _variadic for op in ("Sum", "Mean", "Max", "Min")},
    ("", "LpPool"): _pool(2),
    ("", "LRN"): _lrn,
    ("", "Resize"): _resize,
    ("", "Upsample"): _resize,
    ("", "Attention"): attention_scores,
    **{("", op): _recurrent_gates for op in ("LSTM", "GRU", "RNN")},
    **{("", op): _per_element(3) for op in ("QLinearConv", "QLinearMatMul")},  # requantisation
    **{
        (MICROSOFT, op): _per_element(PER_ELEMENT[op])
        for op in ("Gelu", "QuickGelu", "QuantizeLinear", "DequantizeLinear")
    },
    (MICROSOFT, "FastGelu"): _with_bias(1, 9),
    (MICROSOFT, "BiasGelu"): _per_element(6),
    (MICROSOFT, "BiasSoftmax"): _per_element(6),
    (MICROSOFT, "SkipLayerNormalization"): _with_bias(4, 8),
    (MICROSOFT, "SkipSimplifiedLayerNormalization"): _with_bias(3, 5),
    (MICROSOFT, "Attention"): attention_scores,
    (MICROSOFT, "MultiHeadAttention"): attention_scores,
    # Quantised arithmetic: each operand dequantised (2), the operation, quantisation (3).
    (MICROSOFT, "QLinearAdd"): _per_element(8),
    (MICROSOFT, "QLinearMul"): _per_element(8),
    (MICROSOFT, "QLinearSigmoid"): _per_element(9),
    (MICROSOFT, "QLinearLeakyRelu"): _per_element(7),
    (MICROSOFT, "QLinearSoftmax"): _per_element(10),
    (MICROSOFT, "QLinearConcat"): _NOTHING,
    (MICROSOFT, "QLinearAveragePool"): _pool(1),
    (MICROSOFT, "QLinearGlobalAveragePool"): _per_input(1),
    **{(MICROSOFT, op): _per_element(3) for op in ("QLinearConv", "QGemm")},
    (MICROSOFT, "MatMulIntegerToFloat"): _per_element(1),
    (MICROSOFT, "DynamicQuantizeMatMul"): _dynamic_quantisation,
    (MICROSOFT, "NhwcMaxPool"): _pool(1),
    **{(NCHWC, op): cost for op, cost in _POOLS.items()},
    (NCHWC, "Upsample"): _resize,
    (NCHWC, "ReorderInput"): _NOTHING,
    (NCHWC, "ReorderOutput"): _NOTHING,
}
"""Operations besides multiply-accumulates; an operator may stand in both tables."""
