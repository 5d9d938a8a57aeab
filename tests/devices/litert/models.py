"""Small ONNX models, and running them in LiteRT and in ONNX Runtime on the same inputs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
from onnx import helper, numpy_helper

from hwprof.devices.litert import LiteRtCpu
from hwprof.models.inputs import tensors_of
from hwprof.models.load import load_model

Arrays = Mapping[str, np.ndarray]


def node(op: str, reads: str, writes: str, **attributes: Any) -> onnx.NodeProto:
    """A node named after what it writes; tensors are given as words, `_` for one left out."""
    inputs = ["" if name == "_" else name for name in reads.split()]
    return helper.make_node(op, inputs, writes.split(), name=writes.split()[0], **attributes)


def save(
    path: Path,
    nodes: Sequence[onnx.NodeProto],
    inputs: Mapping[str, Sequence[int | str]],
    outputs: Sequence[str],
    constants: Arrays | None = None,
    opset: int = 17,
    dtype: int = onnx.TensorProto.FLOAT,
) -> Path:
    """Write a model; the shapes of its outputs are left to whoever reads it."""
    graph = helper.make_graph(
        nodes,
        "small",
        [helper.make_tensor_value_info(name, dtype, shape) for name, shape in inputs.items()],
        [helper.make_empty_tensor_value_info(name) for name in outputs],
        [numpy_helper.from_array(array, name) for name, array in (constants or {}).items()],
    )
    proto = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)
    inferred = onnx.shape_inference.infer_shapes(proto)
    del proto.graph.output[:]
    proto.graph.output.extend(inferred.graph.output)
    onnx.save(proto, str(path))
    return path


def expected(path: Path) -> list[np.ndarray]:
    """What ONNX Runtime computes on hwprof's own inputs."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    feed = tensors_of(load_model(path))
    found: list[np.ndarray] = session.run(None, feed)
    return found


def computed(path: Path, delegate: str) -> list[np.ndarray]:
    """What LiteRT computes on the same inputs."""
    device = LiteRtCpu.create({"delegate": delegate})
    with device.open(load_model(path)) as session:
        return [output.array() for output in session.outputs()]


def weights(*shape: int, seed: int = 0) -> np.ndarray:
    """Random float32 numbers around zero."""
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def positive(*shape: int, seed: int = 1) -> np.ndarray:
    """Random float32 numbers from 0.5 to 1.5."""
    return np.random.default_rng(seed).uniform(0.5, 1.5, shape).astype(np.float32)


def assert_same(path: Path, delegate: str) -> None:
    """Hold LiteRT's outputs against ONNX Runtime's: type, shape, and values to 1e-4."""
    found, wanted = computed(path, delegate), expected(path)
    assert len(found) == len(wanted)
    for one, two in zip(found, wanted, strict=True):
        assert (one.dtype, one.shape) == (two.dtype, two.shape)
        largest = max(float(np.abs(two.astype(np.float64)).max()), 1e-6)
        np.testing.assert_allclose(one, two, rtol=0, atol=1e-4 * largest)
