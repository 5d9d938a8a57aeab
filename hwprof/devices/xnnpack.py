"""XNNPACK's words, and which operator each of its kernels computes: for every runtime on top of it.

XNNPACK reports its kernels by kind and in the order they run, which is that of the operators they
come from. It runs some operators under another name (a 1x1 convolution as `Fully Connected`),
some by several kernels (an addition and the clamp fused into it), some by none (a pad that became
part of a convolution), and kernels that nobody asked for. The two sequences are aligned with the
least that does not fit, as sequences of letters are (Needleman and Wunsch, 1970).

Operators go by XNNPACK's own kinds and kernels by stems: `Conv2d` is `conv2d`, and
`Fully Connected (NC, F32) GEMM` is `fullyconnected`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache

_CALLED: Mapping[str, frozenset[str]] = {
    "argmaxpooling2d": frozenset({"argmaxpooling"}),
    "avgpooling2d": frozenset({"averagepooling"}),
    "concatenate": frozenset({"copy"}),
    "conv2d": frozenset({"convolution", "fullyconnected"}),
    "convtranspose2d": frozenset({"deconvolution"}),
    "cos": frozenset({"cosine"}),
    "depthwiseconv2d": frozenset({"convolution"}),
    "div": frozenset({"divide"}),
    "fullyconnected": frozenset({"dynamicfullyconnected"}),
    "gelu": frozenset({"approxgelu"}),
    "globalavgpooling2d": frozenset({"mean", "globalaveragepooling"}),
    "maxpooling2d": frozenset({"maxpooling"}),
    "multiply": frozenset({"square"}),
    "sin": frozenset({"sine"}),
    "staticconstantpad": frozenset({"constantpad"}),
    "staticreshape": frozenset({"copy"}),
    "staticresizebilinear2d": frozenset({"resizebilinear"}),
    "staticslice": frozenset({"slice"}),
    "statictranspose": frozenset({"transpose"}),
}
"""Stems of the kernels that an operator may run as, beside that of its own name."""

# XNNPACK folds 8-bit functions of one value into a table of 256 entries, under these names.
_TABLES = frozenset({"invalidunaryop", "unaryelementwise", "lookuptable"})
_UNARY = frozenset(
    {"sigmoid", "tanh", "exp", "log", "gelu", "hardswish", "leakyrelu", "elu", "abs", "floor"}
    | {"ceiling", "negate", "square", "squareroot", "reciprocalsquareroot", "sin", "cos"}
    | {"clamp", "convert"}
)
SERVING = frozenset({"clamp", "copy", "convert", "transpose", "constantpad", "staticreshape"})
"""Stems of kernels that may serve an operator of any kind, beside its own."""
LAYOUT = frozenset({"statictranspose", "staticreshape", "copy"})
"""Kinds that only change how a tensor lies in memory: XNNPACK drops them where it can."""

_BAND = 64


def base_of(kernel: str) -> str:
    """`Convolution` of `Convolution (NHWC, F32) IGEMM #1`."""
    return re.sub(r"( ?\(.*| #\d+$)", "", kernel)


@cache
def stem_of(kernel: str) -> str:
    """`fullyconnected` of `Fully Connected (NC, F32) GEMM`."""
    return re.sub(r"[ -]", "", base_of(kernel)).lower()


def kind_of(name: str) -> str:
    """`conv2d` of `Conv2d` and `CONV_2D`; concatenations have one kind for any number of inputs."""
    kind = name.replace("_", "").lower()
    return "concatenate" if kind.startswith("concatenate") else kind


def computes(stem: str, kind: str) -> bool:
    """Whether a kernel of this stem may compute an operator of this kind."""
    if stem == kind or stem in _CALLED.get(kind, ()):
        return True
    return stem in _TABLES and kind in _UNARY


@dataclass(frozen=True, slots=True)
class Costs:
    """What it costs to leave operators or kernels alone, or to give one to the other."""

    without: Sequence[float]
    """Of each operator to be without a kernel of its own kind."""
    stray: float
    """Of a kernel to be nobody's."""
    giving: Callable[[int, int], float]
    """Of giving kernel `k` to operator `o`, by `(o, k)`: 0 or less where it is of its kind."""
    most: int = 1
    """How many kernels an operator may have."""
    early: bool = False
    """Whether earlier operators come first where several alignments cost the same."""


def align(costs: Costs, kernels: int) -> list[int | None]:
    """The place of the operator that each of `kernels` kernels computes; None if unknown.

    Places never decrease.
    """
    many = len(costs.without)
    # best[i][j]: the least cost of the first i operators and the first j kernels. The two stay
    # near each other: beyond this many kernels more or less nothing is tried.
    band = abs(many - kernels) + _BAND
    best = [[float("inf")] * (kernels + 1) for _ in range(many + 1)]
    taken = [[-1] * (kernels + 1) for _ in range(many + 1)]
    # Looked at from the end: whoever is without a kernel there leaves it to an earlier operator.
    order = (-1, 0, *range(1, costs.most + 1))
    rank = dict(zip(order if costs.early else (*order[2:], 0, -1), range(len(order)), strict=True))

    def preferred(choice: tuple[float, int]) -> tuple[float, int]:
        return choice[0], rank[choice[1]]

    best[0] = [j * costs.stray for j in range(kernels + 1)]
    for i, alone in enumerate(costs.without, 1):
        for j in range(max(0, i - band), min(kernels, i + band) + 1):
            choices = [(best[i - 1][j] + alone, 0)]
            if j:
                choices.append((best[i][j - 1] + costs.stray, -1))  # kernel j is nobody's
            given, missing = 0.0, alone
            for count in range(1, min(costs.most, j) + 1):
                cost = costs.giving(i - 1, j - count)
                given += cost
                missing = missing if cost > 0 else 0.0
                choices.append((best[i - 1][j - count] + given + missing, count))
                if given > costs.stray:
                    break
            best[i][j], taken[i][j] = min(choices, key=preferred)
    found: list[int | None] = [None] * kernels
    i, j = many, kernels
    while i or j:
        count = taken[i][j]
        if count < 0:
            j -= 1
            continue
        for place in range(j - count, j):
            if costs.giving(i - 1, place) < costs.stray:
                found[place] = i - 1
        i, j = i - 1, j - count
    return found
