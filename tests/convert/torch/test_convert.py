"""ONNX models as torch modules: they compute the same, and say which node each call is."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper

from hwprof.convert.torch.module import source_nodes, to_module
from hwprof.devices.torch.eager_profile import is_call
from hwprof.errors import ModelError
from hwprof.models.load import load_model
from hwprof.spaces import get, names
from tests.devices.torch.agreement import folder_of, reference, tensors, worst
from tests.devices.torch.graphs import NODES, convolutional, model_file

# Of torch.export, about torch's own code.
pytestmark = pytest.mark.filterwarnings("ignore:.*LeafSpec.*:FutureWarning")

LIGHT = ["bvlc_alexnet", "densenet121", "inception_v1", "inception_v2", "resnet50", "shufflenet"]
LIGHT += ["squeezenet", "vgg19", "zfnet512"]
SPACES = names()


def agreement(path: Path, **decided: object) -> float:
    model = load_model(path, **decided)  # type: ignore[arg-type]
    module = to_module(path, model.subject)
    with torch.inference_mode():
        got = module(*tensors(model))
    return worst(reference(model), got)


@pytest.mark.parametrize("name", LIGHT)
def test_light_models_agree(name: str, light: Path) -> None:
    assert agreement(light / f"light_{name}.onnx") < 1e-5


@pytest.mark.parametrize("name", SPACES)
def test_models_of_the_search_spaces_agree(name: str, tmp_path: Path) -> None:
    space = get(name)
    rng = np.random.default_rng(1)
    row = np.array([rng.integers(len(position.choices)) for position in space.positions])
    path = tmp_path / "model.onnx"
    onnx.save(space.build(row), str(path))
    assert agreement(path) < 1e-4


def test_trained_models_agree(magika_model: Path) -> None:
    # Its layer normalisation subtracts squares, which loses three digits in float32.
    assert agreement(magika_model, batch=2) < 1e-3
    models = folder_of("rapidocr_onnxruntime") / "models"
    shapes = {"x": (1, 3, 48, 192)}
    assert agreement(models / "ch_ppocr_mobile_v2.0_cls_infer.onnx", shapes=shapes) < 1e-4
    assert agreement(models / "ch_PP-OCRv4_rec_infer.onnx", shapes=shapes) < 1e-4


def test_two_inputs_in_the_subjects_order(two_inputs: Path) -> None:
    assert agreement(two_inputs, shapes={"ids": (2, 3), "mask": (2, 3, 1)}) == 0


def test_every_call_says_its_node(tmp_path: Path) -> None:
    path = convolutional(tmp_path / "m.onnx")
    model = load_model(path)
    module = to_module(path, model.subject)
    calls = [source_nodes(node) for node in module.graph.nodes if is_call(node)]
    assert calls == [(name,) for name in NODES]


def test_nodes_are_known_after_an_export(tmp_path: Path) -> None:
    path = convolutional(tmp_path / "m.onnx")
    model = load_model(path)
    module = to_module(path, model.subject)
    exported = torch.export.export(module, tensors(model)).run_decompositions()
    found = {name for node in exported.graph.nodes for name in source_nodes(node)}
    assert found == set(NODES)
    (got,) = exported.module()(*tensors(model))
    torch.testing.assert_close(got, module(*tensors(model))[0])


def test_a_linear_layer_is_one_call(mlp: Path) -> None:
    module = to_module(mlp, load_model(mlp).subject)
    calls = [source_nodes(node) for node in module.graph.nodes if is_call(node)]
    assert calls == [("mm", "add"), ("relu",)]
    assert agreement(mlp) < 1e-6


def test_shape_arithmetic_leaves_nothing_behind(tmp_path: Path) -> None:
    nodes = [
        helper.make_node("Shape", ["x"], ["shape"], name="shape"),
        helper.make_node("Gather", ["shape", "zero"], ["rows"], name="rows", axis=0),
        helper.make_node("Unsqueeze", ["rows", "axis"], ["first"], name="first"),
        helper.make_node("Concat", ["first", "rest"], ["wanted"], name="wanted", axis=0),
        helper.make_node("Reshape", ["x", "wanted"], ["y"], name="reshape"),
    ]
    weights = {
        "zero": np.array(0, np.int64),
        "axis": np.array([0], np.int64),
        "rest": np.array([-1], np.int64),
    }
    path = model_file(tmp_path / "m.onnx", nodes, {"x": (4, 2, 3)}, ["y"], weights)
    module = to_module(path, load_model(path).subject)
    assert [source_nodes(n) for n in module.graph.nodes if is_call(n)] == [("reshape",)]
    assert agreement(path) == 0


def test_a_known_condition_takes_its_branch(tmp_path: Path) -> None:
    def branch(op: str) -> onnx.GraphProto:
        node = helper.make_node(op, ["x"], [f"{op}_out"], name=op)
        output = helper.make_tensor_value_info(f"{op}_out", TensorProto.FLOAT, [2])
        return helper.make_graph([node], op, [], [output])

    nodes = [
        helper.make_node(
            "If", ["yes"], ["y"], name="if", then_branch=branch("Neg"), else_branch=branch("Abs")
        )
    ]
    weights = {"yes": np.array(True)}
    path = model_file(tmp_path / "m.onnx", nodes, {"x": (2,)}, ["y"], weights)
    module = to_module(path, load_model(path).subject)
    assert [source_nodes(n) for n in module.graph.nodes if is_call(n)] == [("if/Neg",)]
    assert agreement(path) == 0


@pytest.mark.parametrize("floats", [torch.bfloat16, torch.float16])
def test_another_precision_reaches_every_tensor(floats: torch.dtype, tmp_path: Path) -> None:
    path = convolutional(tmp_path / "m.onnx")
    model = load_model(path)
    module = to_module(path, model.subject, floats)
    (got,) = module(*(value.to(floats) for value in tensors(model)))
    assert got.dtype == floats
    assert {parameter.dtype for parameter in module.parameters()} == {floats}
    assert worst(reference(model), [got.float()]) < 2e-2


def test_an_unknown_operator_is_named(tmp_path: Path) -> None:
    nodes = [helper.make_node("NonZero", ["x"], ["y"], name="find/it")]
    path = model_file(tmp_path / "m.onnx", nodes, {"x": (2, 2)}, ["y"])
    with pytest.raises(ModelError, match=r"node 'find/it' \(NonZero\)"):
        to_module(path, load_model(path).subject)


def test_a_shape_that_only_a_run_decides_is_refused(tmp_path: Path) -> None:
    nodes = [
        helper.make_node("Cast", ["s"], ["wanted"], name="cast", to=TensorProto.INT64),
        helper.make_node("Reshape", ["x", "wanted"], ["y"], name="open"),
    ]
    path = model_file(tmp_path / "m.onnx", nodes, {"x": (2, 2), "s": (1,)}, ["y"])
    with pytest.raises(ModelError, match=r"node 'open' \(Reshape\) computes its shape"):
        to_module(path, load_model(path).subject)


def test_names_from_the_file_never_become_code(tmp_path: Path) -> None:
    hostile = 'x"); __import__("os").abort(); ("'
    nodes = [helper.make_node("Add", [hostile, "import\nos"], ["y"], name="class")]
    weights = {"import\nos": np.ones((2,), np.float32)}
    path = model_file(tmp_path / "m.onnx", nodes, {hostile: (2,)}, ["y"], weights)
    model = load_model(path)
    module = to_module(path, model.subject)
    assert "abort()" not in module.code
    assert worst(reference(model), module(*tensors(model))) == 0
