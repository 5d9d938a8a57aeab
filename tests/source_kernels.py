"""Kernels of a model file as written, by ONNX shape inference: optimised ones must agree."""

from __future__ import annotations

from pathlib import Path

import onnx

from hwprof.graph import Kernel, TensorSpec
from hwprof.models.onnx.attributes import canonical_attributes
from hwprof.models.onnx.elements import onnx_dtype
from hwprof.models.onnx.graph import node_names


def source_kernels(path: Path) -> dict[str, Kernel]:
    """Kernels by node name, of a model whose shapes are all decided."""
    model = onnx.shape_inference.infer_shapes(onnx.load(path), strict_mode=True)
    graph = model.graph
    constant = {t.name for t in graph.initializer}
    specs: dict[str, TensorSpec] = {}
    for value in (*graph.input, *graph.value_info, *graph.output):
        kind = value.type.tensor_type
        shape = tuple(d.dim_value for d in kind.shape.dim)
        dtype = onnx_dtype(kind.elem_type)
        specs[value.name] = TensorSpec(value.name, dtype, shape, value.name in constant)
    kernels = {}
    for name, node in zip(node_names(graph), graph.node, strict=True):
        inputs = tuple(specs[i] if i else None for i in node.input)
        outputs = tuple(specs.get(o) for o in node.output)
        kernels[name] = Kernel(
            "", node.op_type, canonical_attributes(node, inputs, 9), inputs, outputs
        )
    return kernels
