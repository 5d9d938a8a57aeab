"""What a received ONNX file may hold: sizes that can be true, functions that end, known types.

Whoever wrote the file may have meant harm. What is refused here would crash, stop or fill a machine
further on; what is merely wrong, the runtime says.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from hwprof.errors import ModelError
from hwprof.graph import ITEM_BITS
from hwprof.models.onnx.elements import OPAQUE, onnx_dtype
from hwprof.models.onnx.numerics import every_node

if TYPE_CHECKING:
    from onnx import GraphProto, ModelProto, NodeProto, TensorProto

    from hwprof.models.onnx.functions import Unfolding

MOST_DIMENSIONS = 64
MOST_ELEMENTS = 2**63 - 1
AGAIN = "export or download it again"

# Fields of a tensor that hold elements, whichever its type takes.
_FIELDS = ("float_data", "int32_data", "int64_data", "double_data", "uint64_data", "string_data")


def check_model(proto: ModelProto, name: str) -> None:
    """Raise ModelError for a model that no machine should try. `name` is what it is called."""
    # Imported here: it brings onnx, which listing devices does not need.
    from hwprof.models.onnx import functions

    count = sum(1 for _ in every_node(proto))
    if count > functions.MAX_NODES:
        raise ModelError(
            f"'{name}' has {count} nodes, and at most {functions.MAX_NODES} are taken; export it "
            "with loops in place of what is written out"
        )
    _check_names(proto, name)
    _check_functions(functions.unfolding(proto), name)
    for tensor in every_tensor(proto):
        _check_tensor(tensor, name)
    _check_inputs(proto, name)


def every_tensor(proto: ModelProto) -> Iterator[TensorProto]:
    """Every stored tensor: of the graph, of graphs inside it, of functions and of training."""
    yield from tensors(proto.graph)
    for function in proto.functions:
        yield from _of_nodes(function.node)
    for training in proto.training_info:
        yield from tensors(training.initialization)
        yield from tensors(training.algorithm)


def tensors(graph: GraphProto) -> Iterator[TensorProto]:
    """Every tensor of a graph: initializers and constants, those of subgraphs included."""
    yield from graph.initializer
    for sparse in graph.sparse_initializer:
        yield sparse.values
        yield sparse.indices
    yield from _of_nodes(graph.node)


def _of_nodes(nodes: Iterable[NodeProto]) -> Iterator[TensorProto]:
    for node in nodes:
        for attribute in node.attribute:
            if attribute.HasField("t"):
                yield attribute.t
            yield from attribute.tensors
            sparse = [attribute.sparse_tensor] if attribute.HasField("sparse_tensor") else []
            for each in (*sparse, *attribute.sparse_tensors):
                yield each.values
                yield each.indices
            if attribute.HasField("g"):
                yield from tensors(attribute.g)
            for inner in attribute.graphs:
                yield from tensors(inner)


def _check_names(proto: ModelProto, model: str) -> None:
    """Raise ModelError for names that are no text: bytes that are not UTF-8."""
    graph = proto.graph
    values = (*graph.input, *graph.output, *graph.initializer)
    names = [value.name for value in values]
    for node in every_node(proto):
        names += [node.op_type, node.domain, node.name]
        names += [*node.input, *node.output]
    if not all(isinstance(name, str) for name in names):
        raise ModelError(f"'{model}' has names that are not UTF-8; {AGAIN}")


def _check_functions(found: Unfolding, name: str) -> None:
    from hwprof.models.onnx.functions import MAX_DEPTH, MAX_NODES

    if found.circle:
        raise ModelError(
            f"the functions of '{name}' call one another in a circle ({found.circle}), which ONNX "
            f"does not allow; {AGAIN}"
        )
    if found.too_deep:
        raise ModelError(
            f"the functions of '{name}' call one another more than {MAX_DEPTH} deep; "
            "export it without functions"
        )
    if found.nodes is None:
        raise ModelError(
            f"the functions of '{name}' unfold to more than {MAX_NODES} nodes; "
            "export it without functions"
        )


def _check_tensor(tensor: TensorProto, model: str) -> None:
    """Raise ModelError for a tensor that says of itself what cannot be."""
    from onnx import TensorProto

    name = tensor.name or "a constant"
    dtype = onnx_dtype(tensor.data_type)
    if dtype == OPAQUE:
        raise ModelError(
            f"'{name}' in '{model}' has the element type number {tensor.data_type}, which onnx "
            f"does not know; {AGAIN}, or update onnx"
        )
    if len(tensor.dims) > MOST_DIMENSIONS or any(size < 0 for size in tensor.dims):
        raise ModelError(f"'{name}' in '{model}' has a shape that cannot be; {AGAIN}")
    elements = math.prod(tensor.dims)
    if elements > MOST_ELEMENTS:
        raise ModelError(f"'{name}' in '{model}' has more elements than can be counted; {AGAIN}")
    if tensor.data_location == TensorProto.EXTERNAL:
        return
    bits = ITEM_BITS.get(dtype)
    if tensor.raw_data:
        short = bits is not None and 8 * len(tensor.raw_data) < elements * bits
    else:
        # Eight elements in an entry are the most that any type packs.
        short = elements > 8 * max(len(getattr(tensor, field)) for field in _FIELDS)
    if short:
        raise ModelError(
            f"'{name}' in '{model}' holds less than the {elements} elements that it promises; "
            f"{AGAIN}"
        )


def _check_inputs(proto: ModelProto, model: str) -> None:
    weights = {tensor.name for tensor in proto.graph.initializer}
    for value in proto.graph.input:
        kind = value.type.tensor_type
        if value.name in weights or not value.type.HasField("tensor_type"):
            continue
        if onnx_dtype(kind.elem_type) == OPAQUE:
            raise ModelError(
                f"input '{value.name}' of '{model}' has the element type number {kind.elem_type}, "
                f"which onnx does not know; {AGAIN}, or update onnx"
            )
        if len(kind.shape.dim) > MOST_DIMENSIONS:
            raise ModelError(
                f"input '{value.name}' of '{model}' has {len(kind.shape.dim)} dimensions, and no "
                f"array has more than {MOST_DIMENSIONS}; export it with fewer"
            )
