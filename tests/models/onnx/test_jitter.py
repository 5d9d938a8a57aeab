"""Models whose roundings are left to chance."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from hwprof.devices.onnxruntime import OnnxRuntimeCpu
from hwprof.errors import ModelError
from hwprof.models.base import Model
from hwprof.models.load import load_model
from hwprof.models.onnx import jitter
from hwprof.models.onnx.jitter import jittered_copy

STEP = 0.02


def model_of(
    path: Path, nodes: list[onnx.NodeProto], weights: list[onnx.TensorProto], opset: int = 17
) -> Model:
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [32, 64]) for name in "xy"]
    graph = helper.make_graph(nodes, "m", ends[:1], ends[1:], weights)
    opsets = [helper.make_opsetid("", opset)]
    onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=10), str(path))
    return load_model(path)


def draws(model: Model, count: int) -> list[np.ndarray]:
    with OnnxRuntimeCpu(level="none").open(model) as session:
        return [session.outputs()[0].array().astype(np.float64) for _ in range(count)]


def moved(model: Model, folder: Path, precision: str = "fp32") -> list[np.ndarray]:
    """What two draws differ by from the exact outputs."""
    copy = jittered_copy(model, precision, folder)
    assert copy is not None
    (exact,) = draws(model, 1)
    return [draw - exact for draw in draws(copy, 2)]


def scalar(name: str, value: float, kind: type = np.float32) -> onnx.TensorProto:
    return numpy_helper.from_array(np.array(value, kind), name)


def quantised(path: Path, low: float = 0.2) -> Model:
    """x from 0 to 1, in steps of `STEP`, of which those at `low` steps are zero."""
    nodes = [
        helper.make_node("QuantizeLinear", ["x", "s", "z"], ["q"]),
        helper.make_node("DequantizeLinear", ["q", "s", "z"], ["y"]),
    ]
    return model_of(path, nodes, [scalar("s", STEP), scalar("z", 0, np.uint8)])


def test_steps_move_by_one_and_as_often_as_said(tmp_path: Path) -> None:
    for off in moved(quantised(tmp_path / "q.onnx"), tmp_path):
        steps = np.round(off / STEP)
        assert set(np.unique(steps)) == {-1.0, 0.0, 1.0}
        assert np.abs(steps).mean() == pytest.approx(1 / 12, rel=0.25)
        assert abs(steps.mean()) < 0.02


def test_draws_differ(tmp_path: Path) -> None:
    one, other = moved(quantised(tmp_path / "q.onnx"), tmp_path)
    assert not np.array_equal(one, other)
    copies = [jittered_copy(quantised(tmp_path / "q.onnx"), "fp32", tmp_path, n) for n in (1, 2)]
    assert copies[0] == copies[1]


def test_zeros_and_ends_stay(tmp_path: Path) -> None:
    nodes = [
        helper.make_node("Sub", ["x", "half"], ["c"]),
        helper.make_node("QuantizeLinear", ["c", "s", "z"], ["q"]),
        helper.make_node("DequantizeLinear", ["q", "s", "z"], ["y"]),
    ]
    # Below a half, everything is cut off at 0.
    weights = [scalar("s", STEP), scalar("z", 0, np.uint8), scalar("half", 0.5)]
    model = model_of(tmp_path / "cut.onnx", nodes, weights)
    (exact,) = draws(model, 1)
    assert not moved(model, tmp_path)[0][exact == 0].any()


def test_what_lies_on_its_steps_is_not_moved_again(tmp_path: Path) -> None:
    nodes = [
        helper.make_node("QuantizeLinear", ["x", "s", "z"], ["q"]),
        helper.make_node("DequantizeLinear", ["q", "s", "z"], ["d"]),
        helper.make_node("Relu", ["d"], ["r"]),
        helper.make_node("QuantizeLinear", ["r", "s", "z"], ["q2"]),
        helper.make_node("DequantizeLinear", ["q2", "s", "z"], ["y"]),
    ]
    model = model_of(tmp_path / "twice.onnx", nodes, [scalar("s", STEP), scalar("z", 0, np.uint8)])
    share = np.abs(np.round(moved(model, tmp_path)[0] / STEP)).mean()
    assert share == pytest.approx(1 / 12, rel=0.25)


def test_each_element_in_half_precision_moves_by_a_unit_roundoff(tmp_path: Path) -> None:
    nodes = [
        helper.make_node("Cast", ["x"], ["h"], to=TensorProto.FLOAT16),
        helper.make_node("Add", ["h", "one"], ["s"]),
        helper.make_node("Cast", ["s"], ["y"], to=TensorProto.FLOAT),
    ]
    model = model_of(tmp_path / "half.onnx", nodes, [scalar("one", 1, np.float16)])
    largest = np.abs(moved(model, tmp_path)[0]).max()
    assert 2.0**-11 < largest < 2.0**-8


def test_a_device_of_few_bits_moves_floats(tmp_path: Path) -> None:
    nodes = [helper.make_node("Sigmoid", ["x"], ["y"])]
    model = model_of(tmp_path / "floats.onnx", nodes, [])
    assert jittered_copy(model, "fp32", tmp_path) is None
    assert 0 < np.abs(moved(model, tmp_path, "bf16")[0]).max() <= 2.0**-8


@pytest.mark.parametrize("opset", [17, 21])
def test_products_with_weights_of_few_bits_round_what_they_read(tmp_path: Path, opset: int) -> None:
    rng = np.random.default_rng(0)
    w = numpy_helper.from_array(rng.integers(-8, 8, (64, 64)).astype(np.int8), "w")
    nodes = [
        helper.make_node("DequantizeLinear", ["w", "s", "z"], ["d"]),
        helper.make_node("MatMul", ["x", "d"], ["y"]),
    ]
    weights = [w, scalar("s", STEP), scalar("z", 0, np.int8)]
    model = model_of(tmp_path / "few.onnx", nodes, weights, opset)
    (exact,) = draws(model, 1)
    off = moved(model, tmp_path)[0]
    assert 1e-4 < np.linalg.norm(off) / np.linalg.norm(exact) < 0.05


def test_branches_are_moved_too(tmp_path: Path) -> None:
    def branch(name: str) -> onnx.GraphProto:
        nodes = [
            helper.make_node("QuantizeLinear", ["x", "s", "z"], [f"{name}_q"]),
            helper.make_node("DequantizeLinear", [f"{name}_q", "s", "z"], [name]),
        ]
        end = helper.make_tensor_value_info(name, TensorProto.FLOAT, [32, 64])
        return helper.make_graph(
            nodes, name, [], [end], [scalar("s", STEP), scalar("z", 0, np.uint8)]
        )

    node = helper.make_node(
        "If", ["yes"], ["y"], then_branch=branch("then"), else_branch=branch("other")
    )
    model = model_of(tmp_path / "if.onnx", [node], [scalar("yes", 1, np.bool_)])
    assert moved(model, tmp_path)[0].any()


def test_large_models_are_not_tried(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jitter, "LARGEST_BYTES", 10)
    with pytest.raises(ModelError, match="too large"):
        jittered_copy(quantised(tmp_path / "q.onnx"), "fp32", tmp_path)
