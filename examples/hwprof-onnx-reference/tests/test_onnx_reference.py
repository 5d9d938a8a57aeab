"""The laws that hwprof ships, on this plugin; and the plugin found by hwprof itself."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
from hwprof_onnx_reference import OnnxReference
from onnx import TensorProto, helper, numpy_helper

from hwprof.devices.registry import available, connect
from hwprof.errors import OptionError
from hwprof.models.base import Model
from hwprof.models.load import load_model
from hwprof.testing.devices import check_bad_model, check_device


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """x [4, 8] -> Gemm -> Relu -> y."""
    weight = np.random.default_rng(0).standard_normal((8, 8)).astype(np.float32)
    graph = helper.make_graph(
        [
            helper.make_node("Gemm", ["x", "w"], ["h"], name="gemm"),
            helper.make_node("Relu", ["h"], ["y"], name="relu"),
        ],
        "small",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [4, 8])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [4, 8])],
        [numpy_helper.from_array(weight, "w")],
    )
    path = tmp_path / "small.onnx"
    opset = [helper.make_opsetid("", 17)]
    onnx.save(helper.make_model(graph, opset_imports=opset, ir_version=8), str(path))
    return path


def test_it_keeps_the_laws(model: Path, tmp_path: Path) -> None:
    check_device(OnnxReference(), load_model(model))
    broken = tmp_path / "broken.onnx"
    broken.write_bytes(model.read_bytes()[:40])
    check_bad_model(OnnxReference(), Model(broken, load_model(model).subject))


def test_every_kernel_is_led_back(model: Path) -> None:
    with OnnxReference().open(load_model(model)) as session:
        occurrences = session.profile(3).profile.occurrences
    assert [o.source_nodes for o in occurrences] == [("gemm",), ("relu",)]
    assert "float32[4,8],const float32[8,8]" in occurrences[0].kernel.key


def test_values_of_constants_are_told_where_they_decide_the_work(tmp_path: Path) -> None:
    graph = helper.make_graph(
        [
            helper.make_node("Reshape", ["x", "to"], ["h"]),
            helper.make_node("Softmax", ["h"], ["y"], axis=1),
        ],
        "unnamed",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [4, 8])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [2, 16])],
        [numpy_helper.from_array(np.array([2, 16], np.int64), "to")],
    )
    path = tmp_path / "unnamed.onnx"
    opset = [helper.make_opsetid("", 17)]
    onnx.save(helper.make_model(graph, opset_imports=opset, ir_version=8), str(path))
    with OnnxReference().open(load_model(path)) as session:
        reshape, softmax = session.profile(2).profile.occurrences
    assert "const int64[2]=(2,16)" in reshape.kernel.key
    assert softmax.kernel.key == "onnx.reference:Softmax{axis=1}(float32[2,16])"
    assert (softmax.name, softmax.source_nodes) == ("y", ())


def test_threads_that_it_does_not_have_are_refused() -> None:
    assert connect("onnx-reference:threads=1").spec.threads == 1
    with pytest.raises(OptionError, match="threads must be"):
        connect("onnx-reference:threads=2")


def test_hwprof_finds_it(model: Path, tmp_path: Path) -> None:
    assert isinstance(connect("onnx-reference"), OnnxReference)
    assert "onnx-reference" in [device.name for device in available() if device.available]
    command = [sys.executable, "-m", "hwprof", "measure", str(model), "--json"]
    command += ["--device", "onnx-reference", "--budget", "0.2", "--lut", str(tmp_path / "t.db")]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    (result,) = json.loads(done.stdout)
    assert result["latency_s"]["p25"] > 0
    assert [kernel["op"] for kernel in result["kernels"]] == ["Gemm", "Relu"]
    assert result["provenance"]["outputs"]["error"] <= result["provenance"]["outputs"]["allowed"]
