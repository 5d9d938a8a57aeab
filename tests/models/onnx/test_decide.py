"""Copies of models with nothing left to decide."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper

from hwprof.errors import ModelError
from hwprof.models.base import Model
from hwprof.models.load import load_model
from hwprof.models.onnx.decide import decided_copy
from tests.devices.agreement import write_model


def run_onnx(path: Path, feed: dict[str, np.ndarray]) -> list[np.ndarray]:
    outputs: list[np.ndarray] = onnxruntime.InferenceSession(
        str(path), providers=["CPUExecutionProvider"]
    ).run(None, feed)
    return outputs


def test_open_dimensions_are_decided(dynamic_mlp: Path, tmp_path: Path) -> None:
    copy = decided_copy(load_model(dynamic_mlp, batch=3), tmp_path)
    (value,) = onnx.load(str(copy)).graph.input
    assert [d.dim_value for d in value.type.tensor_type.shape.dim] == [3, 8]


def test_weights_are_no_inputs(squeezenet: Path, tmp_path: Path) -> None:
    assert len(onnx.load(str(squeezenet)).graph.input) > 1
    copy = decided_copy(load_model(squeezenet), tmp_path)
    assert [i.name for i in onnx.load(str(copy)).graph.input] == ["data_0"]
    onnx.checker.check_model(str(copy))


def test_weights_of_a_side_file_come_along(external_mlp: Path, tmp_path: Path) -> None:
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    copy = decided_copy(load_model(external_mlp), folder)
    feed = {"x": np.ones((4, 8), np.float32)}
    assert np.array_equal(run_onnx(copy, feed)[0], run_onnx(external_mlp, feed)[0])


@pytest.mark.parametrize("axis", [None, 0, 1, 2, -1])
def test_old_softmax_keeps_its_meaning(axis: int | None, tmp_path: Path) -> None:
    shape = [2, 3, 4]
    axes = {} if axis is None else {"axis": axis}
    path = write_model(
        tmp_path / "softmax.onnx",
        [helper.make_node("Softmax", ["x"], ["y"], **axes)],
        [("x", TensorProto.FLOAT, shape)],
        [("y", TensorProto.FLOAT, shape)],
        opset=11,
    )
    copy = decided_copy(load_model(path), tmp_path)
    feed = {"x": np.random.default_rng(0).random(shape, dtype=np.float32)}
    assert np.allclose(run_onnx(copy, feed)[0], run_onnx(path, feed)[0])
    # What reads it by the rules of today must come to the same.
    proto = onnx.load(str(copy))
    (soft,) = (node for node in proto.graph.node if node.op_type == "Softmax")
    assert [a.name for a in soft.attribute] == ["axis"]
    proto.opset_import[0].version = 17
    onnx.save(proto, str(copy))
    assert np.allclose(run_onnx(copy, feed)[0], run_onnx(path, feed)[0])


def test_a_cut_off_file_is_refused(mlp: Path, tmp_path: Path) -> None:
    subject = load_model(mlp).subject
    broken = tmp_path / "broken.onnx"
    broken.write_bytes(mlp.read_bytes()[:100])
    with pytest.raises(ModelError, match=r"broken\.onnx.*cut off"):
        decided_copy(Model(broken, subject), tmp_path)
