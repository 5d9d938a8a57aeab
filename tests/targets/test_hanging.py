"""Workers that hang are ended in time, and say so in one sentence."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import numpy as np
import onnx
import psutil
import pytest
from onnx import TensorProto, helper, numpy_helper

from hwprof.errors import DeadlineError, MeasurementError
from hwprof.lut import Table
from hwprof.models.load import load_model
from hwprof.profiler.plan import Plan
from hwprof.profiler.sweep import sweep
from hwprof.targets import patience
from hwprof.targets.channel import Channel
from hwprof.targets.process import LocalPython, ProcessStream
from hwprof.targets.protocol import Opening
from hwprof.targets.worker import WorkerRun, WorkerTarget

QUICK = Plan(precision=0.3, budget_s=1, restarts=1, per_op=False, pin="none")
# What each of these agents does, as a program.
SILENT = "import time; time.sleep(3600)"
TRICKLING = (
    "import sys, time\nwhile True: sys.stdout.write(' '); sys.stdout.flush(); time.sleep(.01)"
)
DEAF = "import os, time; os.close(0); time.sleep(3600)"


class Hanging(LocalPython):
    """This machine, whose agents hang from the second one on; the first tells of its device."""

    def __init__(self, program: str) -> None:
        super().__init__()
        self.program = program
        self.started: list[ProcessStream] = []

    def start(self) -> ProcessStream:
        if not self.started:
            stream = super().start()
        else:
            stream = ProcessStream((sys.executable, "-c", self.program), os.environ)
        self.started.append(stream)
        return stream


@pytest.fixture
def endless(tmp_path: Path) -> Path:
    """A loop of 2^62 turns over the model's input."""

    def info(name: str, kind: int, shape: list[int]) -> onnx.ValueInfoProto:
        return helper.make_tensor_value_info(name, kind, shape)

    body = helper.make_graph(
        [
            helper.make_node("Add", ["state", "one"], ["more"], name="add"),
            helper.make_node("Identity", ["go"], ["still"], name="keep"),
        ],
        "body",
        [
            info("i", TensorProto.INT64, []),
            info("go", TensorProto.BOOL, []),
            info("state", TensorProto.FLOAT, [1]),
        ],
        [info("still", TensorProto.BOOL, []), info("more", TensorProto.FLOAT, [1])],
    )
    graph = helper.make_graph(
        [helper.make_node("Loop", ["turns", "yes", "x"], ["y"], body=body, name="loop")],
        "endless",
        [info("x", TensorProto.FLOAT, [1])],
        [info("y", TensorProto.FLOAT, [1])],
        [
            numpy_helper.from_array(np.array(2**62, np.int64), "turns"),
            numpy_helper.from_array(np.array(True), "yes"),
            numpy_helper.from_array(np.ones(1, np.float32), "one"),
        ],
    )
    proto = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    path = tmp_path / "endless.onnx"
    onnx.save(proto, str(path))
    return path


def worker_of(run: WorkerRun) -> psutil.Process:
    assert isinstance(run.channel.stream, ProcessStream)
    return psutil.Process(run.channel.stream.process.pid)


def opened(path: Path, **options: object) -> WorkerRun:
    run = WorkerTarget("cpu", **options).start(load_model(path))  # type: ignore[arg-type]
    assert isinstance(run, WorkerRun)
    return run


def test_a_model_that_never_ends_does(endless: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patience, "FIRST_RUN_S", 0.2)
    with opened(endless) as run:
        process = worker_of(run)
        with pytest.raises(DeadlineError, match=r"'endless\.onnx' was not done within 0\.2 s"):
            run.time(1)
        assert not process.is_running()


def test_a_worker_that_is_stopped_is_ended(mlp: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patience, "ANSWER_S", 0.2)
    with opened(mlp) as run:
        process = worker_of(run)
        process.send_signal(signal.SIGSTOP)
        with pytest.raises(DeadlineError, match="was not done within"):
            run.facts()
        assert not process.is_running()


@pytest.mark.parametrize("program", [SILENT, TRICKLING, DEAF])
def test_an_agent_that_gives_no_answer_is_ended(mlp: Path, program: str) -> None:
    launcher = Hanging(program)
    target = WorkerTarget("cpu", launcher=launcher, timeout_s=0.3)
    _ = target.spec
    with pytest.raises(DeadlineError, match=r"within 0\.3 s with opening the model"):
        target.start(load_model(mlp))
    assert launcher.started[-1].closed
    assert launcher.started[-1].process.returncode == -signal.SIGKILL


def test_an_agent_that_closes_its_output_and_goes_on_is_ended(
    mlp: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hwprof.targets.process.GRACE_S", 0.2)
    launcher = Hanging("import os, time; os.close(1); time.sleep(3600)")
    target = WorkerTarget("cpu", launcher=launcher)
    _ = target.spec
    with pytest.raises(MeasurementError, match="closed its output and went on"):
        target.start(load_model(mlp))
    assert launcher.started[-1].process.returncode == -signal.SIGKILL


def test_a_line_without_end_is_cut() -> None:
    program = "import sys\nwhile True: sys.stdout.write('x' * 65536)"
    stream = ProcessStream((sys.executable, "-c", program), os.environ)
    channel = Channel(stream, "at it", limit=1 << 20)
    with pytest.raises(MeasurementError, match="answered 'open' with more than 1 MiB"):
        channel.ask("open", Opening)
    assert stream.closed


def test_what_a_worker_started_ends_with_it(mlp: Path) -> None:
    # As a compiler or converter that is at work when its worker is given up.
    program = (
        "import subprocess, sys, time\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(3600)'])\n"
        "print(child.pid, flush=True)\n"
        "time.sleep(3600)\n"
    )
    stream = ProcessStream((sys.executable, "-c", program), os.environ)
    child = psutil.Process(int(stream.read_line(100, 60.0)))
    stream.close()
    psutil.wait_procs([child], timeout=30)
    assert not child.is_running() or child.status() == psutil.STATUS_ZOMBIE


def test_a_campaign_goes_on_after_a_model_that_hangs_and_does_not_try_it_again(
    endless: Path, mlp: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(patience, "FIRST_RUN_S", 2.0)
    path = tmp_path / "t.db"

    def outcomes(**options: object) -> list[tuple[bool, str, bool]]:
        return [
            (o.measurement is not None, o.failure.reason if o.failure else "", o.resumed)
            for o in sweep([endless, mlp], plan=QUICK, table=path, **options)  # type: ignore[arg-type]
        ]

    (hung, measured) = outcomes()
    assert "was not done within 2 s with running the model" in hung[1]
    assert (hung[0], measured) == (False, (True, "", False))
    # Not for want of a first run this time: nothing is started at all.
    monkeypatch.setattr(patience, "FIRST_RUN_S", 3600.0)
    assert outcomes(resume=True) == [(False, hung[1], True), (True, "", True)]
    with Table.open(path) as table:
        assert table.counts()["failures"] == 1
        assert table.counts()["measurements"] == 1


def test_a_compile_that_never_ends_is_a_failure_among_the_rest(mlp: Path, tmp_path: Path) -> None:
    hangs = WorkerTarget("cpu", launcher=Hanging(SILENT), timeout_s=0.3)
    first, second = sweep(mlp, [hangs, "cpu:opt=none"], plan=QUICK, check_outputs=False)
    assert first.failure is not None
    assert "within 0.3 s with opening the model" in first.failure.reason
    assert second.measurement is not None
