"""Inputs that say which branch runs, and inputs that mark what counts."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from hwprof.models.onnx.values.flat import Operation
from hwprof.models.onnx.values.sizes import MAX_STEPS
from hwprof.models.onnx.values.trace import Trace

COMPARISONS = frozenset({"Equal", "Greater", "Less", "GreaterOrEqual", "LessOrEqual"})
_LOGIC = frozenset({"Not", "And", "Or", "Xor", "ReduceMax", "ReduceMin", "ReduceSum", "Mod"})
_HANDED = frozenset({"Cast", "Identity", "Squeeze", "Unsqueeze", "Reshape", "Gather"})
_MOST_NUMBERS = 4
_HIDDEN = -1000
"""Scores at most this large leave nothing of what they are given to."""

# Inputs of attention that mark what counts, by operator.
_MASKS = {
    "Attention": 3,
    "com.microsoft.Attention": 3,
    "com.microsoft.MultiHeadAttention": 4,
    "com.microsoft.EmbedLayerNormalization": 7,
}

MARKING = COMPARISONS | {"And", "Or", "Xor", "Not", "Where", "Sub"} | _MASKS.keys()


@dataclass(frozen=True, slots=True)
class Switch:
    """A single value that a comparison tells a branch from."""

    input: str
    numbers: tuple[float, ...]
    """Constants that it is compared with."""


def switches(operation: Operation, trace: Trace) -> list[Switch]:
    """The inputs of one element that the condition of an If compares, or is."""
    found: dict[str, None] = {}
    numbers: dict[float, None] = {}
    seen: set[str] = set()
    pending = [(operation.read(0), 0)]
    while pending:
        name, depth = pending.pop()
        if not name or name in seen or depth > MAX_STEPS:
            continue
        seen.add(name)
        spec = trace.sizes.inputs.get(name)
        if spec is not None:
            if spec.elements == 1:
                found[name] = None
            continue
        maker = trace.makers.get(name)
        if maker is None:
            continue
        if maker.kind in COMPARISONS or maker.kind in _LOGIC:
            for read in maker.reads:
                constant = trace.sizes.constant(read)
                if constant is None:
                    pending.append((read, depth + 1))
                elif maker.kind in COMPARISONS:
                    numbers.update(dict.fromkeys(constant.reshape(-1)[:_MOST_NUMBERS].tolist()))
        elif maker.kind in _HANDED:
            pending.append((maker.read(0), depth + 1))
        else:
            pending += [(each.input, depth + 1) for each in trace.origins(name)]
    return [Switch(name, tuple(numbers)[:_MOST_NUMBERS]) for name in found]


def marks(operation: Operation, trace: Trace) -> Iterator[tuple[str, str]]:
    """(input, how) of the inputs that an operation takes for marks of what counts.

    `how` is "surely"; "hiding" where what is marked does not count; "compared" with 0 or 1,
    "equal" to another constant; or "named" where only the name can tell.
    """
    kind = operation.kind
    if kind in _MASKS:
        yield from ((name, "surely") for name in _names(operation.read(_MASKS[kind]), trace))
    elif kind == "Sub":
        constant = trace.sizes.constant(operation.read(0))
        if constant is not None and constant.size == 1 and constant.flat[0] == 1:
            yield from ((name, "surely") for name in _names(operation.read(1), trace))
    elif kind == "Where":
        filled = trace.sizes.constant(operation.read(1))
        hides = filled is not None and filled.size == 1 and filled.flat[0] <= _HIDDEN
        how = "hiding" if hides else "surely"
        yield from ((name, how) for name in _names(operation.read(0), trace))
    elif kind in COMPARISONS:
        for read, other in _pairs(operation):
            constant = trace.sizes.constant(other)
            small = constant is not None and constant.size == 1 and constant.flat[0] in (0, 1)
            equal = kind == "Equal" and constant is not None
            how = "compared" if small else "equal" if equal else "named"
            yield from ((name, how) for name in _names(read, trace))
    else:
        for read in operation.reads:
            yield from ((name, "surely") for name in _names(read, trace))


def full_lengths(operation: Operation, trace: Trace) -> Iterator[tuple[str, int]]:
    """(input, length) where a comparison tells the places before a length from those after it."""
    for read, other in _pairs(operation):
        places = _range(other, trace)
        limit = None if places is None else trace.parts(places.read(1))
        if limit is not None and len(limit) == 1 and isinstance(limit[0], int):
            yield from ((name, limit[0]) for name in _names(read, trace))


def _pairs(operation: Operation) -> list[tuple[str, str]]:
    """Both operands of a comparison, each with the other."""
    left, right = operation.read(0), operation.read(1)
    return [(left, right), (right, left)]


def _range(name: str, trace: Trace) -> Operation | None:
    """The Range whose numbers a tensor holds."""
    for _ in range(MAX_STEPS):
        maker = trace.makers.get(name)
        if maker is None or maker.kind == "Range":
            return maker
        if maker.kind not in _HANDED and maker.kind != "Expand":
            return None
        name = maker.read(0)
    return None


def _names(read: str, trace: Trace) -> Iterator[str]:
    yield from dict.fromkeys(each.input for each in trace.origins(read))
