"""Timing by the host's clocks, which all CPU runtimes share: runs, and the steps of a run."""

from __future__ import annotations

import gc
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from hwprof.machine.host.roots import SYSTEM, Roots
from hwprof.machine.host.stops import stops
from hwprof.machine.host.waits import ThreadWaits, waits_of_threads, waits_within
from hwprof.samples import FloatArray, IntArray, Samples

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


def time_runs(
    run: Callable[[], object], samples: int, loops: int, threads: int, roots: Roots = SYSTEM
) -> Samples:
    """Call `run` samples x loops times and return seconds per call, with marks.

    The wall clock is read innermost, so that reading counters is not part of a sample. An
    involuntary context switch (getrusage(2), ru_nivcsw) means that somebody else took the
    processor away during the sample, and so does a signal that stopped it (where those are counted:
    hwprof.machine.host.stops); how long threads waited for one is read between samples. The garbage
    collector is held back meanwhile.
    """
    counter = switch_counter(threads)
    count = counter or (lambda: 0)
    waits = waits_of_threads(roots)
    read = _no_waits if waits is None else waits.read
    start, end, seen = (np.empty(samples, dtype=np.int64) for _ in range(3))
    cpu, busy = np.empty(samples), np.empty(samples)
    switches = np.zeros(samples, dtype=np.int64)
    wall_ns, cpu_ns, busy_ns = time.perf_counter_ns, time.thread_time_ns, time.process_time_ns
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        readings = [read()]
        for i in range(samples):
            before = count() + stops()
            busy_start = busy_ns()
            cpu_start = cpu_ns()
            start_ns = wall_ns()
            for _ in range(loops):
                run()
            end_ns = wall_ns()
            cpu_end = cpu_ns()
            busy_end = busy_ns()
            after = count() + stops()
            start[i], end[i] = start_ns, end_ns
            cpu[i] = (cpu_end - cpu_start) * 1e-9 / loops
            busy[i] = (busy_end - busy_start) * 1e-9 / loops
            switches[i] = after - before
            readings.append(read())
            seen[i] = wall_ns()
    finally:
        if was_enabled:
            gc.enable()
        if waits is not None:
            waits.close()
    wall = (end - start) * 1e-9 / loops
    waited = None
    if waits is not None:
        waited = _waited(waits, readings, start, end, seen, cpu * loops) / loops
    return Samples(wall, cpu, None if counter is None else switches, loops, busy, waited)


def _no_waits() -> dict[int, int]:
    return {}


def _waited(
    waits: ThreadWaits,
    readings: Sequence[Mapping[int, int]],
    start_ns: IntArray,
    end_ns: IntArray,
    seen_ns: IntArray,
    cpu_s: FloatArray,
) -> FloatArray:
    """Seconds that all threads together waited within each sample, shape `[n]`."""
    total = np.zeros(len(start_ns))
    for thread in readings[-1]:
        # A thread that began in between has waited nothing before it was seen.
        first = next(reading[thread] for reading in readings if thread in reading)
        grown = np.diff([reading.get(thread, first) for reading in readings])
        if not grown.any():
            continue
        if thread == waits.caller:
            # It is running whenever this is read: what it waited, it waited since the last time,
            # and within the sample no longer than it did not run.
            idle = np.maximum((end_ns - start_ns) * 1e-9 - cpu_s, 0.0)
            total += np.minimum(np.maximum(grown, 0) * 1e-9, idle)
        else:
            total += waits_within(start_ns, end_ns, seen_ns, grown)
    return total
