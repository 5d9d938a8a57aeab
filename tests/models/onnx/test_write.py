"""Models written from code."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from hwprof.graph import TensorSpec
from hwprof.models.onnx.write import IR_VERSION, OPSET, Node, write_model

NODES = [
    Node("Conv", "wide", ("x", "w"), ("a",), {"pads": [1, 1, 1, 1], "group": 1}),
    Node("Shape", "shape", ("a",), ("y",)),
]
INPUTS = [TensorSpec("x", "float16", (1, 2, 4, 4))]
OUTPUTS = [TensorSpec("y", "int64", (4,))]
WEIGHT = np.arange(54, dtype=np.float16).reshape(3, 2, 3, 3)


def written(**options: str) -> onnx.ModelProto:
    return write_model("net", NODES, INPUTS, OUTPUTS, [("w", WEIGHT)], **options)


def test_a_model_has_the_parts_in_their_order() -> None:
    model = written()
    onnx.checker.check_model(model, full_check=True)
    assert model.graph.name == "net"
    assert model.ir_version == IR_VERSION
    assert [(o.domain, o.version) for o in model.opset_import] == [("", OPSET)]
    conv, shape = model.graph.node
    assert (conv.op_type, conv.name, [*conv.input], [*conv.output]) == (
        *("Conv", "wide"),
        *(["x", "w"], ["a"]),
    )
    found = {a.name: onnx.helper.get_attribute_value(a) for a in conv.attribute}
    assert found == {"pads": [1, 1, 1, 1], "group": 1}
    assert (shape.op_type, len(shape.attribute)) == ("Shape", 0)
    (x,), (y,), (w,) = model.graph.input, model.graph.output, model.graph.initializer
    assert x.type.tensor_type.elem_type == onnx.TensorProto.FLOAT16
    assert [d.dim_value for d in x.type.tensor_type.shape.dim] == [1, 2, 4, 4]
    assert y.type.tensor_type.elem_type == onnx.TensorProto.INT64
    assert w.name == "w"
    np.testing.assert_array_equal(numpy_helper.to_array(w), WEIGHT)


def test_a_producer_is_named_only_where_one_is_given() -> None:
    assert not written().HasField("producer_name")
    assert written(producer="hwprof").producer_name == "hwprof"


def test_the_same_parts_give_the_same_bytes() -> None:
    one, other = (written().SerializeToString(deterministic=True) for _ in range(2))
    assert one == other


def test_an_end_needs_a_type_that_numpy_has() -> None:
    with pytest.raises(TypeError, match="opaque"):
        write_model("net", NODES, [TensorSpec("x", "opaque", ())], OUTPUTS)
