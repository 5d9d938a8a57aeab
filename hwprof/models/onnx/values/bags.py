"""Offsets of bags: where in a list of indices each bag begins."""

from __future__ import annotations

from dataclasses import dataclass

from hwprof.models.onnx.values.flat import Operation
from hwprof.models.onnx.values.trace import Trace

_STEPS = 16
_MOVES = frozenset(
    {"Gather", "Unsqueeze", "Squeeze", "Reshape", "Cast", "Identity", "Slice", "Concat"}
)


@dataclass(frozen=True, slots=True)
class Bags:
    """An input of which each element, one per step of a loop, is where a slice begins."""

    input: str
    last: int
    """The offset of the last bag, or the end where the input states that too."""


def bags(operation: Operation, trace: Trace) -> Bags | None:
    """The offsets that a Slice takes its start from, if it does. They share the rows evenly."""
    name, _ = _source(operation.read(1), trace)
    rows = trace.sizes.shape(operation.read(0))
    spec = trace.sizes.inputs.get(name)
    if spec is None or len(spec.shape) != 1 or spec.elements < 2 or not rows or not rows[0]:
        return None
    source, lengthened = _source(operation.read(2), trace)
    if source == name and not lengthened:  # the end of the last bag stands there, too
        return Bags(name, rows[0])
    return Bags(name, rows[0] - rows[0] // spec.elements)


def _source(name: str, trace: Trace) -> tuple[str, bool]:
    """The input whose elements are picked one by one, "" where there is none.

    And whether something was added at its end: where all bags end.
    """
    picked = lengthened = False
    for _ in range(_STEPS):
        maker = trace.makers.get(name)
        if maker is None or maker.kind not in _MOVES:
            break
        if maker.kind == "Gather":
            picked = picked or trace.sizes.constant(maker.read(1)) is None
        lengthened = lengthened or maker.kind == "Concat"
        name = maker.read(0)
    return (name if picked and name in trace.sizes.inputs else ""), lengthened
