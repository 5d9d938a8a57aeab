from __future__ import annotations

from pathlib import Path

import onnx
import pytest
from onnx import TensorProto as T

from hwprof.errors import OptionError
from hwprof.models.load import load_model
from hwprof.models.onnx.batch import batch_axes
from hwprof.models.onnx.file import declared_inputs
from tests.models.onnx.values.build import info, model, node, weights, whole
from tests.small_models import mlp_proto

WEIGHTS = [weights("w", 1, 24, 16), weights("r", 1, 24, 8), weights("b", 1, 48)]


def gru(
    x: list[int | str], state: list[int | str], *before: onnx.NodeProto, read: str = "x"
) -> onnx.ModelProto:
    return model(
        [*before, node("GRU", [read, "w", "r", "b", "", "h"], ["y"], hidden_size=8, name="gru")],
        [info("x", T.FLOAT, x), info("h", T.FLOAT, state)],
        [info("y", T.FLOAT, None)],
        WEIGHTS,
    )


def test_models_without_recurrence_have_their_batch_in_front() -> None:
    assert batch_axes(mlp_proto()) == {}


def test_a_recurrent_operation_takes_time_first() -> None:
    axes = batch_axes(gru(["time", "batch", 16], [1, "batch", 8]))
    assert {name: each.axis for name, each in axes.items()} == {"x": 1, "h": 1}
    assert axes["x"].operation == "GRU 'gru'"


@pytest.mark.parametrize(
    ("shape", "before", "axis"),
    [
        (["b", "t", 16], [node("Transpose", ["x"], ["s"], perm=[1, 0, 2])], 0),
        (["t", "b", 16], [node("Relu", ["x"], ["s"])], 1),
        (["t", "b"], [node("Gather", ["table", "x"], ["s"])], 1),
        (
            ["b", 16, 1, "t"],
            [node("Squeeze", ["x", "two"], ["q"]), node("Transpose", ["q"], ["s"], perm=[2, 0, 1])],
            0,
        ),
        (["t", 16], [node("Unsqueeze", ["x", "one"], ["s"])], None),
        (["t", "b", 16], [node("Reshape", ["x", "shape"], ["s"])], None),
    ],
)
def test_the_batch_is_followed_through_what_turns_tensors(
    shape: list[int | str], before: list[onnx.NodeProto], axis: int | None
) -> None:
    proto = gru(shape, [1, "b", 8], *before, read="s")
    if before[0].op_type == "Gather":
        proto.graph.input[0].type.tensor_type.elem_type = T.INT64
    proto.graph.initializer.extend(
        [weights("table", 9, 16), whole("one", [1]), whole("two", [2]), whole("shape", [0, 0, -1])]
    )
    found = batch_axes(proto).get("x")
    assert (None if found is None else found.axis) == axis


def test_a_batch_is_set_where_it_is_and_refused_where_it_is_fixed(tmp_path: Path) -> None:
    path = tmp_path / "m.onnx"
    onnx.save(gru(["time", "batch", 16], [1, "batch", 8]), str(path))
    subject = load_model(path, shapes={"x": (30, -1, 16)}, batch=8).subject
    assert [t.shape for t in subject.inputs] == [(30, 8, 16), (1, 8, 8)]
    assert subject.batch == 8
    with pytest.raises(OptionError, match="'time' of input 'x'"):
        load_model(path, batch=8)
    onnx.save(gru(["time", 1, 16], [1, 1, 8]), str(path))
    with pytest.raises(OptionError, match="fixed at 1"):
        load_model(path, batch=8)
    onnx.save(gru([10, "batch_size", 16], [1, 1, 8]), str(path))
    with pytest.raises(OptionError, match="batches of 4 and 1"):
        load_model(path, shapes={"x": (10, 4, 16)})


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ([1, 0, 64], [1, 0, 64]),
        ([0, 3, 224], ["", 3, 224]),
        ([1, 3, 0, 0], [1, 3, "", ""]),
        (["-1", 3, "None", "?"], ["", 3, "", ""]),
        (["unk__12", "unk__12", "dyn"], ["", "", "dyn"]),
        (["batch", -1], ["batch", ""]),
    ],
)
def test_dimensions_that_mean_open_and_those_that_are_empty(
    written: list[int | str], read: list[int | str]
) -> None:
    proto = model([node("Relu", ["x"], ["y"])], [info("x", 1, written)], [info("y", 1, None)])
    assert declared_inputs(proto) == [("x", "float32", read)]
