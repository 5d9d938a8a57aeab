"""Which operator of the file each kernel of XNNPACK computes.

XNNPACK reports its kernels by kind and in the order they run, which is that of the operators they
come from. An operator may take several kernels (an addition and the clamp fused into it), or none
(a pad that became part of a convolution). The two sequences are aligned with the least that does
not fit, as sequences of letters are (Needleman and Wunsch, 1970).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

# What a kernel is called, where that is not its operator's own name: words without their spaces.
_CALLED = {
    "convolution": ("CONV_2D", "DEPTHWISE_CONV_2D"),
    "fullyconnected": ("CONV_2D", "FULLY_CONNECTED"),
    "deconvolution": ("TRANSPOSE_CONV",),
    "maxpooling": ("MAX_POOL_2D",),
    "averagepooling": ("AVERAGE_POOL_2D",),
    "batchmatrixmultiply": ("BATCH_MATMUL",),
    "multiply": ("MUL",),
    "subtract": ("SUB",),
    "divide": ("DIV",),
    "power": ("POW",),
    "sigmoid": ("LOGISTIC",),
    "squareroot": ("SQRT",),
    "reciprocalsquareroot": ("RSQRT",),
    "negate": ("NEG",),
    "sine": ("SIN",),
    "cosine": ("COS",),
    "bankersrounding": ("ROUND",),
    "convert": ("CAST", "QUANTIZE", "DEQUANTIZE"),
    "clamp": ("RELU", "RELU6", "RELU_N1_TO_1", "MAXIMUM", "MINIMUM"),
    "constantpad": ("PAD",),
    "slice": ("SLICE", "STRIDED_SLICE", "SPLIT"),
    "copy": ("CONCATENATION", "RESHAPE", "SPLIT", "EXPAND_DIMS", "SQUEEZE"),
    "staticreshape": ("RESHAPE", "EXPAND_DIMS", "SQUEEZE"),
    "meansquared": ("MEAN",),
    "normalize": ("SUM", "MEAN"),
    "sum": ("SUM",),
    "max": ("REDUCE_MAX",),
    "min": ("REDUCE_MIN",),
}
# Kernels that may serve an operator of any kind, beside its own.
_SERVING = frozenset({"clamp", "copy", "convert", "transpose", "constantpad", "staticreshape"})
# Operators that may become part of the kernel that reads what they write.
FOLDED_FORWARD = frozenset({"PAD", "SQUARE"})
# Operators that may become part of the kernel that writes what they read.
FOLDED_BACK = frozenset({"RELU", "RELU6", "RELU_N1_TO_1", "MAXIMUM", "MINIMUM"})
# Operators that may need no kernel at all: they change a shape alone.
IDLE = frozenset({"RESHAPE", "SQUEEZE", "EXPAND_DIMS"})
_MOST = 4
_BAND = 64
_MISFIT = 1.0
_SERVICE = 0.25
_FOLDING = 0.125


@dataclass(frozen=True, slots=True)
class Alignment:
    """`operators[k]` is the place of the operator that kernel `k` computes; None if unknown."""

    operators: tuple[int | None, ...]
    own: tuple[bool, ...]
    """Whether the kernel is of its operator's own kind, rather than one that serves it."""


def align(codes: Sequence[str], kernels: Sequence[str]) -> Alignment:
    """Align operators, by their codes, with kernels, by XNNPACK's names of them."""
    stems = [_stem(name) for name in kernels]
    many, few = len(codes), len(stems)
    # best[i][j]: the least misfit of the first i operators and the first j kernels. The two stay
    # near each other: beyond this many kernels more or less nothing is tried.
    band = abs(many - few) + _BAND
    best = [[float("inf")] * (few + 1) for _ in range(many + 1)]
    taken = [[-1] * (few + 1) for _ in range(many + 1)]
    best[0] = [j * _MISFIT for j in range(few + 1)]
    for i, code in enumerate(codes, 1):
        alone = _alone(code)
        for j in range(max(0, i - band), min(few, i + band) + 1):
            choice = (best[i - 1][j] + alone, 0)
            if j:
                choice = min(choice, (best[i][j - 1] + _MISFIT, -1))  # kernel j is nobody's
            total, missing = 0.0, alone
            for count in range(1, min(_MOST, j) + 1):
                cost = _cost(code, stems[j - count])
                total += cost
                missing = missing if cost else 0.0
                choice = min(choice, (best[i - 1][j - count] + total + missing, count))
                if total > _MISFIT:
                    break
            best[i][j], taken[i][j] = choice
    return _trace(codes, stems, taken)


def _trace(codes: Sequence[str], stems: Sequence[str], taken: list[list[int]]) -> Alignment:
    found: list[int | None] = [None] * len(stems)
    own = [False] * len(stems)
    i, j = len(codes), len(stems)
    while i or j:
        count = taken[i][j]
        if count < 0:
            j -= 1
            continue
        for place in range(j - count, j):
            cost = _cost(codes[i - 1], stems[place])
            if cost < _MISFIT:
                found[place], own[place] = i - 1, cost == 0
        i, j = i - 1, j - count
    return Alignment(tuple(found), tuple(own))


def _stem(name: str) -> str:
    """`Fully Connected (NC, F32) GEMM` -> `fullyconnected`."""
    return name.partition("(")[0].replace(" ", "").replace("-", "").lower()


@cache
def _cost(code: str, stem: str) -> float:
    """What it costs to give a kernel to an operator."""
    if code in _CALLED.get(stem, ()) or code.replace("_", "").lower() == stem:
        return 0.0
    return _SERVICE if stem in _SERVING else _MISFIT


def _alone(code: str) -> float:
    """What it costs an operator to be without a kernel of its own kind."""
    if code in IDLE:
        return 0.0
    return _FOLDING if code in FOLDED_FORWARD | FOLDED_BACK else _MISFIT
