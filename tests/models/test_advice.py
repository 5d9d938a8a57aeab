"""The last words of a message fit what went wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from hwprof.errors import ModelError
from hwprof.graph import TensorSpec
from hwprof.models.advice import foreign_operator, to_open, to_run
from hwprof.models.load import load_model

INPUTS = (TensorSpec("x", "float32", (1, 4)), TensorSpec("ids", "int64", (1, 8)))
KEPT = "export it otherwise"


@pytest.mark.parametrize(
    "reason",
    [
        "indices element out of data bounds, idx=7 must be within the inclusive range [-5,4]",
        "index out of range in self",
        "INDICES_ELEMENT index 3 is out of bounds for axis 0 with size 1",
    ],
)
def test_a_value_is_not_a_shape(reason: str) -> None:
    advice = to_run(reason, INPUTS)
    assert "--input ids=..." in advice
    assert "--shape" not in advice


@pytest.mark.parametrize(
    "reason",
    [
        "Input initial_h must have shape {1,4,20}. Actual:{1,1,20}",
        "mat1 and mat2 shapes cannot be multiplied (1x4 and 5x2)",
        "The size of tensor a (4) must match the size of tensor b (5)",
    ],
)
def test_shapes_that_do_not_fit_are_listed(reason: str) -> None:
    advice = to_run(reason, INPUTS)
    assert "(x float32[1,4], ids int64[1,8])" in advice
    assert "--shape" in advice


def test_what_is_not_told_gets_both() -> None:
    advice = to_run("error code 3")
    assert "--input" in advice
    assert "--shape" in advice


def test_a_missing_kernel_is_no_operator_set() -> None:
    reason = "9 : NOT_IMPLEMENTED : Could not find an implementation for MatMul(13)"
    for advice in (to_open(reason, KEPT), to_run(reason)):
        assert "operator set" not in advice
        assert "float32" in advice


def test_operators_of_others_are_named() -> None:
    reason = "Fatal error: com.acme:MyOp(-1) is not a registered function/op"
    assert foreign_operator(reason) == ("com.acme", "MyOp")
    assert "library that has MyOp with --custom-ops" in to_open(reason, KEPT)
    assert foreign_operator("nothing of the kind") is None


def test_a_locale_is_to_be_installed() -> None:
    reason = "Failed to construct locale with name:en_US.UTF-8:locale::facet::_S_create_c_locale"
    assert "'locale-gen en_US.UTF-8'" in to_open(reason, KEPT)


def test_anything_else_keeps_the_words_of_the_runtime() -> None:
    assert to_open("it fell over", KEPT) == KEPT


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("m.xml", "OpenVINO's own format"),
        ("m.pt", "never loads"),
        ("m.PTH", "torch.export.save"),
        ("m.safetensors", "weights alone"),
        ("m.keras", "tf2onnx"),
        ("m.mnn", "device of that runtime"),
    ],
)
def test_known_formats_that_are_not_opened_say_what_to_do(
    tmp_path: Path, name: str, says: str
) -> None:
    path = tmp_path / name
    path.write_bytes(b"\x80\x02something else")
    with pytest.raises(ModelError, match=says):
        load_model(path)


def test_a_model_by_another_name_opens(mlp: Path, tmp_path: Path) -> None:
    path = tmp_path / "mlp.pt"
    path.write_bytes(mlp.read_bytes())
    assert load_model(path).format == "onnx"


def test_a_file_that_is_not_there_is_not_explained_by_its_name(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="there is no file"):
        load_model(tmp_path / "m.pt")
