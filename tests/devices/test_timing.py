"""What the host's clocks and counters say of each sample, on a tree of files."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Callable
from itertools import count
from pathlib import Path

import numpy as np
import pytest

from hwprof.devices import timing
from hwprof.devices.timing import HostTimer, nothing, time_runs
from hwprof.machine.host.roots import Roots

OTHER = 2**22 + 1
"""Above every thread id that Linux gives."""


@pytest.fixture
def roots(tmp_path: Path) -> Roots:
    return Roots(proc=tmp_path)


def put(roots: Roots, thread: int, waited_ns: int) -> None:
    folder = roots.proc / "self/task" / str(thread)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "schedstat").write_text(f"1000 {waited_ns} 7\n", encoding="ascii")


class Clocks:
    """Clocks that stand still but when a run says how long it took."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.wall = self.cpu = self.busy = 10**9
        monkeypatch.setattr(timing.time, "perf_counter_ns", lambda: self.wall)
        monkeypatch.setattr(timing.time, "thread_time_ns", lambda: self.cpu)
        monkeypatch.setattr(timing.time, "process_time_ns", lambda: self.busy)

    def run(self, wall_ns: int, cpu_ns: int, busy_ns: int) -> None:
        self.wall += wall_ns
        self.cpu += cpu_ns
        self.busy += busy_ns


@pytest.fixture
def clocks(monkeypatch: pytest.MonkeyPatch) -> Clocks:
    return Clocks(monkeypatch)


def test_each_sample_has_its_own_times_per_run(clocks: Clocks, roots: Roots) -> None:
    timed = time_runs(lambda: clocks.run(1000, 900, 1500), 3, 4, 1, roots)
    assert timed.wall_s.tolist() == pytest.approx([1e-6] * 3)
    assert timed.cpu_s is not None
    assert timed.busy_s is not None
    assert timed.cpu_s.tolist() == pytest.approx([9e-7] * 3)
    assert timed.busy_s.tolist() == pytest.approx([1.5e-6] * 3)
    assert timed.loops == 4
    # No task in this tree: waiting is unknown, not none.
    assert timed.waited_s is None


def waiting(
    clocks: Clocks, roots: Roots, thread: int, lumps: dict[int, int], cpu_ns: int = 1000
) -> Callable[[], None]:
    """A run of 1000 ns after which `thread` has waited so much longer, by the run's number."""
    numbers = count()
    waited = 0

    def run() -> None:
        nonlocal waited
        clocks.run(1000, cpu_ns, cpu_ns)
        waited += lumps.get(next(numbers), 0)
        put(roots, thread, waited)

    return run


def test_the_callers_waits_are_those_of_the_sample_they_end_in(
    clocks: Clocks, roots: Roots
) -> None:
    own = threading.get_native_id()
    put(roots, own, 0)
    run = waiting(clocks, roots, own, {1: 300, 2: 5000}, cpu_ns=600)
    waited = time_runs(run, 4, 1, 1, roots).waited_s
    assert waited is not None
    # No longer than it did not run.
    assert waited.tolist() == pytest.approx([0, 3e-7, 4e-7, 0])


def test_others_waits_reach_back(clocks: Clocks, roots: Roots) -> None:
    own = threading.get_native_id()
    put(roots, own, 0)
    put(roots, OTHER, 0)
    timed = time_runs(waiting(clocks, roots, OTHER, {2: 2500}), 4, 1, 2, roots)
    assert timed.waited_s is not None
    assert timed.waited_s.tolist() == pytest.approx([5e-7, 1e-6, 1e-6, 0])
    assert timed.clean is not None
    if timed.switches is not None and not timed.switches.any():
        assert timed.clean.tolist() == [False, False, False, True]


def test_a_thread_that_begins_in_between_has_waited_for_nothing(
    clocks: Clocks, roots: Roots
) -> None:
    put(roots, threading.get_native_id(), 0)
    # It is there from the first run on, with a past of its own.
    timed = time_runs(waiting(clocks, roots, OTHER, {0: 10**9}), 3, 1, 2, roots)
    assert timed.waited_s is not None
    assert not timed.waited_s.any()


def test_the_overhead_is_that_of_the_clock_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    ticks = count(0, 25)
    monkeypatch.setattr(timing.time, "perf_counter_ns", lambda: next(ticks))
    assert HostTimer(nothing, 1).overhead_s() == pytest.approx(25e-9)


def test_this_system_fills_what_it_can() -> None:
    timed = time_runs(nothing, 5, 1, 1)
    assert timed.busy_s is not None
    known = Path("/proc/self/task").is_dir() and timed.waited_s is not None
    assert not known or np.all(timed.waited_s <= timed.wall_s)


STOPPED = """
import os, signal, sys
from itertools import count
from pathlib import Path
from hwprof.devices.timing import time_runs
from hwprof.machine.host.roots import Roots
from hwprof.machine.host.stops import count_stops

count_stops()
runs = count()

def run():
    if next(runs) in (1, 3):
        os.kill(os.getpid(), signal.SIGCONT)

timed = time_runs(run, 5, 1, int(sys.argv[1]), Roots(proc=Path(sys.argv[2])))
print([int(number > 0) for number in timed.switches[[1, 3]]], timed.clean[[1, 3]].tolist())
"""


@pytest.mark.parametrize("threads", [1, 2])
def test_a_run_that_a_signal_stopped_is_not_clean(tmp_path: Path, threads: int) -> None:
    # What continues a process tells that it was stopped, on however many threads it runs. As in a
    # worker, a process of its own counts: it takes the handler.
    command = [sys.executable, "-c", STOPPED, str(threads), str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[1, 1] [False, False]"


OUTSIDE = """
import os, signal, threading
from hwprof.devices.timing import nothing, time_runs
from hwprof.machine.host.stops import count_stops, stops

before = signal.getsignal(signal.SIGCONT)
os.kill(os.getpid(), signal.SIGCONT)
time_runs(nothing, 2, 1, 1)
thread = threading.Thread(target=count_stops)
thread.start()
thread.join()
print(signal.getsignal(signal.SIGCONT) is before, stops())
"""


def test_outside_a_worker_nobody_takes_the_handler() -> None:
    # Only a main thread could, and only where it is asked to.
    done = subprocess.run(
        [sys.executable, "-c", OUTSIDE], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "True 0"
