"""Memory is bounded for a while, and the bound goes away."""

from __future__ import annotations

import resource

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from hwprof.models.bounded import bounded_memory
from hwprof.models.onnx.infer import infer_shapes, inferred


def test_more_than_the_room_is_refused() -> None:
    before = resource.getrlimit(resource.RLIMIT_AS)
    with pytest.raises(MemoryError), bounded_memory(64 << 20):
        np.empty(1 << 30, np.uint8)
    assert resource.getrlimit(resource.RLIMIT_AS) == before
    with bounded_memory(64 << 20):
        assert np.zeros(1 << 20, np.uint8).sum() == 0


def doubling(times: int) -> onnx.ModelProto:
    """A list of sizes put behind itself over and over: 2 to the power of `times` of them."""
    nodes = [
        helper.make_node("Concat", [f"s{i}", f"s{i}"], [f"s{i + 1}"], axis=0) for i in range(times)
    ]
    graph = helper.make_graph(
        nodes,
        "g",
        [],
        [helper.make_tensor_value_info(f"s{times}", TensorProto.INT64, None)],
        [helper.make_tensor("s0", TensorProto.INT64, [1], [1])],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def test_inference_does_not_fill_the_memory() -> None:
    with pytest.raises((MemoryError, onnx.shape_inference.InferenceError, ValueError)):
        infer_shapes(doubling(40))
    proto = doubling(40)
    assert inferred(proto) is proto
    small = infer_shapes(doubling(3))
    assert small.graph.output[0].type.tensor_type.shape.dim[0].dim_value == 8
