"""Small models built on the spot."""

from __future__ import annotations

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper


def mlp_proto(rows: int | str = 4, width: int = 8) -> onnx.ModelProto:
    """x [rows, width] -> MatMul -> Add -> Relu -> y, random weights."""
    rng = np.random.default_rng(0)
    graph = helper.make_graph(
        [
            helper.make_node("MatMul", ["x", "w"], ["a"], name="mm"),
            helper.make_node("Add", ["a", "b"], ["c"], name="add"),
            helper.make_node("Relu", ["c"], ["y"], name="relu"),
        ],
        "mlp",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [rows, width])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [rows, width])],
        [
            numpy_helper.from_array(rng.standard_normal((width, width)).astype(np.float32), "w"),
            numpy_helper.from_array(rng.standard_normal(width).astype(np.float32), "b"),
        ],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
