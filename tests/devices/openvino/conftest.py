"""Models that try what a runtime's front end may get wrong."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import NodeProto, TensorProto, ValueInfoProto, helper, numpy_helper

Saved = Callable[..., Path]


@pytest.fixture
def saved(tmp_path: Path) -> Saved:
    """Writes a model of `nodes`, with weights by name, and returns its path."""

    def save(
        nodes: Sequence[NodeProto],
        inputs: Sequence[ValueInfoProto],
        outputs: Sequence[ValueInfoProto],
        weights: dict[str, np.ndarray] | None = None,
        domain: str = "",
    ) -> Path:
        stored = [numpy_helper.from_array(v, k) for k, v in (weights or {}).items()]
        graph = helper.make_graph(list(nodes), "g", list(inputs), list(outputs), stored)
        opsets = [helper.make_opsetid("", 17)]
        if domain:
            opsets.append(helper.make_opsetid(domain, 1))
        path = tmp_path / "model.onnx"
        onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=8), str(path))
        return path

    return save


@pytest.fixture
def quantised(saved: Saved) -> Path:
    """A convolution between QuantizeLinear and DequantizeLinear, as quantisers write them."""
    value, node = helper.make_tensor_value_info, helper.make_node
    rng = np.random.default_rng(0)
    weights = {
        "wq": rng.integers(-100, 100, (32, 16, 3, 3)).astype(np.int8),
        "ws": np.float32(0.02),
        "wz": np.int8(0),
        "xs": np.float32(0.01),
        "xz": np.uint8(0),
        "ys": np.float32(0.5),
    }
    return saved(
        [
            node("QuantizeLinear", ["x", "xs", "xz"], ["xq"], name="q1"),
            node("DequantizeLinear", ["xq", "xs", "xz"], ["xd"], name="d1"),
            node("DequantizeLinear", ["wq", "ws", "wz"], ["wd"], name="dw"),
            node("Conv", ["xd", "wd"], ["c"], name="conv", pads=[1, 1, 1, 1]),
            node("Relu", ["c"], ["r"], name="relu"),
            node("QuantizeLinear", ["r", "ys", "xz"], ["rq"], name="q2"),
            node("DequantizeLinear", ["rq", "ys", "xz"], ["y"], name="d2"),
        ],
        [value("x", TensorProto.FLOAT, [1, 16, 56, 56])],
        [value("y", TensorProto.FLOAT, [1, 32, 56, 56])],
        {name: np.asarray(array) for name, array in weights.items()},
    )


@pytest.fixture
def mixed(saved: Saved) -> Path:
    """Boolean, double, scalar and integer inputs; outputs declared in another order than made."""
    value, node = helper.make_tensor_value_info, helper.make_node
    return saved(
        [
            node("Where", ["b", "d", "s"], ["w"], name="where"),
            node("Split", ["w"], ["o1", "o2"], name="split", axis=0),
            node("Add", ["i", "i"], ["o3"], name="twice"),
        ],
        [
            value("b", TensorProto.BOOL, [4, 4]),
            value("d", TensorProto.DOUBLE, [4, 4]),
            value("s", TensorProto.DOUBLE, []),
            value("i", TensorProto.INT64, [3]),
        ],
        [
            value("o3", TensorProto.INT64, [3]),
            value("o2", TensorProto.DOUBLE, [2, 4]),
            value("o1", TensorProto.DOUBLE, [2, 4]),
        ],
    )
