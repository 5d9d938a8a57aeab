"""What stands between a model's numbers and plain floats."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from hwprof.models.load import load_model
from hwprof.models.numerics import Numerics, numerics_of


def numerics(
    path: Path,
    nodes: list[onnx.NodeProto],
    weights: list[onnx.TensorProto] | None = None,
    functions: list[onnx.FunctionProto] | None = None,
) -> Numerics:
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [2, 4]) for name in "xy"]
    graph = helper.make_graph(nodes, "m", ends[:1], ends[1:], weights or [])
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("own", 1)]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=8, functions=functions or [])
    onnx.save(model, str(path))
    return numerics_of(load_model(path))


def stored(name: str, value: object, kind: type) -> onnx.TensorProto:
    return numpy_helper.from_array(np.array(value, kind), name)


def test_plain_floats(tmp_path: Path) -> None:
    found = numerics(tmp_path / "m.onnx", [helper.make_node("Relu", ["x"], ["y"])])
    assert found == Numerics()
    assert found.plain


def test_steps_of_the_outputs(tmp_path: Path) -> None:
    weights = [stored("s", 0.5, np.float32), stored("z", 0, np.uint8)]
    nodes = [
        helper.make_node("QuantizeLinear", ["x", "s", "z"], ["q"]),
        helper.make_node("DequantizeLinear", ["q", "s", "z"], ["d"]),
        helper.make_node("Relu", ["d"], ["y"]),
    ]
    found = numerics(tmp_path / "m.onnx", nodes, weights)
    assert (found.quantised, found.steps, found.text) == (True, (0.5,), "quantised")


def test_halves_inside(tmp_path: Path) -> None:
    nodes = [
        helper.make_node("Cast", ["x"], ["h"], to=TensorProto.FLOAT16),
        helper.make_node("Cast", ["h"], ["y"], to=TensorProto.FLOAT),
    ]
    assert numerics(tmp_path / "m.onnx", nodes).low == "float16"


@pytest.mark.parametrize("place", ["graph", "branch", "function"])
def test_random_numbers_are_found_wherever_they_are_drawn(tmp_path: Path, place: str) -> None:
    draw = helper.make_node("RandomUniformLike", ["x"], ["y"])
    functions: list[onnx.FunctionProto] = []
    nodes, weights = [draw], [stored("yes", True, np.bool_)]
    if place == "branch":
        end = helper.make_tensor_value_info("b", TensorProto.FLOAT, [2, 4])
        inner = helper.make_node("RandomUniformLike", ["x"], ["b"])
        graph = helper.make_graph([inner], "b", [], [end])
        nodes = [helper.make_node("If", ["yes"], ["y"], then_branch=graph, else_branch=graph)]
    elif place == "function":
        opsets = [helper.make_opsetid("", 17)]
        functions = [helper.make_function("own", "Draw", ["x"], ["y"], [draw], opsets)]
        nodes = [helper.make_node("Draw", ["x"], ["y"], domain="own")]
    assert numerics(tmp_path / "m.onnx", nodes, weights, functions).random == "RandomUniformLike"


@pytest.mark.parametrize(("trains", "random"), [(True, "Dropout"), (False, "")])
def test_dropout_draws_where_it_trains(tmp_path: Path, trains: bool, random: str) -> None:
    weights = [stored("ratio", 0.5, np.float32), stored("trains", trains, np.bool_)]
    node = helper.make_node("Dropout", ["x", "ratio", "trains"], ["y"])
    assert numerics(tmp_path / "m.onnx", [node], weights).random == random
