"""onnx's own evaluator in a process of its own."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest

from hwprof.convert import evaluate
from hwprof.convert.evaluate import evaluated
from hwprof.devices.onnxruntime import OnnxRuntimeCpu
from hwprof.errors import DeviceError
from hwprof.models.load import load_model
from tests.small_models import mlp_proto


def test_it_computes_what_onnxruntime_does(mlp: Path, tmp_path: Path) -> None:
    model = load_model(mlp)
    (found,) = evaluated(model, tmp_path)
    with OnnxRuntimeCpu().open(model) as session:
        (wanted,) = session.outputs()
    np.testing.assert_allclose(found.array(), wanted.array(), rtol=1e-5, atol=1e-6)


def test_it_says_what_it_does_not_know(tmp_path: Path) -> None:
    proto = mlp_proto()
    proto.graph.node[2].domain = "com.acme"
    proto.graph.node[2].op_type = "Frobnicate"
    proto.opset_import.append(onnx.helper.make_opsetid("com.acme", 1))
    path = tmp_path / "strange.onnx"
    onnx.save(proto, str(path))
    with pytest.raises(DeviceError, match="Frobnicate"):
        evaluated(load_model(path), tmp_path)


def test_it_is_not_asked_of_large_models(mlp: Path, tmp_path: Path) -> None:
    large = replace(load_model(mlp), needed_bytes=evaluate.LARGEST_BYTES + 1)
    with pytest.raises(DeviceError, match="too large"):
        evaluated(large, tmp_path)


def test_it_ends_in_time(mlp: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(evaluate, "LIMIT_S", 0.001)
    with pytest.raises(DeviceError, match="takes more than"):
        evaluated(load_model(mlp), tmp_path)
