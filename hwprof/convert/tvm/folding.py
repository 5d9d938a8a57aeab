"""Deciding the shape arithmetic of a model whose input shapes are known.

Exporters leave `Reshape(x, Concat(Shape(x)[0], ...))` where a dimension was open. TVM's importer
needs some of these shapes as numbers. Such nodes have no work to do once the shapes are decided.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from onnx import ModelProto, NodeProto, numpy_helper

from hwprof.graph import TensorSpec
from hwprof.models.bounded import bounded_memory
from hwprof.models.onnx.graph import RANDOM, subgraphs
from hwprof.models.onnx.infer import infer_shapes

# Shapes, axes and indices: larger constants are weights, and stay what they are.
SMALL = 64
# Every round may decide shapes that the next one needs; models need two or three.
ROUNDS = 16
# Of what is decided beforehand only short results are kept, whatever a node asks for.
ROOM_BYTES = 256 << 20


def fold_shapes(proto: ModelProto, inputs: Sequence[TensorSpec]) -> ModelProto:
    """A copy with the inputs' shapes written in and every node gone that only shapes decide.

    Raises what onnx's shape inference and reference implementation raise for invalid models.
    """
    folded = ModelProto()
    folded.CopyFrom(proto)
    shapes = {t.name: t.shape for t in inputs}
    for value in folded.graph.input:
        if value.name in shapes:
            dims = value.type.tensor_type.shape.dim
            del dims[:]
            for size in shapes[value.name]:
                dims.add().dim_value = size
    for _ in range(ROUNDS):
        folded = infer_shapes(folded)
        if not _fold_once(folded):
            break
    return folded


def _fold_once(proto: ModelProto) -> bool:
    from onnx.reference import ReferenceEvaluator

    graph = proto.graph
    opsets = {o.domain: o.version for o in proto.opset_import}
    sizes = _shapes(proto)
    overridable = {i.name for i in graph.input}
    known = {
        t.name: numpy_helper.to_array(t)
        for t in graph.initializer
        if t.name not in overridable and np.prod(t.dims) <= SMALL
    }
    outputs = {o.name for o in graph.output}
    kept: list[NodeProto] = []
    for node in graph.node:
        found: list[np.ndarray] | None = None
        if node.op_type == "Shape" and node.input[0] in sizes:
            whole = np.array(sizes[node.input[0]], np.int64)
            bounds = {a.name: a.i for a in node.attribute}
            found = [whole[bounds.get("start", 0) : bounds.get("end", len(whole))]]
        elif _decided(node, known):
            feed = {name: known[name] for name in node.input if name}
            with bounded_memory(ROOM_BYTES):
                found = [*ReferenceEvaluator(node, opsets=opsets).run(None, feed)]
        if found is None or any(np.size(each) > SMALL for each in found):
            kept.append(node)
            continue
        known.update(zip(node.output, map(np.asarray, found), strict=True))
        if outputs & set(node.output):  # an output stays a node's
            kept.append(node)
            continue
        for name in node.output:
            graph.initializer.append(numpy_helper.from_array(known[name], name))
    changed = len(kept) < len(graph.node)
    del graph.node[:]
    graph.node.extend(kept)
    return changed


def _decided(node: NodeProto, known: dict[str, np.ndarray]) -> bool:
    if node.op_type in RANDOM or node.domain not in ("", "ai.onnx") or any(subgraphs(node)):
        return False
    return all(name in known for name in node.input if name) and any(node.input)


def _shapes(proto: ModelProto) -> dict[str, tuple[int, ...]]:
    """Every tensor whose shape is fully known."""
    found = {t.name: tuple(t.dims) for t in proto.graph.initializer}
    for value in (*proto.graph.input, *proto.graph.value_info, *proto.graph.output):
        kind = value.type.tensor_type
        dims = kind.shape.dim
        if kind.HasField("shape") and all(d.HasField("dim_value") for d in dims):
            found.setdefault(value.name, tuple(d.dim_value for d in dims))
    return found
