"""Which sums are the biases of products: what a PyTorch user writes as one linear layer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from onnx import GraphProto

from hwprof.convert.torch.builder import Value


@dataclass(frozen=True, slots=True)
class Biased:
    """The Add (by its index) that gives a MatMul its bias, the bias's name and the sum's."""

    add: int
    bias: str
    output: str


def biased_products(graph: GraphProto, constants: Mapping[str, Value]) -> dict[int, Biased]:
    """MatMul nodes by constant matrices, by index, whose only reader adds one number per column.

    Exporters write `nn.Linear` this way for inputs of more than two dimensions.
    """
    readers: dict[str, list[int]] = {}
    for index, node in enumerate(graph.node):
        for name in node.input:
            readers.setdefault(name, []).append(index)
    seen = {output.name for output in graph.output}
    found: dict[int, Biased] = {}
    for index, node in enumerate(graph.node):
        if node.op_type != "MatMul" or node.domain not in ("", "ai.onnx"):
            continue
        weight = constants.get(node.input[1])
        reader = readers.get(node.output[0], [])
        if weight is None or not weight.constant or weight.rank != 2 or len(reader) != 1:
            continue
        add = graph.node[reader[0]]
        if add.op_type != "Add" or node.output[0] in seen:
            continue
        data = constants.get(node.input[0])
        if data is not None and data.constant:
            continue
        bias = add.input[1] if add.input[0] == node.output[0] else add.input[0]
        value = constants.get(bias)
        if value is not None and value.constant and value.shape == weight.shape[1:]:
            found[index] = Biased(reader[0], bias, add.output[0])
    return found
