"""How many runs are profiled: more while too few are clean, fewer where they take long."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import pytest

from hwprof.devices import profiled_runs
from hwprof.devices.profiled_runs import LIMIT_S, ROUNDS, in_rounds, part_of, time_steps
from hwprof.profiler.bench import profile_runs
from hwprof.samples import Samples


@dataclass
class Timed:
    """Runs of `run_s` each by a clock of their own; `clean(i)` says which are uninterrupted."""

    run_s: float
    clean: Callable[[int], bool]
    now: float = 0.0
    asked: list[int] = field(default_factory=list)

    def __call__(self, more: int) -> Samples:
        first = sum(self.asked)
        self.asked.append(more)
        self.now += more * self.run_s
        switches = [0 if self.clean(first + i) else 1 for i in range(more)]
        return Samples(np.full(more, self.run_s), None, np.array(switches, dtype=np.int64))


@pytest.fixture
def rounds(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Samples]:
    def time(timed: Timed, *arguments: int) -> Samples:
        monkeypatch.setattr(profiled_runs.time, "perf_counter", lambda: timed.now)
        return in_rounds(timed, *arguments)

    return time


def test_clean_runs_are_as_many_as_asked_for(rounds: Callable[..., Samples]) -> None:
    for runs in (1, 2, 3, 12, 60):
        assert len(rounds(Timed(1e-3, lambda i: True), runs)) == runs


def test_it_goes_on_until_enough_are_clean(rounds: Callable[..., Samples]) -> None:
    late = rounds(Timed(1e-3, lambda i: i >= 30), 24)
    assert 38 <= len(late) <= 42
    never = rounds(Timed(1e-3, lambda i: False), 24)
    assert len(never) == ROUNDS * 24


def test_time_is_bounded(rounds: Callable[..., Samples]) -> None:
    slow = Timed(LIMIT_S / 3, lambda i: True)
    assert len(rounds(slow, 60)) == 10
    slower = Timed(10 * LIMIT_S, lambda i: True)
    assert len(rounds(slower, 12)) == 2
    assert len(rounds(Timed(10 * LIMIT_S, lambda i: True), 1)) == 1


def test_a_profiler_may_record_fewer(rounds: Callable[..., Samples]) -> None:
    for most in (1, 5):
        assert len(rounds(Timed(1e-3, lambda i: True), 60, most)) == most
    assert len(rounds(Timed(1e-3, lambda i: False), 12, 15)) == 15


def test_where_switches_are_not_counted_nothing_is_waited_for() -> None:
    assert len(in_rounds(lambda more: Samples(np.ones(more)), 7)) == 7


def test_steps_of_all_runs_stand_in_columns() -> None:
    told = iter([[9.0, 9.0]] + [[i, 10.0 + i] for i in range(50)])
    times = time_steps(lambda: np.array(next(told)), steps=2, runs=3, threads=1, warmup=1)
    runs = len(times.samples)
    assert times.durations_s.tolist() == [list(range(runs)), [10.0 + i for i in range(runs)]]
    assert times.run_wall_s.shape == (runs,)


def test_a_part_keeps_every_column() -> None:
    column = np.arange(4.0)
    whole = Samples(column, column, column.astype(np.int64), 2, column, column)
    part = part_of(whole, 1, 3)
    assert part.loops == 2
    for each in (part.wall_s, part.cpu_s, part.switches, part.busy_s, part.waited_s):
        assert each is not None
        assert each.tolist() == [1, 2]
    assert part_of(Samples(column), 0, 1).cpu_s is None


def test_a_long_model_is_profiled_for_seconds_however_slow_its_profiler(
    rounds: Callable[..., Samples],
) -> None:
    # 0.75 s a run, and ten times that under a profiler, of which none is clean.
    for run_s in (0.75, 7.5):
        slow = Timed(run_s, lambda i: False)
        rounds(slow, profile_runs(0.75))
        assert slow.now <= LIMIT_S + 2 * run_s
