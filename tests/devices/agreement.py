"""Holds a runtime's outputs against ONNX Runtime's, on the inputs that are timed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
from onnx import NodeProto, TensorProto, helper

from hwprof.devices.base import Device
from hwprof.devices.onnxruntime import OnnxRuntimeCpu
from hwprof.models.base import Model
from hwprof.models.outputs import OutputTensor

TOLERANCE = 1e-3


def outputs_of(device: Device, model: Model) -> tuple[OutputTensor, ...]:
    with device.open(model) as session:
        return session.outputs()


def assert_agrees(device: Device, model: Model) -> None:
    """Same types, same shapes, and values within a thousandth of the largest."""
    found, expected = outputs_of(device, model), outputs_of(OnnxRuntimeCpu(), model)
    assert [(o.dtype, o.shape) for o in found] == [(o.dtype, o.shape) for o in expected]
    for one, two in zip(found, expected, strict=True):
        values, truth = (o.array().astype(np.float64) for o in (one, two))
        assert np.abs(values - truth).max() <= TOLERANCE * np.abs(truth).max()


Port = tuple[str, int, list[int] | None]


def write_model(
    path: Path,
    nodes: list[NodeProto],
    inputs: list[Port],
    outputs: list[Port],
    *,
    weights: list[TensorProto] | None = None,
    opset: int = 17,
) -> Path:
    """Save an ONNX model of a few nodes; a port is name, element type and shape."""
    graph = helper.make_graph(
        nodes,
        path.stem,
        [helper.make_tensor_value_info(*port) for port in inputs],
        [helper.make_tensor_value_info(*port) for port in outputs],
        weights or [],
    )
    domains = {node.domain for node in nodes if node.domain}
    imports = [helper.make_opsetid("", opset), *(helper.make_opsetid(d, 1) for d in domains)]
    onnx.save(helper.make_model(graph, opset_imports=imports, ir_version=8), str(path))
    return path


def several_ends(path: Path) -> Path:
    """Two inputs and four outputs, not in the order in which the nodes compute them.

    One output is read on, and one input is first met by a function that may work in place.
    """
    nodes = [
        helper.make_node("Relu", ["x"], ["b"], name="relu"),
        helper.make_node("Neg", ["b"], ["a"], name="neg"),
        helper.make_node("Sigmoid", ["w"], ["c"], name="sigmoid"),
        helper.make_node("Transpose", ["x"], ["t"], name="turn", perm=[1, 0]),
    ]
    kind = TensorProto.FLOAT
    ports: dict[str, Port] = {
        "x": ("x", kind, [2, 4]),
        "w": ("w", kind, [3]),
        "a": ("a", kind, [2, 4]),
        "b": ("b", kind, [2, 4]),
        "c": ("c", kind, [3]),
        "t": ("t", kind, [4, 2]),
    }
    return write_model(path, nodes, [ports["x"], ports["w"]], [ports[n] for n in "tcab"])


def strange_operator(path: Path) -> Path:
    """A model with an operator that no runtime knows."""
    nodes = [
        helper.make_node("Relu", ["x"], ["a"]),
        helper.make_node("Frobnicate", ["a"], ["y"], domain="com.example"),
    ]
    port = (TensorProto.FLOAT, [1, 8])
    return write_model(path, nodes, [("x", *port)], [("y", *port)])
