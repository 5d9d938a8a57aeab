"""How an ONNX model treats numbers: what it rounds to, and what it draws at random."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from hwprof.models.onnx.elements import array_of, onnx_dtype
from hwprof.models.onnx.graph import HANDED_ON, RANDOM, constant_tensors, nested_nodes

if TYPE_CHECKING:
    from onnx import GraphProto, ModelProto, NodeProto, TensorProto

QUANTISES = frozenset({"QuantizeLinear", "DynamicQuantizeLinear"})
_FEW_BITS = frozenset({"MatMulNBits", "GatherBlockQuantized", "MatMulBnb4", "QMoE"})
_QUANTISED = QUANTISES | _FEW_BITS | {"DequantizeLinear", "MatMulInteger", "ConvInteger"}
_LOW = ("float16", "bfloat16")
SAME_STEPS = HANDED_ON | {
    *("Reshape", "Flatten", "Transpose", "Squeeze", "Unsqueeze", "Slice", "Relu", "MaxPool"),
}
"""What lies on the steps that it reads."""


def quantises(node: NodeProto) -> bool:
    """Whether a node's first output is rounded to steps."""
    return node.op_type in QUANTISES or node.op_type.startswith("QLinear")


def every_node(proto: ModelProto) -> Iterator[NodeProto]:
    """The nodes of a model, those of subgraphs and of its own functions included."""
    yield from nested_nodes(proto.graph.node)
    for function in proto.functions:
        yield from nested_nodes(function.node)


def drawn_by(proto: ModelProto) -> str:
    """The operator that draws random numbers, such as `RandomNormal`; empty where none does."""
    never = _switched_off(proto.graph)
    for node in every_node(proto):
        if node.op_type in RANDOM:
            return node.op_type
        # Dropout that is told to train; what it is told may be an input of the model's.
        trains = node.op_type == "Dropout" and len(node.input) > 2 and node.input[2]
        if trains and trains not in never:
            return "Dropout"
    return ""


def _switched_off(graph: GraphProto) -> set[str]:
    """Stored truth values that are false, by name."""
    stored = [(t.name, t) for t in graph.initializer]
    for node in graph.node:
        if node.op_type == "Constant" and node.output:
            stored += [(node.output[0], a.t) for a in node.attribute if a.HasField("t")]
    flags = (
        (name, array_of(tensor))
        for name, tensor in stored
        if onnx_dtype(tensor.data_type) == "bool"
    )
    return {name for name, value in flags if value is not None and not value.any()}


def is_quantised(proto: ModelProto) -> bool:
    """Whether any tensor of the model is held in steps."""
    return any(
        node.op_type in _QUANTISED or node.op_type.startswith("QLinear")
        for node in every_node(proto)
    )


def low_floats(proto: ModelProto) -> str:
    """The type of 16 bits that some tensor has, the coarser of two; empty where none has."""
    from hwprof.models.onnx.types import types_of

    found = {onnx_dtype(number) for number in types_of(proto.graph)}
    return next((kind for kind in reversed(_LOW) if kind in found), "")


def output_steps(proto: ModelProto) -> tuple[float, ...]:
    """Size of one quantisation step of each output: 0 where it is not held in steps.

    1 for an output that is the whole numbers themselves. Nothing is told of models that give
    sequences.
    """
    graph = proto.graph
    if not all(output.type.HasField("tensor_type") for output in graph.output):
        return ()
    makers = {name: node for node in graph.node for name in node.output}
    scales = {t.name: array_of(t) for t in _scales(graph)}
    constant = constant_tensors(graph, False, frozenset())

    def step(name: str) -> float:
        node = makers.get(name)
        for _ in range(len(graph.node)):  # a broken graph may lead in a circle
            if node is None or node.op_type not in SAME_STEPS or not node.input:
                break
            node = makers.get(node.input[0])
        if node is None or not node.input or node.input[0] in constant:
            return 0.0
        if quantises(node):
            return 1.0
        scaled = node.op_type == "DequantizeLinear" and len(node.input) > 1
        scale = scales.get(node.input[1]) if scaled else None
        return float(abs(scale).max()) if scale is not None and scale.size else 0.0

    return tuple(step(output.name) for output in graph.output)


def _scales(graph: GraphProto) -> Iterator[TensorProto]:
    """The stored scales of what is brought back from steps."""
    nodes = (node for node in graph.node if node.op_type == "DequantizeLinear")
    names = {node.input[1] for node in nodes if len(node.input) > 1}
    return (tensor for tensor in graph.initializer if tensor.name in names)
