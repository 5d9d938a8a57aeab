"""Values for every input: such that the model runs, and does the work that it does in use."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np

from hwprof.errors import OptionError
from hwprof.graph import TensorSpec
from hwprof.measurement import USUAL_VALUES, Values
from hwprof.models.inputs.recipe import MAX_LISTED, Recipe
from hwprof.models.onnx.values.bags import bags
from hwprof.models.onnx.values.conditions import MARKING, marks, switches
from hwprof.models.onnx.values.flat import FlatModel, Operation
from hwprof.models.onnx.values.indices import INDEXED, limits
from hwprof.models.onnx.values.reach import Decision, Reach
from hwprof.models.onnx.values.sizes import Sizes
from hwprof.models.onnx.values.trace import Element, Trace
from hwprof.models.onnx.values.view import View
from hwprof.models.onnx.values.wishes import WISHED, Wish, wishes

if TYPE_CHECKING:
    from onnx import ModelProto

_WHOLE = ("int", "uint")
_DIVISIONS = ("Div", "Mod")


@dataclass(slots=True)
class _Findings:
    """What was found out about one input."""

    spec: TensorSpec
    wished: dict[int, float] = field(default_factory=dict)
    """Wanted elements by their index; -1 stands for all others."""
    low: int = 0
    entries: int | None = None
    """How many entries the smallest table has that it picks from."""
    loosely: bool = False
    """Whether something unknown is added before it picks."""
    offsets: int | None = None
    divides: bool = False
    marks: bool = False
    picture: str = ""
    """The operation that decodes it, for a file's bytes."""
    untold: str = ""
    """What it decides, where no good value can be told."""
    numbers: tuple[float, ...] | None = None
    """Constants that it is compared with, where a comparison picks a branch."""
    decides: list[str] = field(default_factory=list)

    @property
    def whole(self) -> bool:
        return self.spec.dtype.startswith(_WHOLE)


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
    found = {spec.name: _Findings(spec) for spec in inputs}
    for operation in model.operations:
        kind = operation.kind
        if kind not in _LOOKED_AT or not any(read in reach.of for read in operation.reads):
            continue
        if kind in WISHED:
            _wish(operation, trace, reach, found)
        if kind in INDEXED:
            _index(operation, trace, reach, found)
        if kind in MARKING:
            _mark(operation, trace, found)
        if kind == "If":
            for switch in switches(operation, trace):
                found[switch.input].numbers = switch.numbers
        elif kind == "ImageDecoder" and operation.read(0) in found:
            found[operation.read(0)].picture = operation.label
    _note_decisions(reach.decisions(), reach, trace, found)
    return tuple(_values(found[spec.name], spec.name in given) for spec in inputs)


_LOOKED_AT = WISHED | INDEXED | MARKING | {"If", "ImageDecoder"}


def _wish(operation: Operation, trace: Trace, reach: Reach, found: dict[str, _Findings]) -> None:
    """Lead what an operation's inputs should hold back to elements of the model's inputs."""
    wanted = None
    for position, read in enumerate(operation.reads):
        if read not in reach.of:
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


def _want(findings: _Findings, index: int, value: float, divides: bool) -> None:
    if divides:
        findings.divides = findings.divides or findings.whole
    elif math.isfinite(value):
        value = math.ceil(value - 1e-6) if findings.whole else value
        findings.wished.setdefault(index, value)


def _index(operation: Operation, trace: Trace, reach: Reach, found: dict[str, _Findings]) -> None:
    """Keep indices within what they pick from."""
    if not any(reach.of.get(read) for read in operation.reads[1:] or operation.reads):
        return
    for position, entries in limits(View(operation, trace.sizes)):
        read = operation.read(position)
        if read not in reach.of or entries is None:
            continue
        for origin in trace.origins(read):
            findings = found[origin.input]
            if not origin.exact or not origin.scale:
                findings.loosely = True
                high = min(entries, 2)
            else:
                high = math.floor((entries - 1 - origin.high) / origin.scale) + 1
                findings.low = max(findings.low, math.ceil(-origin.low / origin.scale))
            high = max(high, 1)
            findings.entries = high if findings.entries is None else min(findings.entries, high)


