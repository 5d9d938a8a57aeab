"""The device against a stand-in for TensorRT: everything but TensorRT itself is real."""

from __future__ import annotations

import ctypes
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from hwprof.devices.onnxruntime import OnnxRuntimeCpu
from hwprof.devices.tensorrt import TensorRt
from hwprof.devices.tensorrt.program import _decoded, _encoded
from hwprof.devices.tensorrt.runtime import import_runtime
from hwprof.errors import DeviceError, MeasurementError, ModelError, OptionError
from hwprof.machine.meters import EnergyMeter
from hwprof.measurement import Energy
from hwprof.models.load import load_model
from hwprof.models.onnx.graph import node_names
from hwprof.targets.local import LocalTarget
from hwprof.testing.devices import check_device
from tests.devices.tensorrt.fake_tensorrt import UNSUPPORTED, FakeTensorRt

pytestmark = pytest.mark.usefixtures("trt")


def test_it_keeps_the_laws(mlp: Path) -> None:
    check_device(TensorRt(), load_model(mlp))


@pytest.mark.parametrize("fixture", ["squeezenet", "dynamic_mlp", "two_inputs", "external_mlp"])
def test_outputs_agree(fixture: str, request: pytest.FixtureRequest) -> None:
    shapes = {"ids": (2, 4), "mask": (2, 4, 1)} if fixture == "two_inputs" else {}
    batch = 2 if fixture == "dynamic_mlp" else None
    model = load_model(request.getfixturevalue(fixture), shapes=shapes, batch=batch)
    with TensorRt().open(model) as ours, OnnxRuntimeCpu().open(model) as theirs:
        for mine, other in zip(ours.outputs(), theirs.outputs(), strict=True):
            assert mine.shape == other.shape
            assert np.allclose(mine.array(), other.array(), rtol=1e-3, atol=1e-6)


@pytest.mark.parametrize("cold", [False, True])
def test_everything_is_freed(mlp: Path, stub_cuda: ctypes.CDLL, cold: bool) -> None:
    before = stub_cuda.stub_live()
    with TensorRt(cold=cold).open(load_model(mlp)) as session:
        assert stub_cuda.stub_live() > before
        assert len(session.time(2, 3)) == 2
    assert stub_cuda.stub_live() == before
    with pytest.raises(MeasurementError, match="closed"):
        session.time(1)


def test_layers_lead_back_to_every_node(squeezenet: Path) -> None:
    with TensorRt().open(load_model(squeezenet)) as session:
        session.time(1)
        found = session.profile(3)
    profile = found.profile
    graph = onnx.load(str(squeezenet), load_external_data=False).graph
    covered = {node for o in profile.occurrences for node in o.source_nodes}
    assert profile.uncovered == ()
    assert covered == set(node_names(graph))
    first = profile.occurrences[0]
    assert first.durations_s.tolist() == [0.5e-3] * 3
    assert "sm90_xmma_gemm" in first.kernel.key
    assert first.kernel.inputs[0] is not None
    assert first.kernel.inputs[0].dtype == "float32"
    assert found.planned_activation_bytes == 4096


@pytest.mark.parametrize(
    ("precision", "network", "flags"),
    [
        ("fp32", 0, set()),
        ("tf32", 0, {"TF32"}),
        ("fp16", 0, {"FP16"}),
        ("bf16", 0, {"BF16"}),
        ("typed", 2, set()),
    ],
)
def test_precision_is_what_is_asked_for(
    trt: FakeTensorRt, mlp: Path, precision: str, network: int, flags: set[str]
) -> None:
    device = TensorRt.create({"precision": precision})
    device.open(load_model(mlp)).close()
    assert trt.built == [(network, flags)]
    assert device.spec.precision == precision


def test_version_11_has_the_models_precision_only(trt: FakeTensorRt, mlp: Path) -> None:
    trt.__version__ = "11.4.0"
    model = load_model(mlp)
    TensorRt(precision="tf32").open(model).close()
    assert trt.built == [(0, {"TF32"})]
    with pytest.raises(DeviceError, match="use precision=typed"):
        TensorRt(precision="fp16").open(model)


