"""What a model's types allow: a precision is only ever what it is called."""

from __future__ import annotations

from onnx import GraphProto, ModelProto, TensorProto

from hwprof.errors import ModelError
from hwprof.models.onnx.graph import subgraphs

_REDUCED: dict[int, str] = {TensorProto.FLOAT16: "float16", TensorProto.BFLOAT16: "bfloat16"}
_QUANTISING = frozenset({"QuantizeLinear", "DequantizeLinear"})


def open_inputs(model: ModelProto) -> tuple[str, ...]:
    """Inputs of which the file leaves a dimension open."""
    weights = {tensor.name for tensor in model.graph.initializer}
    return tuple(
        each.name
        for each in model.graph.input
        if each.name not in weights
        and any(dim.dim_value < 1 for dim in each.type.tensor_type.shape.dim)
    )


def check_types(model: ModelProto, precision: str, name: str) -> None:
    """Raise ModelError when `precision` would not be the truth about `model`, called `name`.

    `fp32` and `tf32` are of models in float32; `fp16` and `bf16` let TensorRT choose lower types
    in such models; `int8` needs the scales of QuantizeLinear nodes; `typed` is whatever the model
    says.
    """
    if precision == "typed":
        return
    reduced = sorted(_REDUCED[number] for number in types_of(model.graph).intersection(_REDUCED))
    if reduced:
        raise ModelError(
            f"'{name}' holds {reduced[0]}, so that precision={precision} would not be true of it; "
            "use device tensorrt with precision=typed, or export the model in float32"
        )
    quantised = _quantised(model.graph)
    if precision == "int8" and not quantised:
        raise ModelError(
            f"'{name}' has no QuantizeLinear nodes to take int8 scales from; "
            "quantise it first, or use another precision"
        )
    if precision != "int8" and quantised:
        raise ModelError(
            f"'{name}' is quantised, so that precision={precision} would not be true of it; "
            "use precision=int8"
        )


def types_of(graph: GraphProto) -> set[int]:
    """Element types of weights and inputs, those of subgraphs included."""
    found = {tensor.data_type for tensor in graph.initializer}
    found |= {each.type.tensor_type.elem_type for each in graph.input}
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.HasField("t"):
                found.add(attribute.t.data_type)
            if node.op_type == "Cast" and attribute.name == "to":
                found.add(attribute.i)
        for _, inner in subgraphs(node):
            found |= types_of(inner)
    return found


def _quantised(graph: GraphProto) -> bool:
    return any(
        node.op_type in _QUANTISING or any(_quantised(inner) for _, inner in subgraphs(node))
        for node in graph.node
    )
