"""The device torch-cuda without a GPU.

The program runs on the processor in the GPU's place, timed by a host clock; what torch.profiler
would record of a GPU is made of torch's own event classes.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch._C._autograd import DeviceType
from torch.autograd.profiler_util import FunctionEvent
from torch.profiler import ProfilerActivity

from hwprof.convert.torch.load import load_module
from hwprof.devices.gpu.timing import EventClock
from hwprof.devices.onnxruntime import OnnxRuntimeCpu
from hwprof.devices.torch import TorchCuda, cuda
from hwprof.devices.torch.cuda_profile import (
    CALL,
    RUN,
    Observer,
    build_compiled,
    build_eager,
    record,
    work_of,
)
from hwprof.devices.torch.cuda_program import TorchCudaProgram
from hwprof.errors import DeviceError, MeasurementError, ModelError, OptionError
from hwprof.models.base import Model
from hwprof.models.load import load_model
from hwprof.testing.devices import check_backend

HERE = torch.device("cpu")


class HostClock(EventClock):
    """The host's clock in the place of events."""

    def __init__(self) -> None:
        self.flushed = 0

    def start(self) -> None:
        self.began = time.perf_counter()

    def stop(self) -> None:
        self.ended = time.perf_counter()

    def elapsed_s(self) -> float:
        return self.ended - self.began

    def flush(self) -> None:
        self.flushed += 1


def program(model: Model, precision: str = "fp32", cold: bool = False) -> TorchCudaProgram:
    module, inputs = load_module(model, precision, False)
    clock = HostClock()
    made = TorchCudaProgram(model, module, inputs, HERE, clock, cold=cold, peak=lambda: 7)
    made.move()
    return made


def test_it_says_why_it_is_unavailable() -> None:
    check_backend(TorchCuda)
    state = TorchCuda.availability()
    if torch.version.cuda is None:
        assert state.reason == (
            f"torch {torch.__version__} is a build without CUDA; install a CUDA build of torch"
        )
        with pytest.raises(DeviceError, match="a build without CUDA"):
            _ = TorchCuda().spec


def test_a_build_with_cuda_is_told_by_its_version_file(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "version.py").write_text(
        "from typing import Optional\n__version__ = '2.13.0+cu130'\ncuda: Optional[str] = '13.0'\n"
    )

    class Spec:
        submodule_search_locations = (str(tmp_path),)

    monkeypatch.setattr("importlib.util.find_spec", lambda name: Spec())
    assert cuda.build_obstacle() == ""
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert "torch is not installed" in cuda.build_obstacle()


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_the_program_computes(squeezenet: Path, precision: str) -> None:
    model = load_model(squeezenet)
    (ours,) = program(model, precision).outputs()
    with OnnxRuntimeCpu().open(model) as theirs:
        expected = theirs.outputs()[0].array()
    worst = float(np.abs(ours - expected).max() / np.abs(expected).max())
    assert worst < {"fp32": 1e-3, "bf16": 0.1}[precision]


def test_cold_runs_are_flushed_and_peaks_are_told(mlp: Path) -> None:
    made = program(load_model(mlp), cold=True)
    samples = made.timer(1).time(3, 2)
    assert (len(samples), samples.loops) == (3, 2)
    assert samples.switches is not None
    peak = made.accelerator_peak()
    assert peak is not None
    assert peak.bytes == 7
    overhead = made.timer(1).overhead_s()
    assert overhead is not None
    assert overhead >= 0
    assert made._clock.flushed == 6  # type: ignore[attr-defined]
    made.close()
    with pytest.raises(MeasurementError, match="closed"):
        made.run()


def recorded(model: Model, runs: int) -> tuple[Observer, list[Any], Any]:
    module, inputs = load_module(model, "fp32", False)
    observer = Observer(module)

    def run() -> object:
        with torch.inference_mode():
            return observer.run(*inputs)

    events, wall_s = record(run, HostClock(), runs, [ProfilerActivity.CPU])
    return observer, events, wall_s