def _mark(operation: Operation, trace: Trace, found: dict[str, _Findings]) -> None:
    for name, how in marks(operation, trace):
        findings = found[name]
        named = "mask" in name.lower()
        if findings.whole:
            findings.marks = findings.marks or named or how in ("surely", "compared")
        elif findings.spec.dtype != "bool":
            # Any float is compared with something; these hold nothing but marks.
            plain = operation.kind == "Sub" and how == "surely"
            labels = how in ("compared", "equal") and operation.kind == "Equal"
            findings.marks = findings.marks or plain or labels or (named and how != "surely")


def _note_decisions(
    decisions: Sequence[Decision], reach: Reach, trace: Trace, found: dict[str, _Findings]
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


def _values(findings: _Findings, given: bool) -> Values:
    decides = findings.decides[0] if findings.decides else ""
    if len(findings.decides) > 1:
        decides += f" (and {len(findings.decides) - 1} more)"
    values = Values(findings.spec.name, USUAL_VALUES, decides=decides)
    if given:
        return values
    _ask_for_text_or_picture(findings)
    return replace(values, text=_text(findings))


def _ask_for_text_or_picture(findings: _Findings) -> None:
    spec = findings.spec
    if spec.dtype == "string":
        raise OptionError(
            f"input '{spec.name}' ({spec.describe()}) holds text, which cannot be made up; "
            f"give it with --input {spec.name}=TEXT"
        )
    if findings.picture:
        raise OptionError(
            f"input '{spec.name}' holds a picture's file for {findings.picture}, which cannot be "
            f"made up; give its bytes with --input {spec.name}=FILE.npy"
        )


def _text(findings: _Findings) -> str:
    """The rule for one input, in the order of what says most about it. Raises OptionError."""
    spec = findings.spec
    if spec.dtype not in _KNOWN or not spec.elements:
        return USUAL_VALUES
    if findings.offsets is not None:
        return Recipe(0, findings.offsets, even=True).text
    if findings.wished:
        return _listed(findings)
    if findings.entries is not None:
        return _range_text(findings, findings.low, max(findings.low, findings.entries - 1))
    if findings.untold:
        raise _ask(findings, findings.untold)
    if findings.numbers is not None:
        raise _ask(findings, "")
    if findings.divides or findings.marks or spec.dtype == "bool":
        return "1"
    return USUAL_VALUES


_KNOWN = frozenset(
    {"bool", "float16", "float32", "float64"}
    | {f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)}
)


def _listed(findings: _Findings) -> str:
    spec, wished = findings.spec, findings.wished
    rest = wished.get(-1, next(iter(wished.values())))
    numbers = [wished.get(index, rest) for index in range(min(spec.elements, MAX_LISTED + 1))]
    same = len(set(wished.values())) == 1
    if same or spec.elements > MAX_LISTED:
        return Recipe(rest, rest).text
    return Recipe(listed=tuple(numbers)).text if len(set(numbers)) > 1 else _one(numbers[0])


def _one(number: float) -> str:
    return Recipe(number, number).text


def _range_text(findings: _Findings, low: int, high: int) -> str:
    if findings.whole:
        high = min(high, int(np.iinfo(findings.spec.dtype).max))
        low = min(low, high)
    return Recipe(low, high).text


def _ask(findings: _Findings, operation: str) -> OptionError:
    spec, numbers = findings.spec, findings.numbers or ()
    texts = [_one(number) for number in numbers]
    example = texts[0] if texts else "true" if spec.dtype == "bool" else "NUMBER"
    if spec.elements > 1:
        example = "NUMBER,..." if spec.elements <= MAX_LISTED else "FILE.npy"
    hint = f" (the model compares it with {' and '.join(texts)})" if texts else ""
    if spec.dtype == "bool" and not texts:
        hint = f" or {spec.name}=false"
    what = findings.decides[0] if findings.decides else f"what {operation} does"
    return OptionError(
        f"input '{spec.name}' ({spec.describe()}) decides {what}, and a good value for it cannot "
        f"be told; give it with --input {spec.name}={example}{hint}"
    )
