"""Axes of tensors followed backwards: which axis of which input one is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from hwprof.models.onnx.values.flat import MERGE, FlatModel, Operation

_MAX_STEPS = 64

# They leave every axis where it is.
_STILL = frozenset(
    {"Identity", "Cast", "Dropout", "Relu", "LeakyRelu", "Tanh", "Sigmoid", "Clip", "Erf", "Gelu"}
    | {"Add", "Sub", "Mul", "Div", "Pow", "Sqrt", "Exp", "Log", "Abs", "Neg", "Where", "Softmax"}
    | {"LayerNormalization", "Concat", "Slice", "Split", "Pad", "MatMul", "Expand", MERGE}
    | {"QuantizeLinear", "DequantizeLinear", "TopK"}
)
# These hold the batch in front.
_BATCH_FIRST = frozenset(
    {"Conv", "MaxPool", "AveragePool", "BatchNormalization", "InstanceNormalization"}
    | {"GlobalAveragePool", "Resize"}
)


@dataclass(frozen=True, slots=True)
class Place:
    """An axis of a tensor with so many of them."""

    tensor: str
    axis: int
    rank: int


def axis_source(place: Place, model: FlatModel, ranks: Mapping[str, int]) -> Place | None:
    """The axis of an input that an axis of a tensor is, followed backwards."""
    for _ in range(_MAX_STEPS):
        if place.tensor in ranks:
            fits = ranks[place.tensor] in (0, place.rank) and 0 <= place.axis < place.rank
            return place if fits else None
        maker = model.makers.get(place.tensor)
        before = None if maker is None else _before(maker, place, model)
        if before is None:
            return None
        place = before
    return None


def _before(maker: Operation, place: Place, model: FlatModel) -> Place | None:
    axis, rank = place.axis, place.rank
    if maker.kind in _STILL:
        return Place(_first_computed(maker, model), axis, rank)
    if maker.kind in _BATCH_FIRST:
        return Place(maker.read(0), axis, rank) if axis == 0 else None
    if maker.kind == "Transpose":
        order = maker.wholes("perm")
        if order is None or len(order) != rank:
            return None
        return Place(maker.read(0), order[axis], rank)
    if maker.kind == "Gather" and maker.read(0) in model.tensors:  # an embedding
        return Place(maker.read(1), axis, rank - 1) if axis < rank - 1 else None
    if maker.kind == "Gather" and maker.read(1) in model.makers:  # sorted by length
        return Place(maker.read(0), axis, rank)
    if maker.kind in ("Squeeze", "Unsqueeze"):
        return _with_axes(maker, place, model)
    return None


def _with_axes(maker: Operation, place: Place, model: FlatModel) -> Place | None:
    axes: Sequence[int] | None = maker.wholes("axes")
    if axes is None:
        axes = _constant(maker.read(1), model)
    if axes is None or place.rank < 1:
        return None
    axis = place.axis
    if maker.kind == "Squeeze":
        rank = place.rank + len(axes)
        for each in sorted(each % rank for each in axes):
            axis += each <= axis
        return Place(maker.read(0), axis, rank)
    added = [each % place.rank for each in axes]
    if axis in added:
        return None
    return Place(maker.read(0), axis - sum(e < axis for e in added), place.rank - len(axes))


def _constant(name: str, model: FlatModel) -> list[int] | None:
    from onnx import TensorProto, numpy_helper

    tensor = model.tensors.get(name)
    if tensor is None:
        maker = model.makers.get(name)
        value = maker.attribute("value") if maker is not None and maker.kind == "Constant" else None
        tensor = None if value is None else value.t
    if tensor is None or tensor.data_location == TensorProto.EXTERNAL:
        return None
    try:
        return [int(each) for each in numpy_helper.to_array(tensor).reshape(-1)]
    except (ValueError, TypeError, KeyError):
        return None


def _first_computed(maker: Operation, model: FlatModel) -> str:
    """The first input that is no weight."""
    for read in maker.reads:
        made = model.makers.get(read)
        if read and read not in model.tensors and (made is None or made.kind != "Constant"):
            return read
    return maker.read(0)
