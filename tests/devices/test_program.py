"""What the session around a program makes of its errors."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from itertools import count
from pathlib import Path

import numpy as np
import pytest

from hwprof.devices.base import ProfiledRun
from hwprof.devices.memory import ProcessMemory
from hwprof.devices.profiled_runs import ROUNDS, time_in_order, time_steps
from hwprof.devices.program import Program, ProgramSession
from hwprof.devices.timing import Timer
from hwprof.errors import DeviceError, MeasurementError, ModelError, one_line
from hwprof.machine.host import MemoryReading
from hwprof.measurement import Memory
from hwprof.models.base import Model
from hwprof.models.load import load_model
from hwprof.samples import Samples


class Failing(Program):
    """Fails as runtimes do, with exceptions of its own."""

    def __init__(self, error: Exception) -> None:
        self.error = error

    def run(self) -> object:
        raise self.error

    def outputs(self) -> Sequence[np.ndarray]:
        raise self.error

    def profile(self, runs: int) -> ProfiledRun:
        raise self.error


@pytest.fixture
def model(mlp: Path) -> Model:
    return load_model(mlp)


def test_strange_errors_become_one_sentence(model: Model) -> None:
    session = ProgramSession(model, 1, lambda: Failing(KeyError("\n a reason.\nat line 3")))
    for call in (lambda: session.time(1), session.outputs, lambda: session.profile(1)):
        with pytest.raises(MeasurementError, match="does not run") as error:
            call()
        assert "\n" not in str(error.value)


def test_errors_of_ours_stay_what_they_are(model: Model) -> None:
    session = ProgramSession(model, 1, lambda: Failing(DeviceError("ours; do this")))
    for call in (lambda: session.time(1), session.outputs, lambda: session.profile(1)):
        with pytest.raises(DeviceError, match="ours; do this"):
            call()


def test_a_runtime_that_cannot_load_says_why(model: Model) -> None:
    def load() -> Program:
        raise SystemError("createSession failed.\ntrace")

    with pytest.raises(ModelError, match=r"cannot open 'mlp\.onnx': createSession failed; "):
        ProgramSession(model, 1, load)


def test_a_closed_session_refuses(model: Model) -> None:
    session = ProgramSession(model, 1, lambda: Failing(ValueError("x")))
    session.close()
    session.close()
    for call in (lambda: session.time(1), session.outputs, lambda: session.profile(1)):
        with pytest.raises(MeasurementError, match="closed"):
            call()


@pytest.mark.parametrize(("text", "line"), [("", "ValueError"), ("\n\n a.\nb", "a"), ("a", "a")])
def test_the_first_line_that_says_something(text: str, line: str) -> None:
    assert one_line(ValueError(text)) == line


class Working(Program):
    """Runs, and notes when it is closed."""

    def __init__(self, notes: list[str], peak: MemoryReading | None = None) -> None:
        self.notes = notes
        self.peak = peak

    def run(self) -> object:
        return None

    def outputs(self) -> Sequence[np.ndarray]:
        return []

    def profile(self, runs: int) -> ProfiledRun:
        raise DeviceError("no profile")

    def accelerator_peak(self) -> MemoryReading | None:
        return self.peak

    def close(self) -> None:
        self.notes.append("program closed")


def test_what_a_program_needs_is_cleaned_up_after_it(model: Model) -> None:
    notes: list[str] = []
    owned = ExitStack()
    owned.callback(notes.append, "folder removed")
    session = ProgramSession(model, 1, lambda: Working(notes), owned=owned)
    assert notes == []
    session.close()
    session.close()
    assert notes == ["program closed", "folder removed"]


def test_what_a_program_needs_is_cleaned_up_where_it_does_not_load(model: Model) -> None:
    notes: list[str] = []
    for error in (ValueError("x"), DeviceError("y"), KeyboardInterrupt()):
        owned = ExitStack()
        owned.callback(notes.append, "folder removed")

        def load(error: BaseException = error) -> Program:
            raise error

        with pytest.raises((ModelError, DeviceError, KeyboardInterrupt)):
            ProgramSession(model, 1, load, owned=owned)
    assert notes == ["folder removed"] * 3


def test_memory_of_an_accelerator_is_a_figure_or_a_reason(model: Model) -> None:
    def memory(peak: MemoryReading | None) -> Memory:
        return ProgramSession(model, 1, lambda: Working([], peak)).memory()

    assert memory(MemoryReading(7)).accelerator_peak_bytes == 7
    unknown = memory(MemoryReading(None, "nobody counts"))
    assert unknown.accelerator_peak_bytes is None
    assert unknown.absent["accelerator_peak_bytes"] == "nobody counts"
    assert "accelerator_peak_bytes" not in memory(None).absent


def test_a_loader_may_start_the_count_again(model: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    rss = iter([MemoryReading(100), MemoryReading(700)])
    monkeypatch.setattr("hwprof.devices.memory.reset_peak_rss", lambda: True)
    monkeypatch.setattr("hwprof.devices.memory.rss_bytes", lambda: next(rss))
    monkeypatch.setattr("hwprof.devices.memory.peak_rss_bytes", lambda: MemoryReading(900))
    memory = ProcessMemory()

    def load() -> Program:
        memory.start_after("compiling")
        return Working([])

    session = ProgramSession(model, 1, load, memory=memory)
    assert session.memory().baseline_rss_bytes == 700
    assert session.memory().peak_bytes == 200


def test_memory_that_cannot_be_told_has_a_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "baseline_rss_bytes" in ProcessMemory().read().absent
    memory = ProcessMemory()
    monkeypatch.setattr("hwprof.devices.memory.reset_peak_rss", lambda: False)
    monkeypatch.setattr("hwprof.devices.memory.peak_reset_obstacle", lambda: "no such file")
    memory.start()
    assert memory.read().absent["baseline_rss_bytes"] == "no such file"
    monkeypatch.setattr("hwprof.devices.memory.return_heap", lambda: False)
    memory.start_after("lowering")
    reason = memory.read().absent["baseline_rss_bytes"]
    assert reason.startswith("what lowering left in the heap")
    assert memory.read().baseline_rss_bytes is None


def test_a_program_may_bring_its_own_clock(model: Model) -> None:
    class Clock(Timer):
        def time(self, samples: int, loops: int) -> Samples:
            return Samples(np.full(samples, 0.25), loops=loops)

        def overhead_s(self) -> float:
            return 0.5

    class Timed(Working):
        def timer(self, threads: int) -> Timer:
            return Clock()

    session = ProgramSession(model, 1, lambda: Timed([]))
    assert session.time(3, 2).wall_s.tolist() == [0.25] * 3
    assert session.time(3, 2).loops == 2
    assert session.overhead_s() == 0.5
    assert session.accelerator() is None


def test_steps_are_timed_in_order() -> None:
    called: list[str] = []
    steps = [lambda name=name: called.append(name) for name in "abc"]
    times = time_in_order(steps, runs=2, warmup=1)
    # More than two runs are timed where other programs interrupted them.
    runs = len(times.samples)
    assert 2 <= runs <= ROUNDS * 2
    assert called == list("abc") * (1 + runs)
    assert times.durations_s.shape == (3, runs)
    assert times.run_wall_s.shape == (runs,)
    assert np.all(times.durations_s.sum(axis=0) <= times.run_wall_s)


def test_steps_of_runs_keep_their_places() -> None:
    told = count()
    times = time_steps(
        lambda: np.array([next(told), next(told)]), steps=2, runs=2, threads=1, warmup=1
    )
    ends = 2 * (len(times.samples) + 1)
    assert times.durations_s.tolist() == [list(range(2, ends, 2)), list(range(3, ends, 2))]
