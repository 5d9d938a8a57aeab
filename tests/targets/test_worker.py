"""Real worker processes on small real models."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import psutil
import pytest

from hwprof.codec import from_json, to_json
from hwprof.devices.registry import Listed, connect
from hwprof.errors import DeviceError, MeasurementError, ModelError, OptionError
from hwprof.machine.host import HostState
from hwprof.models.base import Model
from hwprof.models.load import load_model
from hwprof.targets.protocol import VERSION, Call, Open, SpecOf
from hwprof.targets.worker import (
    WorkerRun,
    WorkerTarget,
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
        profile = run.profile(4).profile
        assert len(profile.run_wall_s) == 4


def test_the_energy_meter_can_be_chosen(model: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    with WorkerTarget("cpu", meter="ina").start(model) as run:
        energy = run.energy()
        assert energy.reading is not None or "INA" in energy.reason
    monkeypatch.setenv("HWPROF_METER", "psu")
    with WorkerTarget("cpu").start(model) as run:
        energy = run.energy()
        assert energy.reading is not None or "power supply unit" in energy.reason
    monkeypatch.setenv("HWPROF_METER", "guesswork")
    with pytest.raises(OptionError, match="unknown energy meter 'guesswork'; choose one of: rapl"):
        WorkerTarget("cpu")


def test_a_worker_is_a_process_of_its_own_that_ends_with_its_run(model: Model) -> None:
    run = start(model)
    process = psutil.Process(run.channel.process.pid)
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
    with WorkerTarget("cpu").start(model, (cpu,)) as run:
        assert run.host_state().affinity == (cpu,)
    assert os.sched_getaffinity(0) == mine
    with pytest.raises(OptionError, match="cannot run on processors 4095"):
        WorkerTarget("cpu").start(model, (4095,))


def test_a_killed_worker_is_told_apart_from_a_crashed_one(model: Model) -> None:
    with start(model) as run:
        os.kill(run.channel.process.pid, signal.SIGKILL)
        with pytest.raises(MeasurementError, match="memory ran out"):
            run.time(1)
    with start(model) as run:
        os.kill(run.channel.process.pid, signal.SIGSEGV)
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
        "print(run.channel.process.pid, flush=True)\n"
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


def talk(*lines: bytes) -> list[dict[str, object]]:
    """Speak the protocol to a bare worker and return its replies."""
    done = subprocess.run(
        [sys.executable, "-m", "hwprof.targets.agent"],
        input=b"".join(line + b"\n" for line in lines),
        capture_output=True,
        check=True,
    )
    return [from_json(line, dict) for line in done.stdout.splitlines()]


def test_the_worker_survives_bad_calls(model: Model) -> None:
    opening = Open(VERSION, "onnxruntime-cpu", {}, str(model.path), model.subject, ())
    replies = talk(
        to_json(opening),
        to_json(Call("explode")),
        b"{",
        to_json(Call("time")),
        to_json(Call("time", {"samples": 2, "loops": 1})),
    )
    assert [next(iter(reply)) for reply in replies] == ["ok", "error", "error", "error", "ok"]


def test_the_worker_refuses_another_protocol(model: Model) -> None:
    opening = Open(VERSION + 1, "onnxruntime-cpu", {}, str(model.path), model.subject, ())
    (reply,) = talk(to_json(opening))
    assert "same hwprof on both ends" in str(reply["error"])
    (reply,) = talk(b"hello")
    assert "cannot read" in str(reply["error"])
    (reply,) = talk(to_json(SpecOf(VERSION + 1, "onnxruntime-cpu", {})))
    assert "same hwprof on both ends" in str(reply["error"])


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
        folder = Path(run.channel._scratch.name)
        assert list(folder.glob("*/fp16.onnx"))
    assert not folder.exists()


def test_wrong_devices_are_refused_before_a_process_starts() -> None:
    with pytest.raises(DeviceError, match="unknown device 'tpu'"):
        WorkerTarget("tpu")
    with pytest.raises(OptionError, match="threads must be"):
        WorkerTarget("cpu:threads=0")
