"""Which operator of the file each kernel of XNNPACK computes, operators by LiteRT's codes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache

from hwprof.devices import xnnpack

# What LiteRT hands an operator to XNNPACK as, where that is not its own name.
_KINDS: Mapping[str, tuple[str, ...]] = {
    "AVERAGE_POOL_2D": ("avgpooling2d",),
    "BATCH_MATMUL": ("batchmatrixmultiply",),
    "CAST": ("convert",),
    "CEIL": ("ceiling",),
    "CONCATENATION": ("concatenate",),
    "DEQUANTIZE": ("convert",),
    "EXPAND_DIMS": ("staticreshape",),
    "LOGISTIC": ("sigmoid",),
    "MAXIMUM": ("maximum", "clamp"),
    "MAX_POOL_2D": ("maxpooling2d",),
    "MEAN": ("mean", "meansquared", "normalize"),
    "MINIMUM": ("minimum", "clamp"),
    "MUL": ("multiply",),
    "NEG": ("negate",),
    "PAD": ("staticconstantpad",),
    "POW": ("power",),
    "QUANTIZE": ("convert",),
    "REDUCE_MAX": ("max",),
    "REDUCE_MIN": ("min",),
    "RELU": ("clamp",),
    "RELU6": ("clamp",),
    "RELU_N1_TO_1": ("clamp",),
    "RESHAPE": ("staticreshape",),
    "RESIZE_BILINEAR": ("staticresizebilinear2d",),
    "ROUND": ("bankersrounding",),
    "RSQRT": ("reciprocalsquareroot",),
    "SLICE": ("staticslice",),
    "SPLIT": ("staticslice", "copy"),
    "SQRT": ("squareroot",),
    "SQUEEZE": ("staticreshape",),
    "STRIDED_SLICE": ("staticslice",),
    "SUB": ("subtract",),
    "SUM": ("sum", "normalize"),
    "TRANSPOSE": ("statictranspose",),
    "TRANSPOSE_CONV": ("convtranspose2d",),
}
# Operators that may become part of the kernel that reads what they write.
FOLDED_FORWARD = frozenset({"PAD", "SQUARE"})
# Operators that may become part of the kernel that writes what they read.
FOLDED_BACK = frozenset({"RELU", "RELU6", "RELU_N1_TO_1", "MAXIMUM", "MINIMUM"})
# Operators that may need no kernel at all: they change a shape alone.
IDLE = frozenset({"RESHAPE", "SQUEEZE", "EXPAND_DIMS"})
_MOST = 4
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
    stems = [xnnpack.stem_of(name) for name in kernels]
    costs = xnnpack.Costs(
        without=[_alone(code) for code in codes],
        stray=_MISFIT,
        giving=lambda operator, kernel: _cost(codes[operator], stems[kernel]),
        most=_MOST,
        early=True,
    )
    places = xnnpack.align(costs, len(kernels))
    own = (
        place is not None and _cost(codes[place], stem) == 0
        for place, stem in zip(places, stems, strict=True)
    )
    return Alignment(tuple(places), tuple(own))


@cache
def _cost(code: str, stem: str) -> float:
    """What it costs to give a kernel to an operator."""
    kinds = _KINDS.get(code) or (xnnpack.kind_of(code),)
    if any(xnnpack.computes(stem, kind) for kind in kinds):
        return 0.0
    return _SERVICE if stem in xnnpack.SERVING else _MISFIT


def _alone(code: str) -> float:
    """What it costs an operator to be without a kernel of its own kind."""
    if code in IDLE:
        return 0.0
    return _FOLDING if code in FOLDED_FORWARD | FOLDED_BACK else _MISFIT
