from __future__ import annotations

from pathlib import Path

import pytest

from hwprof.devices.gpu.memory import out_of_memory, ran_out
from hwprof.devices.gpu.options import decide_environment
from hwprof.devices.gpu.timing import EventClock, events_overhead_s, flush_bytes, time_events
from hwprof.devices.tensorrt import TensorRt
from hwprof.errors import DeviceError, OptionError
from hwprof.machine.gpu.precision import refuse_unsupported


class Scripted(EventClock):
    """Each run takes one second, and every call is noted."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.runs = 0

    def enqueue(self) -> None:
        self.calls.append("run")
        self.runs += 1

    def start(self) -> None:
        self.calls.append("start")
        self.runs = 0

    def stop(self) -> None:
        self.calls.append("stop")

    def elapsed_s(self) -> float:
        self.calls.append("wait")
        return float(self.runs) + 0.5

    def flush(self) -> None:
        self.calls.append("flush")


def test_every_run_is_waited_for() -> None:
    clock = Scripted()
    samples = time_events(clock, clock.enqueue, 2, 4)
    assert samples.wall_s.tolist() == [1.5, 1.5]
    assert (samples.loops, samples.cpu_s) == (4, None)
    assert clock.calls == ["start", "run", "stop", "wait"] * 8


def test_every_cold_run_is_flushed() -> None:
    clock = Scripted()
    samples = time_events(clock, clock.enqueue, 1, 2, cold=True)
    assert clock.calls == ["flush", "start", "run", "stop", "wait"] * 2
    assert samples.wall_s.tolist() == [1.5]


def test_a_graph_has_no_mark_and_launches_have() -> None:
    clock = Scripted()
    assert time_events(clock, clock.enqueue, 1, 1, launched=False).switches is None
    assert time_events(clock, clock.enqueue, 1, 1).switches is not None
    assert events_overhead_s(clock) == 0.5


def test_the_flushed_buffer_exceeds_the_cache() -> None:
    assert flush_bytes(50 << 20) >= 50 << 20
    assert flush_bytes(0) > 0


TORCH = (
    "CUDA out of memory. Tried to allocate 20.00 MiB. GPU 0 has a total capacity of 15.78 GiB of "
    "which 10.69 MiB is free. Including non-PyTorch memory, this process has 15.77 GiB in use."
)
ORT = (
    "[ONNXRuntimeError] : 6 : RUNTIME_EXCEPTION : bfc_arena.cc:376 Failed to allocate memory for "
    "requested buffer of size 51380224"
)


@pytest.mark.parametrize(
    ("text", "detail"),
    [
        (TORCH, "(20.00 MiB asked for, 10.69 MiB free)"),
        (ORT, "(49.00 MiB asked for)"),
        ("cuMemAlloc_v2 failed with CUDA_ERROR_OUT_OF_MEMORY (2)", "on 'm.onnx';"),
    ],
)
def test_memory_that_ran_out_is_one_sentence(text: str, detail: str) -> None:
    assert ran_out(text)
    message = str(out_of_memory("m.onnx", text))
    assert detail in message
    assert "--batch" in message
    assert "\n" not in message


def test_other_errors_are_not_about_memory() -> None:
    assert not ran_out("CUDA error: device-side assert triggered")


def test_a_precision_that_the_gpu_lacks_is_refused() -> None:
    refuse_unsupported("bf16", (8, 0), "A100")
    refuse_unsupported("fp32", (3, 5), "K40")
    with pytest.raises(DeviceError, match=r"T4 has compute capability 7.5, and tf32 needs 8.0"):
        refuse_unsupported("tf32", (7, 5), "T4")


@pytest.mark.parametrize("text", ["one", "-1", "64", "1.0"])
def test_a_device_is_a_number(text: str) -> None:
    with pytest.raises(OptionError, match="number of a GPU"):
        TensorRt.create({"device": text})


def test_options(tmp_path: Path) -> None:
    assert TensorRt.create({}).device == 0
    assert TensorRt.create({"device": "3"}).device == 3
    assert TensorRt.create({}).engines == ""
    assert TensorRt.create({"engines": str(tmp_path)}).engines == str(tmp_path)
    with pytest.raises(OptionError, match="a folder that exists"):
        TensorRt.create({"engines": "/no/such/folder"})


def test_a_decided_environment_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    import os

    monkeypatch.setattr("hwprof.devices.gpu.options._decided", {})
    monkeypatch.setenv("HWPROF_TEST", "user's own")
    decide_environment("HWPROF_TEST", None)
    assert "HWPROF_TEST" not in os.environ
    decide_environment("HWPROF_TEST", None)
    with pytest.raises(DeviceError, match="worker process"):
        decide_environment("HWPROF_TEST", "1")
