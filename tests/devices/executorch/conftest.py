"""One model that meets everything the lowering does, lowered once for all tests."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from hwprof.devices.base import ProfiledRun
from hwprof.devices.executorch import ExecuTorchCpu
from hwprof.devices.onnxruntime import OnnxRuntimeCpu
from hwprof.models.base import Model
from hwprof.models.load import load_model

RUNS = 3


def mixed_proto() -> onnx.ModelProto:
    """Fused, delegated and native operators, an open batch and two outputs."""
    rng = np.random.default_rng(0)

    def weight(name: str, *shape: int) -> onnx.TensorProto:
        values = rng.standard_normal(shape) * 0.2
        return numpy_helper.from_array(np.asarray(values, np.float32), name)

    node = helper.make_node
    nodes = [
        node("Conv", ["x", "w1", "b1"], ["a"], name="conv", strides=[2, 2]),
        node("BatchNormalization", ["a", "ones", "b1", "b1", "ones"], ["n"], name="norm"),
        node("Clip", ["n", "low", "high"], ["r"], name="relu6"),
        node("Conv", ["r", "w2"], ["d"], name="depthwise", group=8, pads=[1, 1, 1, 1]),
        node("Add", ["d", "r"], ["s"], name="residual"),
        node("Relu", ["s"], ["t"], name="relu"),
        node("CumSum", ["t", "axis"], ["c"], name="cumsum"),
        node("GlobalAveragePool", ["c"], ["p"], name="pool"),
        node("Flatten", ["p"], ["f"], name="flatten"),
        node("Gemm", ["f", "w3", "b3"], ["y"], name="gemm", transB=1),
    ]
    graph = helper.make_graph(
        nodes,
        "mixed",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", 3, 16, 16])],
        [
            helper.make_tensor_value_info("y", TensorProto.FLOAT, ["batch", 10]),
            helper.make_tensor_value_info("c", TensorProto.FLOAT, ["batch", 8, 7, 7]),
        ],
        [
            *(weight("w1", 8, 3, 3, 3), weight("b1", 8), weight("w2", 8, 1, 3, 3)),
            *(weight("w3", 10, 8), weight("b3", 10)),
            numpy_helper.from_array(np.ones(8, np.float32), "ones"),
            numpy_helper.from_array(np.array(0, np.float32), "low"),
            numpy_helper.from_array(np.array(6, np.float32), "high"),
            numpy_helper.from_array(np.array(1, np.int64), "axis"),
        ],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


@dataclass(frozen=True)
class Measured:
    """What a session told about the mixed model."""

    outputs: tuple[np.ndarray, ...]
    later: tuple[np.ndarray, ...]
    """Outputs after more runs on the same inputs."""
    run: ProfiledRun


def measured(device: ExecuTorchCpu, model: Model) -> Measured:
    with device.open(model) as session:
        first = tuple(each.array() for each in session.outputs())
        session.time(2, 3)
        later = tuple(each.array() for each in session.outputs())
        return Measured(first, later, session.profile(RUNS))


@pytest.fixture(scope="session")
def mixed(tmp_path_factory: pytest.TempPathFactory) -> Model:
    path = tmp_path_factory.mktemp("executorch") / "mixed.onnx"
    onnx.save(mixed_proto(), str(path))
    return load_model(path, batch=2)


@pytest.fixture(scope="session")
def reference(mixed: Model) -> Iterator[tuple[np.ndarray, ...]]:
    with OnnxRuntimeCpu().open(mixed) as session:
        yield tuple(each.array() for each in session.outputs())


@pytest.fixture(scope="session")
def delegated(mixed: Model) -> Measured:
    return measured(ExecuTorchCpu(), mixed)


@pytest.fixture(scope="session")
def portable(mixed: Model) -> Measured:
    return measured(ExecuTorchCpu(backend="portable"), mixed)


@pytest.fixture(scope="session")
def quantised(mixed: Model) -> Measured:
    return measured(ExecuTorchCpu(precision="int8"), mixed)
