"""Where a tensor's values come from: element by element for short ones, as a whole for any."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from hwprof.models.onnx.values.flat import CHOOSE, MERGE, STACK, UNSTACK, Operation
from hwprof.models.onnx.values.sizes import MAX_STEPS, Sizes

MOST_ELEMENTS = 64
MOST_ORIGINS = 32
_MOST = 2.0**63


@dataclass(frozen=True, slots=True)
class Element:
    """`scale` times an element of a model input, plus `offset`."""

    input: str
    index: int
    scale: float = 1
    offset: float = 0


Part = Element | float | None
"""An element of a short tensor: of an input, a number, or not to be told."""


@dataclass(frozen=True, slots=True)
class Origin:
    """A model input that a tensor's values are taken from: `scale` times it, plus an offset.

    The offset lies from `low` to `high`; `exact` says whether it is known at all.
    """

    input: str
    scale: float = 1
    low: float = 0
    high: float = 0
    exact: bool = True


_SAME = frozenset(
    {"Identity", "Cast", "CastLike", "Unsqueeze", "Squeeze", "Reshape", "Flatten", "Dropout"}
    | {"Floor", "Ceil", "Round", MERGE}
)
_BOUNDS = frozenset({"Clip", "Min", "Max"})
_ARRANGED = _SAME | {
    *("Expand", "Transpose", "Slice", "Gather", "GatherElements", "GatherND", "Split", "Tile"),
    *("Pad", "ScatterND", "ScatterElements", "Abs", "Trilu", "TopK", STACK, UNSTACK),
}
_ARITHMETIC = frozenset({"Add", "Sub", "Mul", "Div"})


class Trace:
    """Follows values backwards. Every tensor is looked at once, and chains are followed so far."""

    def __init__(self, sizes: Sizes) -> None:
        self.sizes = sizes
        self.makers = sizes.model.makers
        self._parts: dict[str, tuple[Part, ...] | None] = {}
        self._origins: dict[str, tuple[Origin, ...]] = {}

    def parts(self, name: str, depth: int = 0) -> tuple[Part, ...] | None:
        """The elements of a short tensor in C order, or None."""
        if name not in self._parts:
            self._parts[name] = None  # for what comes back to itself
            found = self._find_parts(name, depth) if name and depth < MAX_STEPS else None
            self._parts[name] = found if found and len(found) <= MOST_ELEMENTS else None
        return self._parts[name]

    def _find_parts(self, name: str, depth: int) -> tuple[Part, ...] | None:
        spec = self.sizes.inputs.get(name)
        if spec is not None:
            if not 0 < spec.elements <= MOST_ELEMENTS:
                return None
            return tuple(Element(name, index) for index in range(spec.elements))
        constant = self.sizes.constant(name)
        if constant is not None:
            return tuple(constant.reshape(-1)[: MOST_ELEMENTS + 1].tolist())
        maker = self.makers.get(name)
        if maker is None:
            return None
        if maker.kind in _SAME:
            return self.parts(maker.read(0), depth + 1)
        if maker.kind == "Concat":
            each = [self.parts(read, depth + 1) for read in maker.reads]
            return None if None in each else tuple(p for part in each for p in part or ())
        if maker.kind == "Shape":
            return self._shape(maker)
        if maker.kind == "Size":
            elements = self.sizes.elements(maker.read(0))
            return None if elements is None else (elements,)
        if maker.kind in ("Slice", "Gather"):
            return self._picked(maker, depth)
        if maker.kind == "Split":
            return self._share(maker, name, depth)
        if maker.kind in _ARITHMETIC and len(maker.reads) == 2:
            return self._computed(maker, depth)
        if maker.kind in _BOUNDS or maker.kind in (CHOOSE, "Where"):
            reads = maker.reads[1:] if maker.kind in (CHOOSE, "Where") else maker.reads
            each = [self.parts(read, depth + 1) for read in reads if read]
            return _of_inputs(each)
        return None

    def _shape(self, maker: Operation) -> tuple[Part, ...] | None:
        shape = self.sizes.shape(maker.read(0))
        if shape is None:
            return None
        end = maker.attribute("end")
        return shape[maker.whole("start", 0) : len(shape) if end is None else end.i]

    def _picked(self, maker: Operation, depth: int) -> tuple[Part, ...] | None:
        data = self.parts(maker.read(0), depth + 1)
        if data is None:
            return None
        rank = self.sizes.shape(maker.read(0))
        if rank is not None and len(rank) != 1:
            return None
        if maker.kind == "Gather":
            indices = self.sizes.constant(maker.read(1))
            if indices is None or any(not -len(data) <= i < len(data) for i in indices.flat):
                return None
            return tuple(data[int(i)] for i in indices.flat)
        bounds = [maker.wholes(word) for word in ("starts", "ends")]
        for position in (1, 2, 4):
            constant = self.sizes.constant(maker.read(position))
            if maker.read(position) and constant is None:
                return None
            if constant is not None and position < 4:
                bounds[position - 1] = constant.reshape(-1).tolist()
        if not bounds[0] or not bounds[1] or len(bounds[0]) != 1:
            return None
        steps = self.sizes.constant(maker.read(4))
        step = 1 if steps is None else int(steps.flat[0])
        return data[int(bounds[0][0]) : int(bounds[1][0]) : step] if step > 0 else None

    def _share(self, maker: Operation, name: str, depth: int) -> tuple[Part, ...] | None:
        """What one output of a Split holds of a list."""
        data = self.parts(maker.read(0), depth + 1)
        shape = self.sizes.shape(maker.read(0))
        if data is None or (shape is not None and len(shape) != 1):
            return None
        constant = self.sizes.constant(maker.read(1))
        lengths = maker.wholes("split") if constant is None else constant.reshape(-1).tolist()
        if lengths is None:
            if maker.read(1):
                return None
            each = -(-len(data) // len(maker.writes))
            lengths = [each] * len(maker.writes)
        number = maker.writes.index(name)
        start = sum(int(length) for length in lengths[:number])
        return data[start : start + int(lengths[number])] if number < len(lengths) else None

    def _computed(self, maker: Operation, depth: int) -> tuple[Part, ...] | None:
        left, right = (self.parts(read, depth + 1) for read in maker.reads)
        if left is None or right is None:
            return None
        if len(left) == 1:
            left *= len(right)
        elif len(right) == 1:
            right *= len(left)
        if len(left) != len(right):
            return None
        return tuple(_compute(maker.kind, a, b) for a, b in zip(left, right, strict=True))

    def origins(self, name: str, depth: int = 0) -> tuple[Origin, ...]:
        """The inputs whose values a tensor holds, moved about, scaled or shifted."""
        if name not in self._origins:
            self._origins[name] = ()  # for what comes back to itself
            if name in self.sizes.inputs:
                self._origins[name] = (Origin(name),)
            elif name and depth < MAX_STEPS and name in self.makers:
                maker = self.makers[name]
                # Of a TopK, the values: the places that it also tells are its own.
                moved = maker.kind != "TopK" or name == maker.writes[0]
                found = dict.fromkeys(self._find_origins(maker, depth + 1) if moved else ())
                self._origins[name] = tuple(found)[:MOST_ORIGINS]
        return self._origins[name]

    def _find_origins(self, maker: Operation, depth: int) -> Sequence[Origin]:
        kind = maker.kind
        if kind == MERGE or kind == "Concat" or kind in _BOUNDS:
            reads = maker.reads[:1] if kind == "Clip" else maker.reads
        elif kind in (CHOOSE, "Where"):
            reads = maker.reads[1:]
        elif kind in _ARRANGED:
            reads = maker.reads[:1]
        elif kind in _ARITHMETIC and len(maker.reads) == 2:
            return self._shifted(maker, depth)
        elif kind == "Neg":
            return [_scaled(each, -1) for each in self.origins(maker.read(0), depth)]
        else:
            return ()
        return [each for read in reads for each in self.origins(read, depth)]

    def _shifted(self, maker: Operation, depth: int) -> list[Origin]:
        left, right = maker.reads
        constants = self.sizes.constant(left), self.sizes.constant(right)
        found: list[Origin] = []
        for read, other, sign in (
            (left, constants[1], 1),
            (right, constants[0], -1 if maker.kind == "Sub" else 1),
        ):
            for each in self.origins(read, depth):
                if maker.kind in ("Add", "Sub"):
                    found.append(_moved(each, other, maker.kind, sign))
                elif other is None or other.size != 1 or not other.flat[0]:
                    found.append(replace(each, exact=False))
                elif maker.kind == "Mul":
                    found.append(_scaled(each, float(other.flat[0])))
                elif sign == 1 and read == left:
                    found.append(_scaled(each, 1 / float(other.flat[0])))
        return found


def _moved(origin: Origin, other: np.ndarray | None, kind: str, sign: int) -> Origin:
    if other is None or not other.size:
        return replace(origin, exact=False)
    low, high = float(other.min()), float(other.max())
    if kind == "Sub" and sign == 1:
        return replace(origin, low=origin.low - high, high=origin.high - low)
    if kind == "Sub":
        turned = _scaled(origin, -1)
        return replace(turned, low=turned.low + low, high=turned.high + high)
    return replace(origin, low=origin.low + low, high=origin.high + high)


def _scaled(origin: Origin, by: float) -> Origin:
    ends = sorted((origin.low * by, origin.high * by))
    return replace(origin, scale=origin.scale * by, low=ends[0], high=ends[1])


def _of_inputs(each: Sequence[tuple[Part, ...] | None]) -> tuple[Part, ...] | None:
    """Of tensors of which one is taken, the one that comes from an input; else not to be told."""
    for parts in each:
        if parts is not None and any(isinstance(part, Element) for part in parts):
            return parts
    return None


def _compute(kind: str, left: Part, right: Part) -> Part:
    if left is None or right is None:
        return None
    if isinstance(left, Element):
        if isinstance(right, Element):
            return None
        if kind == "Add":
            return replace(left, offset=left.offset + right)
        if kind == "Sub":
            return replace(left, offset=left.offset - right)
        by = right if kind == "Mul" else 1 / right if right else 0
        return replace(left, scale=left.scale * by, offset=left.offset * by) if by else None
    if isinstance(right, Element):
        if kind == "Add":
            return replace(right, offset=right.offset + left)
        if kind == "Sub":
            return replace(right, scale=-right.scale, offset=left - right.offset)
        if kind == "Mul" and left:
            return replace(right, scale=right.scale * left, offset=right.offset * left)
        return None
    if kind == "Div":
        if not right:
            return None
        return left // right if isinstance(left, int) and isinstance(right, int) else left / right
    made = left + right if kind == "Add" else left - right if kind == "Sub" else left * right
    # A chain of squares would fill the memory with the digits of one number.
    return made if abs(made) <= _MOST else None
