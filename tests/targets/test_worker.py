"""Real worker processes on small real models."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import psutil
import pytest

import hwprof
from hwprof.devices.profiled_runs import ROUNDS
from hwprof.devices.registry import Listed, connect
from hwprof.errors import DeviceError, MeasurementError, ModelError, OptionError
from hwprof.machine.host import HostState, Pin, machine_facts
from hwprof.models.base import Model
from hwprof.models.load import load_model
from hwprof.targets.process import ProcessStream
from hwprof.targets.worker import (
    WorkerRun,
    WorkerTarget,
    list_devices,
    look_at_devices,
    spec_in_worker,
)


@pytest.fixture
def model(mlp: Path) -> Model:
    return load_model(mlp)


def start(model: Model, **options: str) -> WorkerRun:
    run = WorkerTarget("cpu", options).start(model)
    assert isinstance(run, WorkerRun)
    return run


def stream_of(run: WorkerRun) -> ProcessStream:
    assert isinstance(run.channel.stream, ProcessStream)
    return run.channel.stream


def test_a_worker_does_what_a_session_does(model: Model) -> None:
    with start(model) as run:
        assert run.setup_s > 0
        samples = run.time(5, 3)
        assert (len(samples), samples.loops) == (5, 3)
        (output,) = run.outputs()
        assert output.array().shape == (4, 8)
        assert run.overhead_s() is not None
        assert samples.switches is not None
        memory = run.memory()
        assert memory.peak_bytes is not None
        assert memory.peak_bytes > 0
        assert isinstance(run.host_state(), HostState)
        energy = run.energy()
        assert energy.reading is not None or energy.reason
        facts = run.facts()
        assert facts.kernel == machine_facts().kernel
        assert facts.hwprof_version == hwprof.__version__
        assert facts.libraries.keys() == {"numpy", "onnxruntime"}
        assert run.cpus == ()
        profile = run.profile(4).profile
        assert 4 <= len(profile.run_wall_s) <= ROUNDS * 4


def test_the_energy_meter_can_be_chosen(model: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    with WorkerTarget("cpu", meter="ina").start(model) as run:
        energy = run.energy()
        assert energy.reading is not None or "INA" in energy.reason
    monkeypatch.setenv("HWPROF_METER", "psu")
    with WorkerTarget("cpu").start(model) as run:
        energy = run.energy()
        assert energy.reading is not None or "power supply unit" in energy.reason
    # Which meters there are, the worker knows: it says so before a model is opened, and after.
    monkeypatch.setenv("HWPROF_METER", "guesswork")
    target = WorkerTarget("cpu")
    with pytest.raises(OptionError, match="unknown energy meter 'guesswork'; choose one of: rapl"):
        _ = target.spec
    with pytest.raises(OptionError, match="unknown energy meter 'guesswork'; choose one of: rapl"):
        target.start(model)


def test_a_worker_is_a_process_of_its_own_that_ends_with_its_run(model: Model) -> None:
    run = start(model)
    process = psutil.Process(stream_of(run).process.pid)
    assert process.pid != os.getpid()
    run.close()
    run.close()
    assert not process.is_running()
    with pytest.raises(MeasurementError, match="closed"):
        run.time(1)


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="pinning is Linux's")
def test_a_worker_is_pinned_and_its_parent_is_not(model: Model) -> None:
    mine = os.sched_getaffinity(0)
    cpu = max(mine)
    with WorkerTarget("cpu").start(model, Pin(cpus=(cpu,))) as run:
        assert run.host_state().affinity == run.cpus == run.facts().cpus == (cpu,)
    with WorkerTarget("cpu").start(model, Pin(quiet=1)) as run:
        assert run.host_state().affinity == run.cpus
        assert set(run.cpus) < mine or run.cpus == tuple(mine)
    assert os.sched_getaffinity(0) == mine
    with pytest.raises(OptionError, match="cannot run on processors 4095"):
        WorkerTarget("cpu").start(model, Pin(cpus=(4095,)))


def test_a_killed_worker_is_told_apart_from_a_crashed_one(model: Model) -> None:
    with start(model) as run:
        os.kill(stream_of(run).process.pid, signal.SIGKILL)
        with pytest.raises(MeasurementError, match="memory ran out"):
            run.time(1)
    with start(model) as run:
        os.kill(stream_of(run).process.pid, signal.SIGSEGV)
        with pytest.raises(MeasurementError, match="signal 11"):
            run.time(1)


def test_errors_cross_the_pipe_with_their_kind(tmp_path: Path, model: Model) -> None:
    broken = tmp_path / "broken.onnx"
    broken.write_bytes(b"nonsense")
    with pytest.raises(ModelError, match="cannot open 'broken") as error:
        start(Model(broken, model.subject))
    assert "\n" not in str(error.value)


def test_a_worker_dies_with_its_parent(model: Model, tmp_path: Path) -> None:
    # The parent is killed while its worker is busy; the worker must not go on alone.
    script = (
        "import sys, pathlib\n"
        "from hwprof.targets.worker import WorkerTarget\n"
        "from hwprof.models.load import load_model\n"
        "run = WorkerTarget('cpu').start(load_model(sys.argv[1]))\n"
        "print(run.channel.stream.process.pid, flush=True)\n"
        "run.time(10**6, 1000)\n"
    )
    command = [sys.executable, "-c", script, str(model.path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        worker = psutil.Process(int(parent.stdout.readline()))
        parent.kill()
    # An orphan would run for hours; PDEATHSIG ends it at once.
    psutil.wait_procs([worker], timeout=30)
    assert not worker.is_running() or worker.status() == psutil.STATUS_ZOMBIE


def test_nothing_that_a_runtime_prints_reaches_the_protocol(model: Model) -> None:
    with start(model, threads="2") as run:
        assert np.all(run.time(3).wall_s > 0)


def test_a_spec_is_found_in_a_worker() -> None:
    options = {"threads": "2", "opt": "basic"}
    assert spec_in_worker("onnxruntime-cpu", options) == connect("cpu", options).spec
    with pytest.raises(OptionError, match="threads must be"):
        spec_in_worker("onnxruntime-cpu", {"threads": "none"})


def test_a_device_that_dies_when_looked_at_is_broken_not_available(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A package, with metadata of its own, whose runtime takes the whole process down.
    (tmp_path / "dying.py").write_text(
        "import os\n"
        "from hwprof.devices.onnxruntime import OnnxRuntimeCpu\n"
        "class Dying(OnnxRuntimeCpu):\n"
        "    spec = property(lambda self: os._exit(3))\n"
    )
    info = tmp_path / "dying-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: dying\nVersion: 1\n")
    (info / "entry_points.txt").write_text("[hwprof.devices]\ndying = dying:Dying\n")
    known = os.environ.get("PYTHONPATH", "")
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}{os.pathsep}{known}")
    (looked,) = look_at_devices([Listed("dying", True, "")])
    assert not looked.available
    assert "exit code 3" in looked.reason


def test_temporary_files_go_with_the_worker(model: Model) -> None:
    with start(model, precision="fp16") as run:
        folder = stream_of(run).scratch
        assert list(folder.glob("*/fp16.onnx"))
    assert not folder.exists()


def test_a_device_that_is_unavailable_is_asked_once(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def refuse(device: str, *rest: object) -> None:
        asked.append(device)
        raise DeviceError("device 'onnxruntime-cpu' is unavailable, because it is away")

    monkeypatch.setattr("hwprof.targets.worker.spec_in_worker", refuse)
    target = WorkerTarget("cpu")
    for _ in range(2):
        with pytest.raises(DeviceError, match="is unavailable, because it is away"):
            _ = target.spec
    assert asked == ["onnxruntime-cpu"]


@pytest.mark.runtimes
def test_neither_a_target_nor_its_spec_imports_a_runtime_here() -> None:
    script = (
        "import sys, json\n"
        "from hwprof.targets.worker import WorkerTarget, list_devices\n"
        "specs = [WorkerTarget(name).spec.name for name in sys.argv[1:]]\n"
        "listed = [device.name for device in list_devices()]\n"
        "print(json.dumps([specs, listed, sorted(sys.modules)]))\n"
    )
    names = ["onnxruntime-cpu", "torch-cpu"]
    command = [sys.executable, "-c", script, *names]
    specs, listed, modules = json.loads(subprocess.check_output(command))
    assert specs == names
    assert set(names) < set(listed)
    assert not {"onnxruntime", "torch", "openvino", "onnx"} & set(modules)


def test_a_model_larger_than_the_free_memory_is_refused_where_it_would_run(model: Model) -> None:
    vast = Model(model.path, model.subject, needed_bytes=1 << 60)
    with pytest.raises(ModelError, match=r"needs at least 1073741824.0 GiB for weights") as error:
        start(vast)
    assert "GiB is free; close other programs or use a larger machine" in str(error.value)


def test_the_devices_are_those_that_the_worker_sees() -> None:
    listed = {device.name: device for device in list_devices()}
    assert listed["onnxruntime-cpu"].available
    assert listed["tensorrt"].reason or listed["tensorrt"].available


def test_wrong_devices_are_refused_before_a_process_starts() -> None:
    with pytest.raises(DeviceError, match="unknown device 'tpu'"):
        WorkerTarget("tpu")
    with pytest.raises(OptionError, match="threads must be"):
        WorkerTarget("cpu:threads=0")
