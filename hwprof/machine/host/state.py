"""The conditions a measurement is taken under, before and after, and what passed in between."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from hwprof.machine.gpu.state import GpuState
from hwprof.machine.host import sensors
from hwprof.machine.host.cgroup import cpu_quota, memory_headroom, quota_stops
from hwprof.machine.host.placement import available_cpus
from hwprof.machine.host.roots import SYSTEM, Roots, whole
from hwprof.machine.host.stat import CpuTimes, cpu_times


@dataclass(frozen=True, slots=True)
class HostState:
    """The machine at one moment. None, or a CPU left out, means that the system does not tell."""

    at_s: float
    """Reading of the clock given to `snapshot`."""
    affinity: tuple[int, ...] | None
    """CPUs that the calling thread may run on."""
    load_average: float | None
    """Runnable and waiting tasks, averaged over the last minute."""
    cpu_times: Mapping[int, CpuTimes]
    """Time counters of every CPU of the machine."""
    governors: Mapping[int, str]
    """Of the CPUs in `affinity`, as are clocks and throttle events."""
    clocks_hz: Mapping[int, float]
    temperature_c: float | None
    throttle_events: int | None
    """Slow-downs for heat since boot."""
    memory_available_bytes: int | None
    """What this process can still take: the machine's, or its control group's if that is less."""
    cpu_quota: float | None
    """CPUs' worth of time the control group may use; None without a limit, or unknown."""
    quota_stops: int | None
    """Periods in which the control group was stopped for using up its quota, so far."""
    gpu: GpuState | None = None
    """Of the GPU that a session runs on, if it does."""

    @property
    def governor(self) -> str | None:
        """The governor, or all of them in order of name when CPUs differ."""
        return ", ".join(sorted(set(self.governors.values()))) or None

    @property
    def clock_hz(self) -> float | None:
        """Mean current clock of the CPUs in `affinity`, Hz."""
        return sum(self.clocks_hz.values()) / len(self.clocks_hz) if self.clocks_hz else None


@dataclass(frozen=True, slots=True)
class HostDelta:
    """What happened between two snapshots. None means unknown, or too short to tell."""

    window_s: float
    busy_shares: Mapping[int, float]
    """Share of the window that each CPU of the machine worked, this process included."""
    steal_share: float | None
    """Share of the affinity CPUs' time that the hypervisor gave to others."""
    throttle_events: int | None
    quota_stops: int | None


def snapshot(roots: Roots = SYSTEM, *, clock: Callable[[], float] = time.perf_counter) -> HostState:
    """Read the state of the machine. `clock` is in seconds. Raises nothing."""
    affinity = available_cpus(roots)
    times = cpu_times(roots)
    # Where affinity is unknown, all CPUs are looked at.
    cpus = tuple(times) if affinity is None else affinity
    quota = cpu_quota(roots)
    return HostState(
        at_s=clock(),
        affinity=affinity,
        load_average=load_average(roots),
        cpu_times=times,
        governors=sensors.governors(roots, cpus),
        clocks_hz=sensors.clocks_hz(roots, cpus),
        temperature_c=sensors.temperature_c(roots),
        throttle_events=sensors.throttle_events(roots, cpus),
        memory_available_bytes=available_memory_bytes(roots),
        # JSON, in which a state leaves its process, has no infinity.
        cpu_quota=None if quota is None or math.isinf(quota) else quota,
        quota_stops=quota_stops(roots),
    )


def between(before: HostState, after: HostState) -> HostDelta:
    """What passed from `before` to `after`.

    `/proc/stat` counts in ticks of 10 ms, so shares of a window under about 0.1 s are coarse, and
    a CPU without a single tick is left out.
    """
    spent = {
        cpu: after.cpu_times[cpu].since(before.cpu_times[cpu])
        for cpu in before.cpu_times.keys() & after.cpu_times.keys()
    }
    used = before.affinity or after.affinity or tuple(spent)
    total = sum(spent[cpu].total for cpu in used if cpu in spent)
    stolen = sum(spent[cpu].steal for cpu in used if cpu in spent)
    return HostDelta(
        window_s=after.at_s - before.at_s,
        busy_shares={c: t.busy / t.total for c, t in sorted(spent.items()) if t.total},
        steal_share=stolen / total if total else None,
        throttle_events=_grown(before.throttle_events, after.throttle_events),
        quota_stops=_grown(before.quota_stops, after.quota_stops),
    )


def load_average(roots: Roots) -> float | None:
    """One-minute load average; None where `/proc/loadavg` cannot be read."""
    words = (roots.text(roots.proc / "loadavg") or "").split()
    try:
        return float(words[0])
    except (IndexError, ValueError):
        return None


def available_memory_bytes(roots: Roots = SYSTEM) -> int | None:
    """Bytes this process can take without swapping: `MemAvailable`, or less under a limit.

    None where `/proc/meminfo` cannot be read and no control group sets a limit.
    """
    free = roots.fields(roots.proc / "meminfo").get("MemAvailable", "").removesuffix(" kB")
    kilobytes = whole(free)
    machine = None if kilobytes is None else kilobytes * 1024
    known = [room for room in (machine, memory_headroom(roots)) if room is not None]
    return min(known) if known else None


def _grown(before: int | None, after: int | None) -> int | None:
    # A counter that fell belongs to another core or group than before: unknown, not negative.
    if before is None or after is None or after < before:
        return None
    return after - before
