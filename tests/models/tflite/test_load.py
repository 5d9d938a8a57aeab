"""LiteRT model files as subjects."""

from __future__ import annotations

from pathlib import Path

import pytest

from hwprof.errors import ModelError, OptionError
from hwprof.graph import TensorSpec
from hwprof.models.load import load_model
from tests.devices.litert.conftest import mlp_tflite, open_rows

__all__ = ["mlp_tflite", "open_rows"]


def test_inputs_are_those_of_the_file(mlp_tflite: Path) -> None:
    model = load_model(mlp_tflite)
    assert model.format == "tflite"
    assert model.subject.inputs == (TensorSpec("x", "float32", (4, 8)),)
    assert (model.subject.name, model.subject.batch) == ("mlp", 4)
    assert load_model(mlp_tflite, name="other").subject.name == "other"
    with pytest.raises(OptionError, match="fixed at 4,8"):
        load_model(mlp_tflite, shapes={"x": (5, 8)})


def test_open_dimensions_are_decided(open_rows: Path) -> None:
    assert load_model(open_rows, batch=6).subject.inputs[0].shape == (6, 8)
    assert load_model(open_rows, shapes={"x": (3, 8)}).subject.batch == 3
    with pytest.raises(OptionError, match="--shape x=1,8"):
        load_model(open_rows)


@pytest.mark.parametrize("size", [0, 6, 40, 300])
def test_a_file_cut_off_is_refused(size: int, mlp_tflite: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken.tflite"
    broken.write_bytes(mlp_tflite.read_bytes()[:size])
    with pytest.raises(ModelError, match="is not a LiteRT model, or is cut off; convert") as error:
        load_model(broken)
    assert "\n" not in str(error.value)


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="there is no file"):
        load_model(tmp_path / "none.tflite")
    (tmp_path / "folder.tflite").mkdir()
    with pytest.raises(ModelError, match="is a folder"):
        load_model(tmp_path / "folder.tflite")


def test_an_onnx_model_by_another_name_is_refused(mlp: Path, tmp_path: Path) -> None:
    renamed = tmp_path / "mlp.tflite"
    renamed.write_bytes(mlp.read_bytes())
    with pytest.raises(ModelError, match="is not a LiteRT model"):
        load_model(renamed)
