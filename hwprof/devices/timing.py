"""Timing by the host's clocks, which all CPU runtimes share."""

from __future__ import annotations

import gc
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from hwprof.samples import Samples

try:
    import resource
except ImportError:  # Windows has no getrusage: samples then carry no clean mark
    resource = None  # type: ignore[assignment]

# Empty runs to time the timing with: their minimum is stable to some nanoseconds.
OVERHEAD_SAMPLES = 32


class Timer(ABC):
    """How the runs of one program are timed."""

    @abstractmethod
    def time(self, samples: int, loops: int) -> Samples:
        """As `Session.time`. Raises whatever the runtime raises."""

    @abstractmethod
    def overhead_s(self) -> float | None:
        """As `Session.overhead_s`."""


@dataclass(frozen=True, slots=True)
class HostTimer(Timer):
    """Times `run`, which uses `threads` threads, by this process's clocks."""

    run: Callable[[], object]
    threads: int

    def time(self, samples: int, loops: int) -> Samples:
        return time_runs(self.run, samples, loops, self.threads)

    def overhead_s(self) -> float:
        return float(time_runs(nothing, OVERHEAD_SAMPLES, 1, self.threads).wall_s.min())


def nothing() -> None:
    """A run that does nothing."""


def switch_counter(threads: int) -> Callable[[], int] | None:
    """Reads involuntary context switches so far; None where the system does not count them.

    The running thread's are counted, or the whole process's where it runs on several.
    """
    # RUSAGE_THREAD is Linux's own.
    scope = getattr(resource, "RUSAGE_THREAD" if threads == 1 else "RUSAGE_SELF", None)
    if scope is None:
        return None
    usage = resource.getrusage
    return lambda: int(usage(scope).ru_nivcsw)


def time_runs(run: Callable[[], object], samples: int, loops: int, threads: int) -> Samples:
    """Call `run` samples x loops times and return seconds per call, with marks.

    The wall clock is read innermost, so that reading counters is not part of a sample. An
    involuntary context switch (getrusage(2), ru_nivcsw) means that somebody else took the
    processor away during the sample. The garbage collector is held back meanwhile.
    """
    counter = switch_counter(threads)
    count = counter or (lambda: 0)
    wall = np.empty(samples)
    cpu = np.empty(samples)
    switches = np.zeros(samples, dtype=np.int64)
    wall_ns, cpu_ns = time.perf_counter_ns, time.thread_time_ns
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        for i in range(samples):
            before = count()
            cpu_start = cpu_ns()
            start = wall_ns()
            for _ in range(loops):
                run()
            end = wall_ns()
            cpu_end = cpu_ns()
            after = count()
            wall[i] = (end - start) * 1e-9 / loops
            cpu[i] = (cpu_end - cpu_start) * 1e-9 / loops
            switches[i] = after - before
    finally:
        if was_enabled:
            gc.enable()
    return Samples(wall, cpu, None if counter is None else switches, loops)
