"""What inputs that tell a size or a place should hold, so that there is something to compute."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence

from hwprof.models.onnx.values import images, signals
from hwprof.models.onnx.values.axes import Place, axis_source
from hwprof.models.onnx.values.view import CONTRADICTIONS, Rule, Shape, View, Wish, product

_REDUCTIONS = frozenset(
    {"Sum", "Mean", "Max", "Min", "Prod", "L1", "L2", "LogSum", "LogSumExp", "SumSquare"}
)
_MOST_CHOICES = 5000


def wishes(view: View) -> Mapping[int, Wish]:
    """What an operation's inputs should hold, by their places."""
    rule = _RULES.get(view.operation.kind)
    try:
        return {} if rule is None else rule(view)
    except CONTRADICTIONS:
        return {}


def _reshape(view: View) -> Mapping[int, Wish]:
    shape, made, count = view.shape(0), view.made(), view.count(1)
    parts = product(shape) if shape is not None else None
    if made is not None and len(made) == count and (parts is None or product(made) == parts):
        return {1: made}
    if count == 1:
        return {1: [-1]}
    if shape is not None and count == len(shape):
        return {1: shape}
    return {1: None}


def _expand(view: View) -> Mapping[int, Wish]:
    shape, made, count = view.shape(0), view.made(), view.count(1)
    if count is None or (made is None and shape is None):
        return {1: None}
    if made is not None:
        return {1: [*[1] * (count - len(made)), *made[max(0, len(made) - count) :]]}
    # A dimension of 1 is there to be expanded: to what, cannot be told.
    known: list[float | None] = [size if size != 1 else None for size in shape or ()]
    return {1: [*[None] * (count - len(known)), *known[max(0, len(known) - count) :]]}


