"""ncnn itself, on real models."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest

from hwprof.convert.ncnn.conversion import read_layers
from hwprof.devices.ncnn import NcnnCpu
from hwprof.devices.ncnn.runtime import import_runtime
from hwprof.errors import DeviceError, ModelError, OptionError
from hwprof.models.base import Model
from hwprof.models.load import load_model
from hwprof.spaces import get
from hwprof.testing.devices import check_bad_model, check_device
from tests.devices.agreement import assert_agrees, several_ends, strange_operator

pytestmark = pytest.mark.skipif(
    not NcnnCpu.availability().ok, reason=NcnnCpu.availability().reason or "ncnn is here"
)


def test_ncnn_keeps_the_laws(squeezenet: Path) -> None:
    check_device(NcnnCpu(), load_model(squeezenet))


def test_bad_models_are_refused(mlp: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken.onnx"
    broken.write_bytes(mlp.read_bytes()[:100])
    check_bad_model(NcnnCpu(), Model(broken, load_model(mlp).subject))


@pytest.mark.parametrize("name", ["squeezenet", "shufflenet"])
def test_real_models_agree_with_onnxruntime(name: str, light: Path) -> None:
    assert_agrees(NcnnCpu(), load_model(light / f"light_{name}.onnx"))


@pytest.mark.parametrize("batch", [1, 2])
def test_batches_agree(batch: int, tmp_path: Path) -> None:
    path = tmp_path / "cell.onnx"
    onnx.save(get("nasbench201").build(np.array([3, 2, 1, 4, 3, 2]), batch=batch), str(path))
    assert_agrees(NcnnCpu(), load_model(path))


def test_open_dimensions_agree(dynamic_mlp: Path) -> None:
    assert_agrees(NcnnCpu(), load_model(dynamic_mlp, batch=3))


def test_ends_keep_their_order_and_inputs_their_values(tmp_path: Path) -> None:
    model = load_model(several_ends(tmp_path / "ends.onnx"))
    assert_agrees(NcnnCpu(), model)
    with NcnnCpu().open(model) as session:
        assert session.outputs() == session.outputs()


def test_layers_are_timed_one_by_one(squeezenet: Path) -> None:
    with NcnnCpu().open(load_model(squeezenet)) as session:
        run = session.profile(3)
    profile = run.profile
    assert "none" in run.mapping
    assert profile.occurrences[0].kernel.op == "Convolution"
    assert profile.occurrences[-1].kernel.op == "Softmax"
    assert [o.kernel.op for o in profile.occurrences].count("Convolution") == 26
    # Nothing is led back to the file, and that is said: 65 nodes have work to do.
    assert not any(o.source_nodes for o in profile.occurrences)
    assert len(profile.uncovered) == 65
    total = sum(o.durations_s for o in profile.occurrences)
    assert isinstance(total, np.ndarray)
    assert (total <= profile.run_wall_s).all()
    first = profile.occurrences[0].kernel
    assert first.inputs[0] is not None
    assert first.inputs[0].shape == (3, 224, 224)
    assert first.outputs[0] is not None
    assert first.outputs[0].shape == (64, 111, 111)
    assert "1=3" in first.attributes["parameters"]


def test_equal_layers_have_equal_keys_and_others_not(squeezenet: Path) -> None:
    with NcnnCpu().open(load_model(squeezenet)) as session:
        occurrences = session.profile(1).profile.occurrences
    key = {o.name: o.kernel.key for o in occurrences}
    assert key["convrelu_2"] == key["convrelu_5"]
    assert key["convrelu_2"] != key["convrelu_3"]


def test_an_unknown_operator_is_named(tmp_path: Path) -> None:
    model = load_model(strange_operator(tmp_path / "strange.onnx"))
    with pytest.raises(ModelError, match=r"on 'strange\.onnx': com\.example:Frobnicate"):
        NcnnCpu().open(model)


def test_a_missing_layer_is_named(light: Path) -> None:
    with pytest.raises(ModelError, match="ncnn has no layer for AveragePool"):
        NcnnCpu().open(load_model(light / "light_inception_v1.onnx"))


def test_options(mlp: Path) -> None:
    device = NcnnCpu.create({"threads": "2"})
    assert (device.threads, device.precision) == (2, "fp32")
    assert device.spec.runtime_build.startswith("pnnx ")
    with pytest.raises(OptionError, match="precision must be fp32 or fp16"):
        NcnnCpu.create({"precision": "int8"})
    with pytest.raises(ModelError, match="ncnn-cpu opens ONNX models"):
        device.open(Model(mlp, load_model(mlp).subject, format="tflite"))


def test_a_precision_is_never_silently_another(mlp: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    device, runtime = NcnnCpu(precision="fp16"), import_runtime()
    monkeypatch.setattr(runtime, "cpu_support_arm_asimdhp", lambda: 1)
    assert device.spec.precision == "fp16"
    monkeypatch.setattr(runtime, "cpu_support_arm_asimdhp", lambda: 0)
    assert NcnnCpu().spec.precision == "fp32"
    for refused in (lambda: device.spec, lambda: device.open(load_model(mlp))):
        with pytest.raises(DeviceError, match="ncnn computes in fp32 on this processor"):
            refused()


@pytest.mark.parametrize("missing", ["ncnn", "pnnx"])
def test_a_missing_package_is_named(missing: str, monkeypatch: pytest.MonkeyPatch) -> None:
    find: Callable[[str], object] = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name == missing else find(name)
    )
    reason = NcnnCpu.availability().reason
    assert reason == f"{missing} is not installed; install it with pip install 'hwprof[ncnn]'"


def test_a_param_file_of_another_form_is_refused(tmp_path: Path) -> None:
    param = tmp_path / "model.param"
    param.write_text("7767517\n1 1\nInput in0 zero 1 in0\n")
    with pytest.raises(DeviceError, match="cannot be understood"):
        read_layers(param)
