"""Timing on a GPU, by events that its stream passes.

A GPU runs behind the processor, so a host clock would need a wait at the end, which costs more
than a small model. Two events in the stream are marked by the GPU itself as it reaches them
(resolution about half a microsecond). Between them lies everything: kernels, and the gaps where
the GPU waited for the processor to launch the next one.

A warm level-2 cache flatters a run by up to 1.6 times: with `cache=cold` it is overwritten before
each run, outside the events.
"""

from __future__ import annotations

import gc
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from hwprof.devices.timing import OVERHEAD_SAMPLES, Timer, nothing, switch_counter
from hwprof.samples import Samples

# Twice the cache: one pass over a buffer of its size leaves lines that the policy protects.
FLUSH_FACTOR = 2
# A GPU that does not tell its cache's size: larger than any of today (B200: 126 MB).
UNKNOWN_L2_BYTES = 128 << 20


class EventClock(ABC):
    """Two events on the stream that a program runs on, and a buffer to flush the cache with."""

    @abstractmethod
    def start(self) -> None:
        """Have the stream mark the start."""

    @abstractmethod
    def stop(self) -> None:
        """Have the stream mark the end."""

    @abstractmethod
    def elapsed_s(self) -> float:
        """Wait for the end and give the seconds since the start."""

    @abstractmethod
    def flush(self) -> None:
        """Overwrite the level-2 cache, in the stream's order, and wait until that is done."""


def flush_bytes(l2_bytes: int) -> int:
    """Size of the buffer to overwrite for a cache of `l2_bytes` (0: unknown)."""
    return FLUSH_FACTOR * (l2_bytes or UNKNOWN_L2_BYTES)


def time_events(
    clock: EventClock,
    enqueue: Callable[[], object],
    samples: int,
    loops: int,
    *,
    cold: bool = False,
    launched: bool = True,
) -> Samples:
    """Have the GPU run `enqueue`'s work samples x loops times and return seconds per run.

    Each run has its own pair of events and is waited for, so that it starts on an idle GPU: runs
    enqueued one behind the other would hide each other's launches, which is throughput, not
    latency.

    `launched` says that the processor launches every kernel: then an involuntary context switch
    while it does so delays the run, and is counted. A run that the GPU has already (a graph) is
    not disturbed by the processor, and has no mark. There is no CPU time: the processor waits.
    """
    counter = switch_counter(1) if launched else None
    count = counter or (lambda: 0)
    wall = np.empty(samples)
    switches = np.zeros(samples, dtype=np.int64)
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        for i in range(samples):
            total_s, interrupted = 0.0, 0
            for _ in range(loops):
                if cold:
                    clock.flush()
                before = count()
                clock.start()
                enqueue()
                clock.stop()
                interrupted += count() - before
                total_s += clock.elapsed_s()
            wall[i] = total_s / loops
            switches[i] = interrupted
    finally:
        if was_enabled:
            gc.enable()
    return Samples(wall, None, None if counter is None else switches, loops)


@dataclass(frozen=True, slots=True)
class EventTimer(Timer):
    """Times what `enqueue` gives the GPU, as `time_events` does."""

    clock: EventClock
    enqueue: Callable[[], object]
    cold: bool = False
    launched: bool = True

    def time(self, samples: int, loops: int) -> Samples:
        return time_events(
            self.clock, self.enqueue, samples, loops, cold=self.cold, launched=self.launched
        )

    def overhead_s(self) -> float:
        return events_overhead_s(self.clock)


def events_overhead_s(clock: EventClock) -> float:
    """Seconds between two events with nothing between them: what events add to a run."""
    return float(time_events(clock, nothing, OVERHEAD_SAMPLES, 1).wall_s.min())