def _tile(view: View) -> Mapping[int, Wish]:
    shape, made = view.shape(0), view.made()
    if not shape or made is None or len(made) != len(shape) or 0 in shape:
        return {1: None, 2: 0}
    return {1: [m // s for m, s in zip(made, shape, strict=True)]}


def _of_shape(view: View) -> Mapping[int, Wish]:
    return {0: view.made()}


def _range(view: View) -> Mapping[int, Wish]:
    made = view.made()
    start, delta = view.number(0), view.number(2)
    first, step = 0 if start is None else start, 1 if delta is None else delta
    limit = None if not made else first + made[0] * step
    return {0: first, 1: limit, 2: step}


def _slice(view: View) -> Mapping[int, Wish]:
    shape, made, count = view.shape(0), view.made(), view.count(1)
    if shape is None or count is None or count > len(shape):
        return {1: 0, 2: None, 3: None, 4: 1}
    axes = view.axes(3, len(shape)) or list(range(count))
    steps = view.numbers(4) if view.given(4) else None
    starts: list[float] = []
    ends: list[float] = []
    for axis, step in zip(axes, steps or [1] * count, strict=False):
        if step < 0:
            starts.append(shape[axis] - 1)
            ends.append(-shape[axis] - 1)
        else:
            fits = made is not None and len(made) == len(shape) and step == 1
            starts.append(0)
            ends.append(made[axis] if made is not None and fits else shape[axis])
    return {1: starts, 2: ends, 3: axes, 4: 1}


def _top_k(view: View) -> Mapping[int, Wish]:
    made = view.made()
    return {1: made[view.operation.whole("axis", -1)] if made else None}


def _pad(view: View) -> Mapping[int, Wish]:
    shape, made, count = view.shape(0), view.made(), view.count(1)
    if shape is None or count is None:
        return {1: 0, 3: None}
    axes = view.axes(3, len(shape)) or list(range(count // 2))
    more = [0] * len(axes)
    if made is not None and len(made) == len(shape):
        more = [max(0, made[axis] - shape[axis]) for axis in axes]
    return {1: [*[each // 2 for each in more], *[each - each // 2 for each in more]], 3: axes}


def _squeeze(view: View) -> Mapping[int, Wish]:
    shape, made, count = view.shape(0), view.made(), view.count(1)
    if shape is None or count is None:
        return {1: None}
    ones = [axis for axis, size in enumerate(shape) if size == 1]
    return {1: _choice(ones, count, lambda axes: _without(shape, axes), made)}


def _unsqueeze(view: View) -> Mapping[int, Wish]:
    shape, made, count = view.shape(0), view.made(), view.count(1)
    if shape is None or count is None:
        return {1: None}
    places = range(len(shape) + count)
    if made is None or len(made) != len(places):
        return {1: list(range(count))}
    return {1: _choice(list(places), count, lambda axes: _without(made, axes), shape)}


def _reduce(view: View) -> Mapping[int, Wish]:
    shape, made, count = view.shape(0), view.made(), view.count(1)
    if shape is None or count is None:
        return {1: None}
    keep = view.operation.whole("keepdims", 1)

    def result(axes: Sequence[int]) -> Shape:
        if not keep:
            return _without(shape, axes)
        return tuple(1 if axis in axes else size for axis, size in enumerate(shape))

    return {1: _choice(list(range(len(shape))), count, result, made)}


def _choice(
    axes: Sequence[int], count: int, result: Callable[[Sequence[int]], Shape], wanted: Shape | None
) -> Wish:
    """The axes that lead to the wanted shape, the last ones where it is not known."""
    if wanted is None:
        return list(axes[len(axes) - count :]) if count <= len(axes) else None
    for chosen in itertools.islice(itertools.combinations(axes, count), _MOST_CHOICES):
        if result(chosen) == wanted:
            return list(chosen)
    return list(axes[len(axes) - count :]) if count <= len(axes) else None


def _without(shape: Shape, axes: Sequence[int]) -> Shape:
    return tuple(size for axis, size in enumerate(shape) if axis not in axes)


def _split(view: View) -> Mapping[int, Wish]:
    axis, count = view.operation.whole("axis", 0), view.count(1)
    size = view.along(0, axis)
    made = [view.made(number) for number in range(len(view.operation.writes))]
    stated = [each[axis] for each in made if each]
    if len(stated) == count and (size is None or sum(stated) == size):
        return {1: stated}
    if size is None or not count:
        return {1: None}
    return {1: [size * (k + 1) // count - size * k // count for k in range(count)]}


def _split_to_sequence(view: View) -> Mapping[int, Wish]:
    if view.shape(1) == ():
        return {1: 1}
    return {1: _split(view)[1]}


def _one_hot(view: View) -> Mapping[int, Wish]:
    made = view.made()
    return {1: made[view.operation.whole("axis", -1)] if made else None}


def _lengths(view: View) -> Mapping[int, Wish]:
    """The whole length of the sequences, which the input that they come from tells as well."""
    axis = view.operation.whole("layout", 0)
    length = view.along(0, axis)
    if length is None:
        inputs = view.sizes.inputs
        ranks = {name: len(spec.shape) for name, spec in inputs.items()}
        source = axis_source(Place(view.operation.read(0), axis, 3), view.sizes.model, ranks)
        length = None if source is None else inputs[source.tensor].shape[source.axis]
    return {4: length}


def _reverse(view: View) -> Mapping[int, Wish]:
    return {1: view.along(0, view.operation.whole("time_axis", 0))}


def _suppression(view: View) -> Mapping[int, Wish]:
    return {2: view.along(0, 1)}


def _attention(view: View) -> Mapping[int, Wish]:
    return {6: view.along(1, -2)}


def _grouped_query(view: View) -> Mapping[int, Wish]:
    """A past that is as long as its buffer, and the new words after it."""
    new, past = view.along(0, 1), view.along(3, 2) if view.given(3) else 0
    if new is None or past is None:
        return {5: None, 6: None}
    return {5: new + past - 1, 6: new + past}


def _ask(*positions: int) -> Rule:
    return lambda _view: dict.fromkeys(positions)


def _always(position: int, value: float) -> Rule:
    return lambda _view: {position: value}


_GENERATORS = ("BeamSearch", "GreedySearch", "Sampling", "WhisperBeamSearch")

_RULES: Mapping[str, Rule] = {
    "Reshape": _reshape,
    "Expand": _expand,
    "Tile": _tile,
    "ConstantOfShape": _of_shape,
    "Range": _range,
    "com.microsoft.Range": _range,
    "Slice": _slice,
    "TopK": _top_k,
    "Pad": _pad,
    "com.microsoft.Pad": _pad,
    "Squeeze": _squeeze,
    "Unsqueeze": _unsqueeze,
    **{f"Reduce{each}": _reduce for each in _REDUCTIONS},
    "Split": _split,
    "SplitToSequence": _split_to_sequence,
    "OneHot": _one_hot,
    **dict.fromkeys(("LSTM", "GRU", "RNN"), _lengths),
    "ReverseSequence": _reverse,
    "NonMaxSuppression": _suppression,
    "Attention": _attention,
    "com.microsoft.GroupQueryAttention": _grouped_query,
    "Loop": lambda _view: {0: None, 1: 1},
    # Integers are not divided by zero: the process would be killed.
    **dict.fromkeys(("Div", "Mod"), _always(1, 1)),
    "CumSum": _always(1, 0),
    "CumProd": _always(1, 0),
    "Trilu": _always(1, 0),
    # As in use, not as in training.
    "Dropout": _always(2, 0),
    "com.microsoft.ExpandDims": _always(1, 0),
    **{f"com.microsoft.{each}": _ask(1, 2, 3, 4) for each in _GENERATORS},
    **images.RULES,
    **signals.RULES,
}

WISHED = frozenset(_RULES)
FIRST_WISHED = signals.FIRST | {"ConstantOfShape", "Range", "com.microsoft.Range", "Loop"}
"""Operators whose first input is wished for, too: that of all others is what they work on."""
