"""Which axis of an input is the batch: recurrent operations take time first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hwprof.models.onnx.values.flat import MERGE, FlatModel, Operation
from hwprof.models.shapes import BatchAxis

if TYPE_CHECKING:
    from onnx import ModelProto

RECURRENT = frozenset({"LSTM", "GRU", "RNN"})
_HIDING = frozenset({"If", "Loop", "Scan"})
_MAX_STEPS = 64

# They leave every axis where it is.
_STILL = frozenset(
    {"Identity", "Cast", "Dropout", "Relu", "LeakyRelu", "Tanh", "Sigmoid", "Clip", "Erf", "Gelu"}
    | {"Add", "Sub", "Mul", "Div", "Pow", "Sqrt", "Exp", "Log", "Abs", "Neg", "Where", "Softmax"}
    | {"LayerNormalization", "Concat", "Slice", "Split", "Pad", "MatMul", "Expand", MERGE}
    | {"QuantizeLinear", "DequantizeLinear"}
)
# These hold the batch in front.
_BATCH_FIRST = frozenset(
    {"Conv", "MaxPool", "AveragePool", "BatchNormalization", "InstanceNormalization"}
    | {"GlobalAveragePool", "Resize"}
)


def batch_axes(proto: ModelProto) -> dict[str, BatchAxis]:
    """The batch axis of every input that reaches a recurrent operation, by the input's name.

    An operation with layout 0 has its batch second: in X and in the initial states.
    """
    if not proto.functions and not any(
        node.op_type in RECURRENT or node.op_type in _HIDING for node in proto.graph.node
    ):
        return {}
    model = FlatModel(proto)
    ranks = {
        value.name: len(value.type.tensor_type.shape.dim)
        for value in proto.graph.input
        if value.name not in model.tensors
    }
    found: dict[str, BatchAxis] = {}
    for operation in model.operations:
        if operation.kind in RECURRENT:
            axis = 0 if operation.whole("layout", 0) else 1
            places = [_Place(operation.read(0), axis, 3), _Place(operation.read(4), 0, 1)]
            places += [_Place(operation.read(position), axis, 3) for position in (5, 6)]
            for place in places:
                source = _source(place, model, ranks)
                if source is not None:
                    found.setdefault(source.tensor, BatchAxis(source.axis, operation.label))
    return found


@dataclass(frozen=True, slots=True)
class _Place:
    """An axis of a tensor with so many of them."""

    tensor: str
    axis: int
    rank: int


def _source(place: _Place, model: FlatModel, ranks: dict[str, int]) -> _Place | None:
    """The axis of an input that an axis of a tensor is, followed backwards."""
    for _ in range(_MAX_STEPS):
        if place.tensor in ranks:
            fits = ranks[place.tensor] in (0, place.rank) and place.axis < place.rank
            return place if fits else None
        maker = model.makers.get(place.tensor)
        before = None if maker is None else _before(maker, place, model)
        if before is None:
            return None
        place = before
    return None


def _before(maker: Operation, place: _Place, model: FlatModel) -> _Place | None:
    axis, rank = place.axis, place.rank
    if maker.kind in _STILL:
        return _Place(_first_computed(maker, model), axis, rank)
    if maker.kind in _BATCH_FIRST:
        return _Place(maker.read(0), axis, rank) if axis == 0 else None
    if maker.kind == "Transpose":
        order = maker.wholes("perm")
        if order is None or len(order) != rank:
            return None
        return _Place(maker.read(0), order[axis], rank)
    if maker.kind == "Gather" and maker.read(0) in model.tensors:  # an embedding
        return _Place(maker.read(1), axis, rank - 1) if axis < rank - 1 else None
    if maker.kind in ("Squeeze", "Unsqueeze"):
        return _with_axes(maker, place, model)
    return None


def _with_axes(maker: Operation, place: _Place, model: FlatModel) -> _Place | None:
    axes: Sequence[int] | None = maker.wholes("axes")
    if axes is None:
        axes = _constant(maker.read(1), model)
    if axes is None:
        return None
    axis = place.axis
    if maker.kind == "Squeeze":
        rank = place.rank + len(axes)
        for each in sorted(each % rank for each in axes):
            axis += each <= axis
        return _Place(maker.read(0), axis, rank)
    added = [each % place.rank for each in axes]
    if axis in added:
        return None
    return _Place(maker.read(0), axis - sum(e < axis for e in added), place.rank - len(axes))


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
    except (ValueError, TypeError):
        return None


def _first_computed(maker: Operation, model: FlatModel) -> str:
    """The first input that is no weight."""
    for read in maker.reads:
        made = model.makers.get(read)
        if read and read not in model.tensors and (made is None or made.kind != "Constant"):
            return read
    return maker.read(0)
