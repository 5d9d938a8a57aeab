"""The GPU devices of ONNX Runtime without a GPU.

The program runs with the processor's provider in the place of a GPU's: opening, checking, timing
and profiling are then real, only the provider is another.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest

from hwprof.devices.onnxruntime import OnnxRuntimeCpu, OnnxRuntimeCuda, OnnxRuntimeTensorRt
from hwprof.devices.onnxruntime.cuda import CUDA, TENSORRT, gpu_runtime
from hwprof.devices.onnxruntime.gpu_program import (
    CPU,
    OnnxRuntimeGpuProgram,
    missing_library,
    refuse_strays,
)
from hwprof.errors import DeviceError, MeasurementError, ModelError, OptionError
from hwprof.models.base import Model
from hwprof.models.load import load_model
from hwprof.testing.devices import check_backend


def program(path: Path, provider: str = CPU, **settings: Any) -> OnnxRuntimeGpuProgram:
    chosen = {"index": 0, "place": None, "fallback": False, **settings}
    options = chosen.pop("options", {})
    return OnnxRuntimeGpuProgram(
        onnxruntime, load_model(path), "ORT_ENABLE_ALL", provider, options, **chosen
    )


@pytest.mark.parametrize("backend", [OnnxRuntimeCuda, OnnxRuntimeTensorRt])
def test_they_say_why_they_are_unavailable(
    backend: type[OnnxRuntimeCuda | OnnxRuntimeTensorRt],
) -> None:
    check_backend(backend)
    state = backend.availability()
    if not state.ok:
        assert "onnxruntime-gpu is not installed" in state.reason or "NVIDIA" in state.reason
        with pytest.raises(DeviceError):
            _ = backend().spec


@pytest.mark.parametrize("place", [None, "cpu"])
def test_the_program_computes_and_times(squeezenet: Path, place: str | None) -> None:
    ours = program(squeezenet, place=place)
    with OnnxRuntimeCpu().open(load_model(squeezenet)) as theirs:
        expected = theirs.outputs()[0].array()
    assert np.allclose(ours.outputs()[0], expected, rtol=1e-3)
    assert len(ours.timer(1).time(2, 2)) == 2
    peak = ours.accelerator_peak()
    assert peak is not None
    assert peak.bytes is None
    found = ours.profile(3)
    assert found.profile.uncovered == ()
    assert "launches wait" in found.mapping


def test_a_profile_of_launches_is_refused(mlp: Path) -> None:
    with pytest.raises(DeviceError, match="launch=blocking"):
        program(mlp, profiles="measure with launch=blocking").profile(2)


def test_nodes_left_to_the_processor_are_named(squeezenet: Path) -> None:
    options = onnxruntime.SessionOptions()
    options.add_session_config_entry("session.record_ep_graph_assignment_info", "1")
    opened = onnxruntime.InferenceSession(str(squeezenet), options, providers=[CPU])
    refuse_strays(opened, CPU, "m.onnx")
    with pytest.raises(ModelError, match=r"leaves 6\d nodes of 'm.onnx' to the processor: 'n0'"):
        refuse_strays(opened, CUDA, "m.onnx")


@pytest.mark.filterwarnings("ignore:Specified provider")
def test_a_provider_that_does_not_start_is_no_silent_processor(mlp: Path) -> None:
    # The build for processors ignores the provider, as the one for GPUs does without CUDA.
    with pytest.raises(DeviceError, match=r"does not start .*lib?.*onnxruntime_providers_cuda"):
        program(mlp, CUDA, fallback=True)
    assert missing_library(onnxruntime, TENSORRT)


def test_another_setting_than_asked_for_is_refused(mlp: Path) -> None:
    class Forgetful:
        def get_provider_options(self) -> dict[str, dict[str, str]]:
            return {CPU: {"use_tf32": "1", "device_id": "0"}}

    asked = program(mlp)
    asked._options = {"use_tf32": "0", "device_id": "0"}
    with pytest.raises(DeviceError, match="runs with use_tf32=1 although 0"):
        asked._check_settings(Forgetful())


def test_a_broken_model_is_refused(mlp: Path, tmp_path: Path) -> None:
    subject = load_model(mlp).subject
    broken = tmp_path / "broken.onnx"
    broken.write_bytes(mlp.read_bytes()[:100])
    with pytest.raises(ModelError, match=r"cannot open 'broken\.onnx'") as error:
        OnnxRuntimeGpuProgram(
            onnxruntime,
            Model(broken, subject),
            "ORT_ENABLE_ALL",
            CPU,
            {},
            index=0,
            place=None,
            fallback=False,
        )
    assert "\n" not in str(error.value)


def test_memory_that_runs_out_is_said(mlp: Path) -> None:
    error = RuntimeError("Failed to allocate memory for requested buffer of size 1048576")
    explained = program(mlp).explain(error)
    assert isinstance(explained, MeasurementError)
    assert "ran out on 'mlp.onnx' (1.00 MiB asked for)" in str(explained)


def test_a_build_without_the_provider_says_so() -> None:
    if CUDA not in onnxruntime.get_available_providers():
        with pytest.raises(DeviceError, match="pip install onnxruntime-gpu"):
            gpu_runtime(CUDA)


def test_cuda_options() -> None:
    device = OnnxRuntimeCuda.create({"precision": "tf32", "fallback": "allow", "device": "1"})
    assert device == OnnxRuntimeCuda(1, "tf32", "device", True)
    for options, says in (
        ({"io": "disk"}, "device or host"),
        ({"precision": "fp16"}, "native or tf32"),
        ({"launch": "later"}, "async or blocking"),
        ({"spin": "off"}, "no option 'spin'"),
    ):
        with pytest.raises(OptionError, match=says):
            OnnxRuntimeCuda.create(options)


def test_tensorrt_options(mlp: Path, dynamic_mlp: Path, tmp_path: Path) -> None:
    device = OnnxRuntimeTensorRt.create({"precision": "fp16", "engines": str(tmp_path)})
    model = load_model(mlp)
    options = device.provider_options(model, open_inputs=False)
    assert options["trt_fp16_enable"] == "1"
    assert options["trt_bf16_enable"] == "0"
    assert options["trt_engine_cache_enable"] == "1"
    assert Path(options["trt_engine_cache_path"]).is_dir()
    assert "trt_profile_min_shapes" not in options
    fixed = load_model(dynamic_mlp, batch=4)
    plain = OnnxRuntimeTensorRt().provider_options(fixed, open_inputs=True)
    spec = fixed.subject.inputs[0]
    assert plain["trt_profile_opt_shapes"] == f"{spec.name}:4x{spec.shape[1]}"
    assert "trt_engine_cache_path" not in plain
    with pytest.raises(OptionError, match="precision must be one of fp32, tf32, fp16, bf16"):
        OnnxRuntimeTensorRt.create({"precision": "native"})
