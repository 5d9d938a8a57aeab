"""Operations that look things up: which inputs are indices, and into how many entries."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from hwprof.models.onnx.values.view import CONTRADICTIONS, View, product

Limits = list[tuple[int, int | None]]
"""(which input, how many entries there are); None where that cannot be told."""


def limits(view: View) -> Limits:
    """The inputs of an operation that are indices, each with the number of entries."""
    rule = _RULES.get(view.operation.kind)
    try:
        return [] if rule is None else rule(view)
    except CONTRADICTIONS:
        return []


def _along_axis(data: int, indices: int, default: int = 0) -> Callable[[View], Limits]:
    def rule(view: View) -> Limits:
        return [(indices, view.along(data, view.operation.whole("axis", default)))]

    return rule


def _first_axis(data: int, indices: int, axis: int = 0) -> Callable[[View], Limits]:
    return lambda view: [(indices, view.along(data, axis))]


def _gather_nd(view: View) -> Limits:
    """The smallest dimension that the index tuples reach into."""
    data, indices = view.shape(0), view.shape(1)
    if not data or not indices:
        return [(1, None)]
    batch = view.operation.whole("batch_dims", 0)
    reached = data[batch : batch + indices[-1]]
    return [(1, min(reached) if reached else None)]


def _scatter_nd(view: View) -> Limits:
    data, indices = view.shape(0), view.shape(1)
    reached = data[: indices[-1]] if data and indices else ()
    return [(1, min(reached) if reached else None)]


def _one_hot(view: View) -> Limits:
    made = view.made()
    depth = view.number(1)
    if depth is None and made:
        depth = made[view.operation.whole("axis", -1)]
    return [(0, depth)]


def _unpool(view: View) -> Limits:
    shape = view.shape(0)
    return [(1, product(shape) if shape else None)]


def _tensor_scatter(view: View) -> Limits:
    axis = view.operation.whole("axis", -2)
    room, taken = view.along(0, axis), view.along(1, axis)
    return [(2, None if room is None or taken is None else room - taken + 1)]


def _rotary(view: View) -> Limits:
    return [(3, view.along(1, 0))]


def _rotary_contrib(view: View) -> Limits:
    return [(1, view.along(2, 0))]


def _embed_layer_norm(view: View) -> Limits:
    return [(0, view.along(2, 0)), (1, view.along(4, 0)), (8, view.along(3, 0))]


def _block_quantized(view: View) -> Limits:
    return [(1, view.along(0, view.operation.whole("gather_axis", 0)))]


_RULES: Mapping[str, Callable[[View], Limits]] = {
    "Gather": _along_axis(0, 1),
    "GatherElements": _along_axis(0, 1),
    "ScatterElements": _along_axis(0, 1),
    "Scatter": _along_axis(0, 1),
    "GatherND": _gather_nd,
    "ScatterND": _scatter_nd,
    "OneHot": _one_hot,
    "MaxUnpool": _unpool,
    "TensorScatter": _tensor_scatter,
    "RotaryEmbedding": _rotary,
    "RoiAlign": _first_axis(0, 2),
    "NegativeLogLikelihoodLoss": _first_axis(0, 1, 1),
    "SoftmaxCrossEntropyLoss": _first_axis(0, 1, 1),
    "ai.onnx.ml.ArrayFeatureExtractor": _first_axis(0, 1, -1),
    "com.microsoft.RotaryEmbedding": _rotary_contrib,
    "com.microsoft.EmbedLayerNormalization": _embed_layer_norm,
    "com.microsoft.GatherBlockQuantized": _block_quantized,
    "com.microsoft.GatherND": _gather_nd,
    "com.microsoft.CropAndResize": _first_axis(0, 2),
}

INDEXED = frozenset(_RULES)
FIRST_INDEXED = frozenset({"OneHot", "com.microsoft.EmbedLayerNormalization"})
"""Operators whose first input is indices, not what they pick from."""
