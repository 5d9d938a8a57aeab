"""What ONNX's own inference can tell of a model without running it: types and shapes of tensors."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from hwprof.models.bounded import bounded_memory
from hwprof.models.onnx.graph import subgraphs

if TYPE_CHECKING:
    from onnx import GraphProto, ModelProto

    from hwprof.measurement import Subject

# Inference follows the values of shapes, which are small; large weights only slow it down.
_FOLLOWED_BYTES = 1024
# What inference of a small model takes is far less; what a hostile one asks for, far more.
ROOM_BYTES = 192 << 20


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


def infer_shapes(proto: ModelProto) -> ModelProto:
    """ONNX's own inference of all types and shapes, in bounded memory.

    It believes what a file says of sizes: a shape of 2^40 numbers would be written out. Raises
    InferenceError or ValueError.
    """
    import onnx

    try:
        with bounded_memory(ROOM_BYTES + 8 * proto.ByteSize()):
            return onnx.shape_inference.infer_shapes(proto, data_prop=True)
    except (onnx.checker.ValidationError, RuntimeError, MemoryError) as error:
        # It checks the model as well, in passing.
        raise onnx.shape_inference.InferenceError(str(error)) from error


def inferred(proto: ModelProto) -> ModelProto:
    """`proto`, of little weight, with all shapes and types that inference finds.

    Where inference fails, it says only what it said before.
    """
    import onnx

    try:
        return infer_shapes(proto)
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
