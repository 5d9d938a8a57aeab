"""Whatever a notebook hands to `measure` is taken, or refused in one sentence."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto

import hwprof
from hwprof.errors import HwprofError, ModelError, OptionError
from hwprof.graph import TensorSpec
from hwprof.profiler.arguments import check_batch, check_model, check_settings, check_shapes
from hwprof.profiler.plan import Plan
from tests.models_of_reports.watching import Watched
from tests.small_models import mlp_proto

QUICK = Plan(precision=0.3, budget_s=0.2, per_op=False)


def session() -> object:
    import onnxruntime

    content = mlp_proto().SerializeToString()
    return onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])


def unloaded() -> onnx.ModelProto:
    """A model whose weights were left in the file beside it."""
    proto = mlp_proto()
    weights = proto.graph.initializer[0]
    onnx.external_data_helper.set_external_data(weights, "weights.bin")
    weights.data_location = TensorProto.EXTERNAL
    weights.ClearField("raw_data")
    return proto


def enormous() -> onnx.ModelProto:
    """A model that says that it holds 4 GiB of weights."""
    proto = mlp_proto()
    proto.graph.initializer[0].dims[:] = [2**15, 2**15]
    return proto


NO_MODEL = [
    (None, "got None"),
    (3, "got 3"),
    (b"\x08\x08", "onnx.load_from_string"),
    ([mlp_proto()], "hwprof.sweep"),
    (np.ones(3), "type ndarray"),
    (mlp_proto().graph, "make_model"),
    (onnx.ModelProto, "the class ModelProto"),
    (session(), "that the session was made from"),
    ("", "path is empty"),
]


@pytest.mark.parametrize(("model", "says"), NO_MODEL)
def test_what_is_no_model_is_refused_with_what_to_give(model: Any, says: str) -> None:
    with pytest.raises(OptionError) as refused:
        check_model(model)
    one_sentence(refused.value, says)


@pytest.mark.parametrize(
    ("model", "says"),
    [(unloaded(), "'weights.bin'"), (enormous(), "save_as_external_data")],
    ids=["weights elsewhere", "too large"],
)
def test_a_model_that_cannot_be_written_is_refused(model: onnx.ModelProto, says: str) -> None:
    with pytest.raises(ModelError) as refused:
        check_model(model)
    one_sentence(refused.value, says)


def test_models_pass() -> None:
    for model in ("model.onnx", Path("model.pt2"), mlp_proto(), mlp_proto("batch")):
        check_model(model)


@pytest.mark.runtimes
def test_modules_and_programs_pass() -> None:
    import torch

    module = torch.nn.Linear(4, 4).eval()
    check_model(module)
    check_model(torch.export.export(module, (torch.ones(1, 4),)))


@pytest.mark.parametrize(
    ("shapes", "says"),
    [
        ((8, 64), "type tuple"),
        ("x=8,64", "'x=8,64'"),
        ({0: (8, 64)}, "got 0 as a name"),
        ({"x": 8}, "got 8"),
        ({"x": np.array(8)}, "type ndarray"),
        ({"x": None}, "got None"),
        ({"x": "8,64"}, "'8,64'"),
        ({"x": {8, 64}}, "type set"),
        ({"x": (8.0, 64)}, "8.0"),
        ({"x": (True, 64)}, "True"),
        ({"x": (np.bool_(True), 64)}, "type bool"),
        ({"x": ("8", 64)}, "'8'"),
        ({"x": [[8, 64]]}, "type list"),
        ({"x": np.array([8.0, 64.0])}, "8.0"),
    ],
)
def test_what_is_no_shape_is_refused_with_what_to_write(shapes: Any, says: str) -> None:
    with pytest.raises(OptionError) as refused:
        check_shapes(shapes)
    one_sentence(refused.value, says)


def test_shapes_become_plain_whole_numbers() -> None:
    given = {"x": np.array([8, 64]), "y": [np.int32(1)], "z": (), "w": range(2, 4)}
    assert check_shapes(given) == {"x": (8, 64), "y": (1,), "z": (), "w": (2, 3)}
    assert check_shapes({}) == {}
    assert check_shapes(None) is None
    # Whether a size is possible is for the model to say.
    assert check_shapes({"x": (-1, 0)}) == {"x": (-1, 0)}
    checked = check_shapes(given)
    assert checked is not None
    assert all(type(size) is int for shape in checked.values() for size in shape)


@pytest.mark.runtimes
def test_a_shape_of_torch_is_a_shape() -> None:
    import torch

    assert check_shapes({"x": torch.ones(8, 64).shape}) == {"x": (8, 64)}


@pytest.mark.parametrize("batch", [8.0, "8", True, [8], np.float32(8)])
def test_a_batch_is_a_whole_number(batch: Any) -> None:
    with pytest.raises(OptionError) as refused:
        check_batch(batch)
    one_sentence(refused.value, "whole number")


def test_batches_pass() -> None:
    assert check_batch(None) is None
    assert type(check_batch(np.int64(8))) is int


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"device": None}, "hwprof.sweep"),
        ({"device": ["cpu"]}, "type list"),
        ({"plan": {"budget_s": 1}}, "hwprof.Plan"),
        ({"table": "t.db"}, "hwprof.Table.open"),
        ({"name": 3}, "got 3"),
    ],
)
def test_settings_of_other_kinds_are_refused(settings: dict[str, Any], says: str) -> None:
    with pytest.raises(OptionError) as refused:
        check_settings(**settings)
    one_sentence(refused.value, says)


def test_settings_pass(tmp_path: Path) -> None:
    check_settings("onnxruntime-cpu", None, None, None)
    with hwprof.Table.open(tmp_path / "t.db") as table:
        check_settings(Watched(), QUICK, table, "net")


@pytest.mark.parametrize(
    "arguments",
    [
        *({"model": model} for model, _ in NO_MODEL),
        {"model": unloaded()},
        {"shapes": (8, 64)},
        {"shapes": {"x": 8}},
        {"shapes": {"x": (8.0, 8)}},
        {"shapes": {"X": (8, 8)}},
        {"batch": "8"},
        {"batch": 8.0},
        {"batch": 2, "device": ["cpu"]},
        {"batch": 2, "plan": {"budget_s": 1}},
        {"batch": 2, "table": "t.db"},
        {"batch": 2, "name": 3},
    ],
)
def test_measure_raises_nothing_but_its_own(arguments: dict[str, Any]) -> None:
    with pytest.raises(HwprofError) as refused:
        hwprof.measure(**{"model": mlp_proto("n"), "plan": QUICK, **arguments})
    one_sentence(refused.value, "")
    # Refused here, not by the worker that was sent it.
    assert "worker" not in str(refused.value)


def test_measure_takes_shapes_of_numpy() -> None:
    measured = hwprof.measure(mlp_proto("n"), plan=QUICK, shapes={"x": np.array([2, 8])})
    assert measured.subject.inputs == (TensorSpec("x", "float32", (2, 8)),)


def one_sentence(error: HwprofError, says: str) -> None:
    """A refusal names what is wrong and ends in what to do, on one line."""
    text = str(error)
    assert says in text
    assert "; " in text
    assert "\n" not in text
