"""A copy of an ONNX model with nothing left to decide: for the converters of other runtimes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from hwprof.errors import DeviceError, ModelError
from hwprof.models.base import Model
from hwprof.models.onnx.file import read_with_weights
from hwprof.models.onnx.graph import (
    OWN_DOMAINS,
    SOFTMAX_ALONG_AXIS,
    SOFTMAXES,
    WEIGHTS_STAND_ALONE,
    opset_of,
)
from hwprof.models.onnx.infer import infer_shapes

if TYPE_CHECKING:
    from onnx import GraphProto, ModelProto, NodeProto

# Protocol buffers hold at most 2 GiB; the graph needs some of it.
LARGEST_WEIGHTS_BYTES = 1_900_000_000


def decided_copy(model: Model, folder: Path) -> Path:
    """Write `folder/model.onnx`: the same graph, with nothing left to decide.

    Inputs get the subject's shapes, weights are no inputs any more, and shapes that the exporter
    noted inside the graph are dropped where inputs were open. A softmax of an operator set before
    13 works on everything from its axis on, which converters overlook: where that differs from
    working along the axis, it is written as Flatten, Softmax and Reshape. Tensors keep their
    names.

    Raises ModelError when the file cannot be opened, DeviceError when it cannot be written.
    """
    import onnx

    proto = read_with_weights(model.path)
    _decide_inputs(proto, model)
    if opset_of(proto) < SOFTMAX_ALONG_AXIS:
        _spell_out_softmax(proto, model)
    target = folder / "model.onnx"
    weights = sum(len(tensor.raw_data) for tensor in proto.graph.initializer)
    try:
        onnx.save_model(
            proto,
            str(target),
            save_as_external_data=weights > LARGEST_WEIGHTS_BYTES,
            location="weights.bin",
        )
    except (OSError, ValueError) as error:  # ValueError: more than a protocol buffer holds
        raise DeviceError(
            f"a copy of '{model.path.name}' for the converter cannot be written: {error}; "
            "free some space in the temporary folder"
        ) from error
    return target


def _decide_inputs(proto: ModelProto, model: Model) -> None:
    graph = proto.graph
    decided = {tensor.name: tensor.shape for tensor in model.subject.inputs}
    kept = [value for value in graph.input if value.name in decided]
    for value in kept:
        dims = value.type.tensor_type.shape.dim
        del dims[:]
        for size in decided[value.name]:
            dims.add().dim_value = size
    del graph.input[:]
    graph.input.extend(kept)
    # What the exporter noted may speak of other shapes; converters infer their own.
    del graph.value_info[:]
    proto.ir_version = max(proto.ir_version, WEIGHTS_STAND_ALONE)


def _spell_out_softmax(proto: ModelProto, model: Model) -> None:
    graph = proto.graph
    if not any(node.op_type in SOFTMAXES for node in graph.node):
        return
    shapes = _known_shapes(proto)
    nodes = list(graph.node)
    del graph.node[:]
    for node in nodes:
        if node.op_type in SOFTMAXES and node.domain in OWN_DOMAINS:
            graph.node.extend(_softmax_along_axis(node, shapes, graph, model))
        else:
            graph.node.append(node)


def _known_shapes(proto: ModelProto) -> dict[str, tuple[int, ...]]:
    """Shapes of the tensors whose every dimension inference can tell."""
    import onnx

    slim = onnx.ModelProto()
    slim.CopyFrom(proto)
    for tensor in slim.graph.initializer:
        # Large weights only slow inference down: their shapes are all it takes.
        if len(tensor.raw_data) > 1024:
            tensor.ClearField("raw_data")
    try:
        slim = infer_shapes(slim)
    except (onnx.shape_inference.InferenceError, ValueError):
        return {}
    return {
        value.name: tuple(d.dim_value for d in value.type.tensor_type.shape.dim)
        for value in (*slim.graph.input, *slim.graph.value_info, *slim.graph.output)
        if all(d.HasField("dim_value") for d in value.type.tensor_type.shape.dim)
    }


def _softmax_along_axis(
    node: NodeProto, shapes: dict[str, tuple[int, ...]], graph: GraphProto, model: Model
) -> list[NodeProto]:
    from onnx import helper, numpy_helper

    axis = next((a.i for a in node.attribute if a.name == "axis"), 1)
    shape = shapes.get(node.input[0])
    if shape is None:
        raise ModelError(
            f"'{model.path.name}' has a {node.op_type} of operator set {SOFTMAX_ALONG_AXIS - 1} or "
            "older whose input shape cannot be told; export it for operator set "
            f"{SOFTMAX_ALONG_AXIS} or newer"
        )
    axis += len(shape) if axis < 0 else 0
    if all(size == 1 for size in shape[axis + 1 :]):
        plain = helper.make_node(node.op_type, node.input, node.output, node.name, axis=axis)
        return [plain]
    output = node.output[0]
    flat, soft, target = (f"{output}/hwprof_{part}" for part in ("flat", "soft", "shape"))
    graph.initializer.append(numpy_helper.from_array(np.array(shape, np.int64), target))
    return [
        helper.make_node("Flatten", node.input, [flat], f"{flat}_node", axis=axis),
        helper.make_node(node.op_type, [flat], [soft], f"{soft}_node", axis=1),
        helper.make_node("Reshape", [soft, target], [output], node.name),
    ]