def test_kernels_are_added_up_over_what_launched_them(squeezenet: Path) -> None:
    model = load_model(squeezenet)
    observer, events, wall_s = recorded(model, 2)
    for event in events:
        if event.name == "aten::convolution":
            event.append_kernel("implicit_gemm", 0, 30)
            event.append_kernel("add_bias", 0, 10)
        if event.name.startswith(CALL):
            # A mark on the GPU's timeline spans its kernels and is none itself.
            event.append_kernel(event.name, 0, 1000)
    profile = build_eager(observer.calls, events, wall_s, work_of(model, None))
    assert profile.uncovered == ()
    first = profile.occurrences[0]
    assert first.source_nodes == ("n0",)
    assert first.durations_s.tolist() == pytest.approx([40e-6] * 2)
    assert first.kernel.key.startswith("org.pytorch:aten::conv2d{")
    assert "const float32[64,3,3,3]" in first.kernel.key
    relu = profile.occurrences[1]
    assert relu.durations_s.tolist() == [0.0, 0.0]


def test_work_that_no_call_does_is_uncovered(mlp: Path) -> None:
    observer, events, wall_s = recorded(load_model(mlp), 1)
    for event in events:
        if event.name == "aten::addmm":
            event.append_kernel("gemm", 0, 5)
    profile = build_eager(observer.calls, events, wall_s, ("lost",))
    assert profile.uncovered == ("lost",)


def test_a_profiler_that_sees_no_kernel_is_no_profile(mlp: Path) -> None:
    observer, events, wall_s = recorded(load_model(mlp), 1)
    with pytest.raises(DeviceError, match="no kernel of the GPU"):
        build_eager(observer.calls, events, wall_s, ())
    with pytest.raises(DeviceError, match="lost some calls"):
        build_eager(observer.calls, [], wall_s, ())


def event(name: str, start: float, end: float, kind: DeviceType) -> FunctionEvent:
    return FunctionEvent(
        id=0, name=name, thread=0, start_us=start, end_us=end, device_type=kind, use_device="cuda"
    )


def compiled(*kernels: tuple[str, float]) -> list[FunctionEvent]:
    """Two runs of 100 us, with kernels at these times of the second; the first has the same."""
    events = [event(RUN, at, at + 100, DeviceType.CPU) for at in (0, 100)]
    for offset in (0, 100):
        for position, (name, length) in enumerate(kernels):
            at = offset + 5 + 10 * position
            events.append(event(name, at, at + length, DeviceType.CUDA))
    return events


def test_generated_kernels_by_name() -> None:
    events = compiled(("triton_poi_relu_0", 2), ("gemm", 5), ("gemm", 6))
    profile = build_compiled(events, np.ones(2), "abc", ("n0",))
    names = [o.name for o in profile.occurrences]
    assert names == ["triton_poi_relu_0", "gemm", "gemm#2"]
    assert profile.occurrences[2].durations_s.tolist() == pytest.approx([6e-6, 6e-6])
    assert len({o.kernel.key for o in profile.occurrences}) == 3
    assert profile.uncovered == ("n0",)
    with pytest.raises(DeviceError, match="different kernels"):
        build_compiled(events[:-1], np.ones(2), "abc", ())
    with pytest.raises(DeviceError, match="no kernel of the GPU"):
        build_compiled(events[:2], np.ones(2), "abc", ())


def test_memory_that_runs_out_is_said(mlp: Path) -> None:
    error = torch.cuda.OutOfMemoryError(
        "CUDA out of memory. Tried to allocate 20.00 GiB. GPU 0 has a total capacity of 15.78 GiB "
        "of which 10.69 GiB is free."
    )
    explained = program(load_model(mlp)).explain(error)
    assert isinstance(explained, MeasurementError)
    assert "'mlp.onnx' (20.00 GiB asked for, 10.69 GiB free)" in str(explained)


def test_recording_needs_a_gpu(mlp: Path) -> None:
    if not torch.cuda.is_available():
        with pytest.raises((ModelError, RuntimeError)):
            program(load_model(mlp)).record()


def test_tf32_is_never_taken_by_itself() -> None:
    for precision, allowed in (("fp32", False), ("tf32", True), ("fp32", False)):
        cuda.set_precision(torch, precision)
        assert torch.backends.cudnn.allow_tf32 is allowed
        assert torch.backends.cuda.matmul.allow_tf32 is allowed


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"graphs": "yes"}, "on or off"),
        ({"precision": "int8"}, "precision must be one of fp32, tf32, fp16, bf16"),
        ({"mode": "script"}, "eager or compiled"),
        ({"threads": "2"}, "no option 'threads'"),
    ],
)
def test_options(options: dict[str, str], says: str) -> None:
    with pytest.raises(OptionError, match=says):
        TorchCuda.create(options)
    assert TorchCuda.create({"graphs": "on", "cache": "cold"}) == TorchCuda(graphs=True, cold=True)
