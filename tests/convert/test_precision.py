"""Models in another precision, by ONNX Runtime's own tools."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest

from hwprof.convert.precision import in_precision, quantised_share
from hwprof.errors import ModelError
from hwprof.models.load import load_model


def test_int8_quantises_what_costs(squeezenet: Path, tmp_path: Path) -> None:
    # An old file: weights are inputs, and made by nodes that only folding turns into weights.
    model = load_model(squeezenet)
    path = in_precision(model, "int8", tmp_path)
    assert quantised_share(path) == (26, 26)
    assert load_model(path).subject.inputs == model.subject.inputs


def test_fp16_keeps_inputs_and_halves_weights(mlp: Path, tmp_path: Path) -> None:
    source = load_model(mlp)
    path = in_precision(source, "fp16", tmp_path)
    model = onnx.load(str(path))
    assert load_model(path).subject.inputs == source.subject.inputs
    kinds = {onnx.numpy_helper.to_array(t).dtype for t in model.graph.initializer}
    assert kinds == {np.dtype(np.float16)}


def test_a_model_that_cannot_be_converted_says_why(mlp: Path, tmp_path: Path) -> None:
    model = load_model(mlp)
    broken = tmp_path / "broken.onnx"
    broken.write_bytes(mlp.read_bytes()[:100])
    with pytest.raises(ModelError, match=r"cannot convert 'broken\.onnx' to int8") as error:
        in_precision(replace(model, path=broken), "int8", tmp_path)
    assert "\n" not in str(error.value)
    assert str(error.value).endswith("measure the result with precision=native")
