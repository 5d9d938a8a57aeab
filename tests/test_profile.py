"""Kernel latencies: which runs count, and what of them is the profiler's own."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from hwprof.graph import Kernel
from hwprof.profile import KernelOccurrence, Profile, clean_runs, enough_clean
from hwprof.samples import Samples

RUNS = 20
QUIET = np.linspace(1.0e-3, 1.1e-3, RUNS)


def occurrence(durations: object, **more: object) -> KernelOccurrence:
    array = np.asarray(durations, dtype=np.float64)
    return KernelOccurrence("k", Kernel("", "Relu", {}, (), ()), "CPU", array, **more)  # type: ignore[arg-type]


def profile(*kernels: KernelOccurrence, switches: object = None, **more: object) -> Profile:
    runs = kernels[0].durations_s.size
    counted = None if switches is None else np.asarray(switches, dtype=np.int64)
    return Profile(kernels, np.full(runs, 2e-3), counted, **more)  # type: ignore[arg-type]


def faster_half(durations: np.ndarray) -> float:
    return float(np.sort(durations)[: max(1, durations.size // 2)].mean())


def test_all_runs_clean_give_the_faster_half() -> None:
    kernel = occurrence(QUIET)
    for switches in (None, np.zeros(RUNS)):
        assert profile(kernel, switches=switches).raw_latency_s(kernel) == faster_half(QUIET)


def test_only_clean_runs_count_where_there_are_enough() -> None:
    switches = np.arange(RUNS) % 2
    kernel = occurrence(np.where(switches == 1, 0.5e-3, QUIET))
    found = profile(kernel, switches=switches)
    assert found.clean_suffice
    assert found.raw_latency_s(kernel) == faster_half(QUIET[::2])


@pytest.mark.parametrize("hit", [0.5, 0.8])
def test_without_clean_runs_interrupted_durations_are_left_out(hit: float) -> None:
    durations = QUIET.copy()
    durations[: int(hit * RUNS)] += 4e-3
    kernel = occurrence(durations)
    found = profile(kernel, switches=np.ones(RUNS))
    assert found.clean_suffice is False
    assert 1.0e-3 <= found.raw_latency_s(kernel) <= 1.1e-3


def test_few_runs_suffice_where_all_are_clean() -> None:
    assert enough_clean(np.array([True, True]))
    assert not enough_clean(np.array([True] * 7 + [False]))
    assert enough_clean(np.array([True] * 8 + [False]))
    assert not enough_clean(np.array([True] * 8 + [False] * 100))
    assert not enough_clean(np.zeros(0, dtype=bool))


def test_pauses_and_waiting_are_no_clean_runs() -> None:
    wall = np.array([1.0, 1.0, 1.5, 1.0]) * 1e-3
    none = np.zeros(4, dtype=np.int64)
    assert clean_runs(wall, None, wall, None) is None
    paused = clean_runs(wall, none, np.array([1.0, 1.0, 1.0, 1.0]) * 1e-3, None)
    assert paused is not None
    assert paused.tolist() == [True, True, False, True]
    waited = clean_runs(wall, none, None, np.array([0, 0.5e-3, 0, 0]))
    assert waited is not None
    assert waited.tolist() == [True, False, True, True]
    # A caller that only waits for threads of its own has little CPU time in any run.
    idle = clean_runs(wall, none, wall * 0.1, None)
    assert idle is not None
    assert idle.all()


def test_passes_cost_besides_calls() -> None:
    loop = occurrence(np.full(RUNS, 1e-3), calls=1, passes=100)
    plain = occurrence(np.full(RUNS, 1e-3), calls=10)
    found = profile(loop, plain, node_cost_s=2e-6, pass_cost_s=1e-6)
    assert found.latency_s(loop) == pytest.approx(1e-3 - 2e-6 - 100e-6)
    assert found.latency_s(plain) == pytest.approx(1e-3 - 20e-6)
    assert found.call_latency_s(plain) == pytest.approx(98e-6)
    unknown = replace(found, pass_cost_s=None)
    assert unknown.latency_s(loop) is None
    assert unknown.latency_s(plain) is not None
    assert unknown.total_s() is None


def test_a_kernel_shorter_than_what_the_profiler_costs_lies_below_its_clock() -> None:
    below, above = occurrence(np.full(RUNS, 2e-6)), occurrence(np.full(RUNS, 4e-6))
    never = occurrence(np.zeros(RUNS), calls=0)
    found = profile(below, above, never, node_cost_s=2e-6)
    assert [found.below_clock(o) for o in found.occurrences] == [True, False, False]
    assert found.floor_s(below) == 1e-6
    assert not replace(found, node_cost_s=None).below_clock(below)
    # A profiler that seems to cost less than nothing still has no negative kernels.
    assert profile(occurrence([0.0]), node_cost_s=-1e-6).floor_s(below) == 0.0


def test_all_marks_of_the_samples_are_kept() -> None:
    wall = np.full(3, 1e-3)
    samples = Samples(wall, wall / 2, np.arange(3), waited_s=wall / 4)
    found = Profile.timed((occurrence(wall),), samples, ("n",), ("If/then_branch (1 node)",))
    assert found.run_wall_s is wall
    assert found.run_cpu_s is samples.cpu_s
    assert found.run_switches is samples.switches
    assert found.run_waited_s is samples.waited_s
    assert found.uncovered == ("n",)
    assert found.never_ran == ("If/then_branch (1 node)",)


@pytest.mark.parametrize("wrong", [{"run_cpu_s": np.ones(2)}, {"run_waited_s": np.ones(RUNS + 1)}])
def test_columns_of_another_length_are_refused(wrong: dict[str, np.ndarray]) -> None:
    with pytest.raises(ValueError, match="entries for 20 runs"):
        profile(occurrence(QUIET), **wrong)
    with pytest.raises(ValueError, match="calls or passes"):
        profile(occurrence(QUIET, passes=-1))
