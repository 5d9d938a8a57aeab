"""What inputs that tell a size or a place should hold, so that there is something to compute."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from hwprof.models.onnx.values import signals
from hwprof.models.onnx.values.view import Shape, View, product

Wish = Sequence[float | None] | float | None
"""An input's elements, one number for all of them, or None where nothing good can be told."""
Rule = Callable[[View], Mapping[int, Wish]]

_REDUCTIONS = ("Sum", "Mean", "Max", "Min", "Prod", "L1", "L2")
_REDUCTIONS += ("LogSum", "LogSumExp", "SumSquare")
_MOST_CHOICES = 5000


def wishes(view: View) -> Mapping[int, Wish]:
    """What an operation's inputs should hold, by their places."""
    rule = _RULES.get(view.operation.kind)
    return {} if rule is None else rule(view)


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


def _resize(view: View) -> Mapping[int, Wish]:
    """The size that is there already, where the file does not state another."""
    shape, made = view.shape(0), view.made()
    scales, sizes = (1, -1) if len(view.operation.reads) == 2 else (2, 3)
    whole: dict[int, Wish] = {} if scales == 1 else {1: None}
    if shape is None:
        return {**whole, scales: 1, sizes: made}
    axes = view.operation.wholes("axes") or list(range(len(shape)))
    axes = [axis % len(shape) for axis in axes]
    target = made if made is not None and len(made) == len(shape) else shape
    whole[scales] = [_scale(shape[axis], target[axis]) for axis in axes]
    whole[sizes] = [target[axis] for axis in axes]
    if scales == 2:
        whole[1] = [*[0] * len(axes), *[1] * len(axes)]
    return whole


def _scale(old: int, new: int) -> float:
    """A factor that leads from one size to the other in 32-bit floats, rounded down."""
    factor = new / old if old else 1.0
    if math.floor(float(np.float32(factor)) * old) == new:
        return factor
    return (new + 0.01) / old if old else 1.0


def _affine_grid(view: View) -> Mapping[int, Wish]:
    made = view.made()
    return {1: [made[0], 1, *made[1:-1]] if made else None}


def _center_crop(view: View) -> Mapping[int, Wish]:
    shape, made = view.shape(0), view.made()
    target = made or shape
    if target is None:
        return {1: None}
    axes = view.operation.wholes("axes")
    return {1: [target[axis] for axis in axes] if axes else target}


def _col2im(view: View) -> Mapping[int, Wish]:
    """Image from the file's shape; a block that fits the channels and the number of places."""
    shape, made = view.shape(0), view.made()
    if not shape or not made or len(shape) != 3 or not made[1]:
        return {1: None, 2: None}
    image = made[2:]
    pads = view.operation.wholes("pads") or [0] * 2 * len(image)
    strides = view.operation.wholes("strides") or [1] * len(image)
    dilations = view.operation.wholes("dilations") or [1] * len(image)
    cells = shape[1] // made[1]
    divisors = [each for each in range(1, cells + 1) if cells % each == 0]
    for block in itertools.islice(itertools.product(divisors, repeat=len(image)), _MOST_CHOICES):
        places = [
            (size + pads[k] + pads[k + len(image)] - dilations[k] * (block[k] - 1) - 1)
            // strides[k]
            + 1
            for k, size in enumerate(image)
        ]
        if product(list(block)) == cells and product(places) == shape[2]:
            return {1: image, 2: block}
    return {1: image, 2: None}


def _unpool(view: View) -> Mapping[int, Wish]:
    return {2: view.made()}


def _lengths(view: View) -> Mapping[int, Wish]:
    return {4: view.along(0, view.operation.whole("layout", 0))}


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


def _crop_and_resize(view: View) -> Mapping[int, Wish]:
    made, shape = view.made(), view.shape(0)
    target = made or shape
    return {3: target[2:] if target else None}


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
    "Resize": _resize,
    "Upsample": _resize,
    "AffineGrid": _affine_grid,
    "CenterCropPad": _center_crop,
    "Col2Im": _col2im,
    "MaxUnpool": _unpool,
    **dict.fromkeys(("LSTM", "GRU", "RNN"), _lengths),
    "ReverseSequence": _reverse,
    "NonMaxSuppression": _suppression,
    "Attention": _attention,
    "com.microsoft.GroupQueryAttention": _grouped_query,
    "com.microsoft.CropAndResize": _crop_and_resize,
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
    **signals.RULES,
}

WISHED = frozenset(_RULES)
