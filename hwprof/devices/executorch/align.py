"""Which of the operators handed to XNNPACK each operator that it ran was.

XNNPACK reports what ran by name and in order. It runs the operators in the order it was given
them, after its own optimisations: some are fused into others, some become an operator of another
name (a 1x1 convolution runs as `Fully Connected`), and some that nobody gave it appear. So the two
lists are aligned like two sequences of letters (Needleman and Wunsch, 1970).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from hwprof.devices.executorch.xnnpack_graph import XnnOperator

# What an operator may be called when it runs, where that is not its own name.
_NAMES: Mapping[str, frozenset[str]] = {
    "FullyConnected": frozenset({"Fully Connected", "Dynamic Fully Connected"}),
    "Conv2d": frozenset({"Convolution", "Fully Connected"}),
    "DepthwiseConv2d": frozenset({"Convolution"}),
    "ConvTranspose2d": frozenset({"Deconvolution"}),
    "StaticTranspose": frozenset({"Transpose"}),
    "StaticResizeBilinear2D": frozenset({"Resize Bilinear"}),
    "StaticConstantPad": frozenset({"Constant Pad"}),
    "StaticReshape": frozenset({"Static Reshape", "Copy"}),
    "StaticSlice": frozenset({"Slice"}),
    "AvgPooling2d": frozenset({"Average Pooling"}),
    "MaxPooling2d": frozenset({"Max Pooling"}),
    "ArgMaxPooling2d": frozenset({"ArgMax Pooling"}),
    "GlobalAvgPooling2d": frozenset({"Mean", "Global Average Pooling"}),
    "Multiply": frozenset({"Multiply", "Square"}),
    "Div": frozenset({"Divide"}),
    "SquareRoot": frozenset({"Square Root"}),
    "ReciprocalSquareRoot": frozenset({"Reciprocal Square Root"}),
    "BatchMatrixMultiply": frozenset({"Batch Matrix Multiply"}),
    "Gelu": frozenset({"GELU", "ApproxGELU"}),
    "Sin": frozenset({"Sine"}),
    "Cos": frozenset({"Cosine"}),
    **{f"Concatenate{n}": frozenset({"Concatenate", "Copy"}) for n in range(2, 6)},
}
# XNNPACK folds 8-bit functions of one value into a table of 256 entries, under this name.
_TABLE_NAMES = frozenset({"Invalid Unary Op", "Unary Elementwise", "Lookup Table"})
_UNARY = frozenset(
    {"Sigmoid", "Tanh", "Exp", "Log", "Gelu", "Hardswish", "LeakyReLU", "ELU", "Abs", "Floor"}
    | {"Ceiling", "Negate", "Square", "SquareRoot", "ReciprocalSquareRoot", "Sin", "Cos"}
    | {"Clamp", "Convert"}
)

# They move data or bound it: XNNPACK drops or fuses them where it can.
LAYOUT = frozenset({"StaticTranspose", "StaticReshape", "Copy"})
_ELIDED = LAYOUT | {"Clamp", "StaticConstantPad", "Convert"}

_MATCH, _DROP_ELIDED, _DROP, _INSERTED = 4, 0, -2, -1


def base_of(event: str) -> str:
    """`Convolution` of `Convolution (NHWC, F32) IGEMM #1`."""
    return re.sub(r"( \(.*| #\d+$)", "", event)


def could_be(event: str, operator: XnnOperator) -> bool:
    """Whether XNNPACK may have called `operator` so."""
    base = base_of(event)
    if base in _NAMES.get(operator.kind, ()):
        return True
    if base in _TABLE_NAMES and operator.kind in _UNARY:
        return True
    return base.casefold() == operator.kind.casefold()


@dataclass(frozen=True, slots=True)
class Ran:
    """What an event was: an operator, or the bounding of its output as a step of its own."""

    operator: int
    only_clamp: bool = False


def align(events: Sequence[str], operators: Sequence[XnnOperator]) -> list[Ran | None]:
    """For each event what it was, in increasing order; None for what XNNPACK put in by itself."""
    slots = list(_slots(operators))
    drops = [_drop(operators[slot.operator], slot) for slot in slots]
    rows, columns = len(events), len(slots)
    fits = {
        base: np.array([_fits(base, operators[s.operator], s) for s in slots], dtype=bool)
        for base in {base_of(event) for event in events}
    }
    best = np.zeros((rows + 1, columns + 1), dtype=np.int64)
    best[1:, 0] = _INSERTED * np.arange(1, rows + 1)
    best[0, 1:] = np.cumsum(drops)
    # best[r, c] - total[c] turns the step from column to column into a running maximum.
    total = np.concatenate([[0], np.cumsum(drops)])
    for r, event in enumerate(events, 1):
        row = best[r - 1] + _INSERTED
        matched = np.where(fits[base_of(event)], best[r - 1, :-1] + _MATCH, row[1:])
        row[1:] = np.maximum(row[1:], matched)
        best[r] = np.maximum.accumulate(row - total) + total
    found: list[Ran | None] = [None] * rows
    r, c = rows, columns
    while r and c:
        if fits[base_of(events[r - 1])][c - 1] and best[r, c] == best[r - 1, c - 1] + _MATCH:
            r, c = r - 1, c - 1
            found[r] = slots[c]
        elif best[r, c] == best[r, c - 1] + drops[c - 1]:
            c -= 1
        else:
            r -= 1
    return found


def _slots(operators: Sequence[XnnOperator]) -> Iterator[Ran]:
    for index, operator in enumerate(operators):
        yield Ran(index)
        if operator.clamped and operator.kind != "Clamp":
            yield Ran(index, only_clamp=True)


def _fits(event: str, operator: XnnOperator, slot: Ran) -> bool:
    return event == "Clamp" if slot.only_clamp else could_be(event, operator)


def _drop(operator: XnnOperator, slot: Ran) -> int:
    return _DROP_ELIDED if slot.only_clamp or operator.kind in _ELIDED else _DROP