def test_a_precision_that_would_be_untrue_is_refused(mlp: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="no QuantizeLinear nodes"):
        TensorRt(precision="int8").open(load_model(mlp))
    half = onnx.load(str(mlp))
    half.graph.initializer.append(numpy_helper.from_array(np.zeros(1, np.float16), "half"))
    path = tmp_path / "half.onnx"
    onnx.save(half, str(path))
    with pytest.raises(ModelError, match="holds float16"):
        TensorRt().open(load_model(path))
    TensorRt(precision="typed").open(load_model(path)).close()


def test_engines_are_kept_where_asked(trt: FakeTensorRt, mlp: Path, tmp_path: Path) -> None:
    folder = tmp_path / "engines"
    folder.mkdir()
    device = TensorRt.create({"engines": str(folder)})
    model = load_model(mlp)
    for _ in range(2):
        device.open(model).close()
    assert len(trt.built) == 1
    TensorRt(precision="tf32", engines=str(folder)).open(model).close()
    assert len(trt.built) == 2
    assert str(folder) not in str(device.spec)
    for kept in folder.iterdir():
        kept.write_bytes(b"cut off")
    with pytest.raises(DeviceError, match=r"magicTag mismatch.*clear the folder"):
        device.open(model)


def test_an_unsupported_operator_is_named(stub_cuda: ctypes.CDLL, tmp_path: Path) -> None:
    boxes = helper.make_tensor_value_info("boxes", TensorProto.FLOAT, [1, 4, 4])
    scores = helper.make_tensor_value_info("scores", TensorProto.FLOAT, [1, 1, 4])
    found = helper.make_tensor_value_info("found", TensorProto.INT64, None)
    node = helper.make_node(UNSUPPORTED, ["boxes", "scores"], ["found"])
    graph = helper.make_graph([node], "nms", [boxes, scores], [found])
    path = tmp_path / "nms.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)]), str(path))
    with pytest.raises(ModelError, match=r"'NonMaxSuppression_0' \(NonMaxSuppression\)") as error:
        TensorRt().open(load_model(path))
    assert "\n" not in str(error.value)
    assert stub_cuda.stub_contexts() == 0


def test_memory_that_runs_out_while_building_is_said(trt: FakeTensorRt, mlp: Path) -> None:
    trt.build_error = "Requested amount of GPU memory (8589934592 bytes) could not be allocated."
    with pytest.raises(MeasurementError, match=r"ran out on 'mlp.onnx' \(8192.00 MiB asked for\)"):
        TensorRt().open(load_model(mlp))
    trt.build_error = "Error Code 10: could not find any implementation for node {fc}"
    with pytest.raises(ModelError, match=r"no engine for 'mlp.onnx': Error Code 10"):
        TensorRt().open(load_model(mlp))


def test_the_state_of_the_gpu_is_watched(mlp: Path) -> None:
    with LocalTarget(TensorRt()).start(load_model(mlp)) as run:
        gpu = run.host_state().gpu
        assert gpu is not None
        assert gpu.limits == ("power cap",)
        memory = run.memory()
        assert memory.accelerator_peak_bytes is None
        assert "does not count" in memory.absent["accelerator_peak_bytes"]


def test_energy_is_that_of_the_same_gpu(mlp: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def note(meter: EnergyMeter, run: object) -> Energy:
        asked.append(meter.domain)
        return Energy(reason="noted")

    monkeypatch.setattr("hwprof.machine.meters.measure_energy", note)
    with LocalTarget(TensorRt()).start(load_model(mlp)) as run:
        assert run.energy().reason == "noted"
    assert asked == ["board of NVIDIA H200, energy counter"]


def test_bfloat16_travels_as_its_bits() -> None:
    values = np.array([0.0, 1.0, -2.5, 0.15625], np.float32)
    assert np.array_equal(_decoded(_encoded(values, "BF16")), values)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"precision": "fp8"}, "precision must be one of fp32, tf32"),
        ({"cache": "hot"}, "warm or cold"),
        ({"threads": "2"}, "no option 'threads'"),
        ({"engines": "/no/such"}, "folder that exists"),
    ],
)
def test_options(options: dict[str, str], says: str) -> None:
    with pytest.raises(OptionError, match=says):
        TensorRt.create(options)


def test_without_tensorrt(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tensorrt", None)
    with pytest.raises(DeviceError, match="tensorrt does not import"):
        import_runtime()
    old = FakeTensorRt("8.6.1")
    monkeypatch.setitem(sys.modules, "tensorrt", old)
    with pytest.raises(DeviceError, match=r"8.6.1 is older than 10.0"):
        import_runtime()
