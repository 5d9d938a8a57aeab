"""Shape arithmetic is decided; work is left alone."""

from __future__ import annotations

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from hwprof.convert.tvm.folding import fold_shapes
from hwprof.graph import TensorSpec


def test_shapes_become_numbers_and_work_stays() -> None:
    constant = [
        numpy_helper.from_array(np.array([0], np.int64), "zero"),
        numpy_helper.from_array(np.array([-1], np.int64), "rest"),
        numpy_helper.from_array(np.ones((100, 100), np.float32), "w"),
    ]
    nodes = [
        helper.make_node("Shape", ["x"], ["s"], name="shape"),
        helper.make_node("Gather", ["s", "zero"], ["n"], name="first"),
        helper.make_node("Concat", ["n", "rest"], ["to"], name="to", axis=0),
        helper.make_node("Reshape", ["x", "to"], ["flat"], name="reshape"),
        helper.make_node("MatMul", ["w", "w"], ["ww"], name="large"),
        helper.make_node("Relu", ["flat"], ["y"], name="relu"),
    ]
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 2, 3])],
        [
            helper.make_tensor_value_info("y", TensorProto.FLOAT, None),
            helper.make_tensor_value_info("ww", TensorProto.FLOAT, None),
        ],
        constant,
    )
    proto = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    folded = fold_shapes(proto, [TensorSpec("x", "float32", (5, 2, 3))])
    assert [node.name for node in folded.graph.node] == ["reshape", "large", "relu"]
    target = {t.name: numpy_helper.to_array(t) for t in folded.graph.initializer}["to"]
    assert target.tolist() == [5, -1]
    assert len(proto.graph.node) == 6
    assert folded.graph.output[0].type.tensor_type.shape.dim[1].dim_value == 6


def test_a_shape_that_is_an_output_keeps_its_node() -> None:
    graph = helper.make_graph(
        [helper.make_node("Shape", ["x"], ["y"], name="shape")],
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n"])],
        [helper.make_tensor_value_info("y", TensorProto.INT64, [1])],
    )
    proto = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(proto)
    folded = fold_shapes(proto, [TensorSpec("x", "float32", (5,))])
    assert [node.name for node in folded.graph.node] == ["shape"]
