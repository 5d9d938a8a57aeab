"""Timing runs under a profiler: on and on until enough were left alone, within a bounded time."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hwprof.devices.timing import time_runs
from hwprof.profile import clean_runs, enough_clean
from hwprof.samples import FloatArray, IntArray, Samples, Scalar

# A profile takes at most so many times the runs that were asked for.
ROUNDS = 3
# Seconds after which no more runs are begun, though some were asked for: a run under a profiler may
# take ten times as long as without, and any run does on a busy machine.
LIMIT_S = 3.0
# Between so many parts of what was asked for it is looked at whether to go on.
_PARTS = 6


def in_rounds(time_some: Callable[[int], Samples], runs: int, most: int | None = None) -> Samples:
    """Time about `runs` runs by `time_some`, which times as many as it is told.

    They are more, up to `ROUNDS` times as many, while too few of them are clean
    (`hwprof.profile.enough_clean`), and fewer where they take longer than `LIMIT_S`; two at least,
    where two were asked for. `most` bounds their number for profilers that stop recording.
    """
    clock = time.perf_counter
    start = clock()
    bound = ROUNDS * runs if most is None else max(1, min(ROUNDS * runs, most))
    wanted = min(runs, bound)
    part = max(min(2, wanted), wanted // _PARTS)
    samples = time_some(part)
    while len(samples) < bound and clock() - start < LIMIT_S:
        if len(samples) < wanted:
            more = min(part, wanted - len(samples))
        elif _lacks_clean(samples):
            more = min(part, bound - len(samples))
        else:
            break
        samples = Samples.concatenate([samples, time_some(more)])
    return samples


def time_profiled(
    run: Callable[[], object], runs: int, threads: int, most: int | None = None
) -> Samples:
    """`in_rounds` for a profiler that is on meanwhile."""
    return in_rounds(lambda more: time_runs(run, more, 1, threads), runs, most)


def part_of(samples: Samples, first: int, end: int) -> Samples:
    """The samples from `first` up to `end`, which is not one of them."""

    def part(column: NDArray[Scalar] | None) -> NDArray[Scalar] | None:
        return None if column is None else column[first:end]

    return Samples(
        samples.wall_s[first:end],
        part(samples.cpu_s),
        part(samples.switches),
        samples.loops,
        part(samples.busy_s),
        part(samples.waited_s),
    )


def _lacks_clean(samples: Samples) -> bool:
    clean = clean_runs(samples.wall_s, samples.switches, samples.cpu_s, samples.waited_s)
    return clean is not None and not enough_clean(clean)


@dataclass(frozen=True, slots=True, eq=False)
class StepTimes:
    """What the steps of each of `r` runs took."""

    durations_s: FloatArray
    """Shape `[n, r]`, seconds."""
    samples: Samples
    """The runs, with their marks."""

    @property
    def run_wall_s(self) -> FloatArray:
        """Shape `[r]`, seconds."""
        return self.samples.wall_s

    @property
    def run_switches(self) -> IntArray | None:
        """Shape `[r]`, involuntary context switches; None where the system does not count them."""
        return self.samples.switches


def time_steps(
    run: Callable[[], FloatArray], steps: int, runs: int, threads: int, warmup: int = 0
) -> StepTimes:
    """Call `run`, which gives the seconds of each of its `steps` steps, as `in_rounds` says.

    `warmup` calls go before and are not kept: the first touches memory that later ones find in
    place. The garbage collector is held back meanwhile.
    """
    for _ in range(warmup):
        run()
    columns: list[FloatArray] = []

    def kept() -> None:
        columns.append(run())

    samples = time_profiled(kept, runs, threads)
    return StepTimes(np.array(columns).reshape(len(samples), steps).T, samples)


def time_in_order(
    steps: Sequence[Callable[[], object]], runs: int, threads: int = 1, warmup: int = 0
) -> StepTimes:
    """Call all `steps` one after another, as a run, and time each: `time_steps` for calls."""
    clock = time.perf_counter_ns

    def run() -> FloatArray:
        ends = np.empty(len(steps) + 1, np.int64)
        ends[0] = clock()
        for number, step in enumerate(steps, 1):
            step()
            ends[number] = clock()
        durations: FloatArray = np.diff(ends) * 1e-9
        return durations

    return time_steps(run, len(steps), runs, threads, warmup)
