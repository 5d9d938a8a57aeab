"""Values for every input: such that the model runs, and does the work that it does in use."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING

from hwprof.graph import TensorSpec
from hwprof.measurement import Values
from hwprof.models.inputs.recipe import MAX_LISTED
from hwprof.models.onnx.values.bags import bags
from hwprof.models.onnx.values.conditions import (
    COMPARISONS,
    MARKING,
    full_lengths,
    marks,
    switches,
)
from hwprof.models.onnx.values.findings import Findings, values_of
from hwprof.models.onnx.values.flat import FlatModel, Operation
from hwprof.models.onnx.values.indices import FIRST_INDEXED, INDEXED, limits
from hwprof.models.onnx.values.reach import Decision, Reach
from hwprof.models.onnx.values.sizes import Sizes
from hwprof.models.onnx.values.trace import Element, Trace
from hwprof.models.onnx.values.view import CONTRADICTIONS, View, Wish
from hwprof.models.onnx.values.wishes import FIRST_WISHED, WISHED, wishes

if TYPE_CHECKING:
    from onnx import ModelProto

_DIVISIONS = ("Div", "Mod")
UNFIT = (*CONTRADICTIONS, AttributeError, RecursionError)
"""What models whose parts do not fit together make rules stumble over."""


def choose_values(
    proto: ModelProto, inputs: Sequence[TensorSpec], given: Collection[str] = ()
) -> tuple[Values, ...]:
    """What each of the decided `inputs` holds where nobody says, and what that decides.

    Indices stay within the tables that they pick from, masks are true, sequences have their full
    length, sizes are those that the tensors have, floats lie in [0, 1). An input in `given` gets
    the usual text: only what it decides is told. Raises OptionError, with the option to give, for
    an input whose value decides the work and cannot be told, and for texts.
    """
    model = FlatModel(proto)
    names = [spec.name for spec in inputs]
    reach = Reach(model, names)
    trace = Trace(Sizes(model, inputs))
    found = {spec.name: Findings(spec) for spec in inputs}
    for operation in model.operations:
        kind = operation.kind
        if kind not in _LOOKED_AT or not any(read in reach.of for read in operation.reads):
            continue
        try:
            _look(operation, trace, reach, found)
        except UNFIT:  # what does not fit together tells nothing; the runtime says what is wrong
            continue
    _note_decisions(reach.decisions(), reach, trace, found)
    return tuple(values_of(found[spec.name], spec.name in given) for spec in inputs)


def _look(operation: Operation, trace: Trace, reach: Reach, found: dict[str, Findings]) -> None:
    """Note what one operation tells of the inputs."""
    kind = operation.kind
    if kind in WISHED:
        _wish(operation, trace, reach, found)
    if kind in INDEXED:
        _index(operation, trace, reach, found)
    if kind in MARKING:
        _mark(operation, trace, found)
    if kind == "If":
        for switch in switches(operation, trace):
            known = found[switch.input].numbers or ()
            found[switch.input].numbers = tuple(dict.fromkeys(known + switch.numbers))
    elif kind == "ImageDecoder" and operation.read(0) in found:
        found[operation.read(0)].picture = operation.label


_LOOKED_AT = WISHED | INDEXED | MARKING | {"If", "ImageDecoder"}


def _wish(operation: Operation, trace: Trace, reach: Reach, found: dict[str, Findings]) -> None:
    """Lead what an operation's inputs should hold back to elements of the model's inputs."""
    wanted = None
    for position, read in enumerate(operation.reads):
        if read not in reach.of or (position == 0 and operation.kind not in FIRST_WISHED):
            continue
        if wanted is None:
            wanted = wishes(View(operation, trace.sizes))
        if position not in wanted:
            continue
        wish = wanted[position]
        divides = operation.kind in _DIVISIONS
        parts = trace.parts(read)
        for origin in trace.origins(read) if parts is None else ():
            findings = found[origin.input]
            if wish is None and findings.spec.elements <= MAX_LISTED:
                findings.untold = findings.untold or operation.label
            elif isinstance(wish, int | float) and origin.exact and origin.scale:
                _want(findings, -1, (wish - origin.low) / origin.scale, divides)
        for number, part in enumerate(parts or ()):
            if not isinstance(part, Element):
                continue
            target = _at(wish, number)
            if target is None:
                findings = found[part.input]
                findings.untold = findings.untold or operation.label
            else:
                value = (target - part.offset) / part.scale
                _want(found[part.input], part.index, value, divides)


def _at(wish: Wish, number: int) -> float | None:
    if wish is None or isinstance(wish, int | float):
        return wish
    return wish[number] if number < len(wish) else None


def _want(findings: Findings, index: int, value: float, divides: bool) -> None:
    if divides:
        findings.divides = findings.divides or findings.whole
    elif math.isfinite(value):
        value = math.ceil(value - 1e-6) if findings.whole else value
        findings.wished.setdefault(index, value)


def _index(operation: Operation, trace: Trace, reach: Reach, found: dict[str, Findings]) -> None:
    """Keep indices within what they pick from."""
    reads = operation.reads if operation.kind in FIRST_INDEXED else operation.reads[1:]
    if not any(reach.of.get(read) for read in reads):
        return
    for position, entries in limits(View(operation, trace.sizes)):
        read = operation.read(position)
        if read not in reach.of or entries is None:
            continue
        for origin in trace.origins(read):
            findings = found[origin.input]
            if not origin.exact or not origin.scale:
                findings.few = findings.few or entries < 2
                continue
            high = max(math.floor((entries - 1 - origin.high) / origin.scale) + 1, 1)
            findings.low = max(findings.low, math.ceil(-origin.low / origin.scale))
            findings.entries = high if findings.entries is None else min(findings.entries, high)


def _mark(operation: Operation, trace: Trace, found: dict[str, Findings]) -> None:
    if operation.kind in COMPARISONS and operation.kind != "Equal":
        for name, length in full_lengths(operation, trace):
            if found[name].whole:
                found[name].length = length
    for name, how in marks(operation, trace):
        findings = found[name]
        named = "mask" in str(name).lower()
        if how == "hiding":
            findings.hides = True
            continue
        if findings.whole:
            findings.marks = findings.marks or named or how in ("surely", "compared")
        elif findings.spec.dtype != "bool":
            # Any float is compared with something; these hold nothing but marks.
            plain = operation.kind == "Sub" and how == "surely"
            labels = how in ("compared", "equal") and operation.kind == "Equal"
            findings.marks = findings.marks or plain or labels or (named and how != "surely")


def _note_decisions(
    decisions: Sequence[Decision], reach: Reach, trace: Trace, found: dict[str, Findings]
) -> None:
    for decision in decisions:
        bag = bags(decision.operation, trace) if decision.operation.kind == "Slice" else None
        for name, bit in reach.bits.items():
            if not decision.inputs & bit:
                continue
            findings, words = found[name], decision.words
            if bag is not None and bag.input == name:
                findings.offsets = bag.last
                words = f"how many rows each bag of {decision.operation.label} reads"
            if words not in findings.decides:
                findings.decides.append(words)
