"""Small models written down: they pass ONNX's checks, run, and are the same each time."""

import numpy as np
import onnx
import onnxruntime

from hwprof.models.onnx.write import IR_VERSION, OPSET, Node, onnx_model

WEIGHT = np.arange(6, dtype=np.float32).reshape(3, 2)


def model(**options):
    nodes = [
        Node("MatMul", "product", ["x", "w"], ["h"]),
        Node("Transpose", "turn", ["h"], ["y"], {"perm": [1, 0]}),
    ]
    ends = [("x", "float32", (4, 3))], [("y", "float32", (2, 4))]
    return onnx_model("small", nodes, *ends, [("w", WEIGHT)], **options)


def test_a_model_holds_what_was_written():
    found = model()
    onnx.checker.check_model(found, full_check=True)
    assert (found.graph.name, found.ir_version) == ("small", IR_VERSION)
    assert [(o.domain, o.version) for o in found.opset_import] == [("", OPSET)]
    assert [node.name for node in found.graph.node] == ["product", "turn"]
    x = np.ones((4, 3), dtype=np.float32)
    session = onnxruntime.InferenceSession(found.SerializeToString())
    (y,) = session.run(None, {"x": x})
    np.testing.assert_array_equal(y, (x @ WEIGHT).T)


def test_element_types_are_numpys():
    nodes = [Node("Gather", "rows", ["table", "at"], ["y"], {"axis": 0})]
    ends = [("at", "int64", (2,))], [("y", "float32", (2, 2))]
    found = onnx_model("rows", nodes, *ends, [("table", WEIGHT)])
    onnx.checker.check_model(found, full_check=True)
    assert found.graph.input[0].type.tensor_type.elem_type == onnx.TensorProto.INT64


def test_the_same_model_is_the_same_bytes():
    assert model().SerializeToString() == model().SerializeToString()


def test_a_producer_is_written_only_where_it_is_named():
    assert not model().HasField("producer_name")
    assert model(producer="hwprof").producer_name == "hwprof"
