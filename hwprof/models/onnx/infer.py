"""What ONNX's own inference can tell of a model without running it: types and shapes of tensors."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from hwprof.models.onnx.graph import subgraphs

if TYPE_CHECKING:
    from onnx import GraphProto, ModelProto

    from hwprof.measurement import Subject

# Inference follows the values of shapes, which are small; large weights only slow it down.
_FOLLOWED_BYTES = 1024


def slim(proto: ModelProto) -> ModelProto:
    """A copy without the contents of large weights: types and shapes are all it is asked for."""
    import onnx

    made = onnx.ModelProto()
    made.CopyFrom(proto)
    for tensor in made.graph.initializer:
        if len(tensor.raw_data) > _FOLLOWED_BYTES:
            tensor.ClearField("raw_data")
    return made


def sized(proto: ModelProto, subject: Subject) -> ModelProto:
    """A copy, without large weights, whose inputs have the subject's shapes.

    Nothing that the file notes of shapes further on is kept: it may speak of other inputs, and
    some exporters leave stale notes. Types are kept.
    """
    made = slim(proto)
    shapes = {tensor.name: tensor.shape for tensor in subject.inputs}
    for value in made.graph.input:
        if value.name in shapes and value.type.HasField("tensor_type"):
            dims = value.type.tensor_type.shape.dim
            del dims[:]
            # A scalar has a shape too, without dimensions.
            value.type.tensor_type.shape.SetInParent()
            for size in shapes[value.name]:
                dims.add().dim_value = size
    del made.graph.value_info[:]
    for output in made.graph.output:
        if output.type.HasField("tensor_type"):
            output.type.tensor_type.ClearField("shape")
    return made


def inferred(proto: ModelProto) -> ModelProto:
    """`proto`, of little weight, with all shapes and types that inference finds.

    Where inference fails, it says only what it said before.
    """
    import onnx

    try:
        return onnx.shape_inference.infer_shapes(proto, data_prop=True)
    except (onnx.shape_inference.InferenceError, ValueError):
        return proto


def element_types(proto: ModelProto) -> dict[str, int]:
    """ONNX's numbers of the element types of tensors, by name, those of subgraphs included."""
    return dict(_types_of(inferred(slim(proto)).graph))


def _types_of(graph: GraphProto) -> Iterator[tuple[str, int]]:
    for tensor in graph.initializer:
        yield tensor.name, tensor.data_type
    for value in (*graph.input, *graph.value_info, *graph.output):
        yield value.name, value.type.tensor_type.elem_type
    for node in graph.node:
        for _, inner in subgraphs(node):
            yield from _types_of(inner)
