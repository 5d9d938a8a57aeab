"""Which axis of an input is the batch: recurrent operations take time first."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hwprof.models.onnx.values.axes import Place, axis_source
from hwprof.models.onnx.values.flat import FlatModel
from hwprof.models.shapes import BatchAxis

if TYPE_CHECKING:
    from onnx import ModelProto

RECURRENT = frozenset({"LSTM", "GRU", "RNN"})
_HIDING = frozenset({"If", "Loop", "Scan"})


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
            places = [Place(operation.read(0), axis, 3), Place(operation.read(4), 0, 1)]
            places += [Place(operation.read(position), axis, 3) for position in (5, 6)]
            for place in places:
                source = axis_source(place, model, ranks)
                if source is not None:
                    found.setdefault(source.tensor, BatchAxis(source.axis, operation.label))
    return found
