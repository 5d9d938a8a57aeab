"""Small ONNX models for the torch device."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper


def model_file(
    path: Path,
    nodes: Sequence[onnx.NodeProto],
    inputs: dict[str, tuple[int, ...]],
    outputs: Sequence[str],
    weights: dict[str, np.ndarray] | None = None,
    opset: int = 17,
) -> Path:
    """Write a model of float inputs; the types and shapes of its outputs are left to the reader."""
    graph = helper.make_graph(
        list(nodes),
        "graph",
        [
            helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
            for name, shape in inputs.items()
        ],
        [helper.make_empty_tensor_value_info(name) for name in outputs],
        [numpy_helper.from_array(value, name) for name, value in (weights or {}).items()],
    )
    proto = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)
    onnx.save(proto, str(path))
    return path


def convolutional(path: Path) -> Path:
    """conv -> relu -> depthwise conv -> residual sum -> pool -> flatten -> fc -> softmax."""
    rng = np.random.default_rng(0)

    def weight(*shape: int) -> np.ndarray:
        return (rng.standard_normal(shape) * 0.1).astype(np.float32)

    nodes = [
        helper.make_node("Conv", ["x", "w1", "b1"], ["a"], name="stem/conv", pads=[1] * 4),
        helper.make_node("Relu", ["a"], ["r"], name="stem/relu"),
        helper.make_node("Conv", ["r", "w2"], ["c"], name="dw", pads=[1] * 4, group=8),
        helper.make_node("Add", ["c", "r"], ["s"], name="sum"),
        helper.make_node("GlobalAveragePool", ["s"], ["g"], name="pool"),
        helper.make_node("Flatten", ["g"], ["f"], name="flat"),
        helper.make_node("Gemm", ["f", "w3", "b3"], ["l"], name="fc", transB=1),
        helper.make_node("Softmax", ["l"], ["y"], name="softmax", axis=-1),
    ]
    weights = {
        "w1": weight(8, 3, 3, 3),
        "b1": weight(8),
        "w2": weight(8, 1, 3, 3),
        "w3": weight(10, 8),
        "b3": weight(10),
    }
    return model_file(path, nodes, {"x": (1, 3, 16, 16)}, ["y"], weights)


NODES = ("stem/conv", "stem/relu", "dw", "sum", "pool", "flat", "fc", "softmax")
"""Names of the nodes of `convolutional`, in order."""
