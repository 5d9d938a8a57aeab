"""Processor time by CPU, and by process, from `/proc` (proc_stat(5), proc_pid_stat(5))."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass

from hwprof.machine.host.roots import Roots, whole

_CPU_LINE = re.compile(r"cpu(\d+)((?:\s+\d+)+)")


@dataclass(frozen=True, slots=True)
class CpuTimes:
    """Ticks that one CPU spent since boot, or within a window."""

    busy: int
    steal: int
    idle: int

    @property
    def total(self) -> int:
        return self.busy + self.steal + self.idle

    def since(self, before: CpuTimes) -> CpuTimes:
        """What was spent after `before`. Never negative: iowait may decrease (proc_stat(5))."""
        return CpuTimes(
            max(0, self.busy - before.busy),
            max(0, self.steal - before.steal),
            max(0, self.idle - before.idle),
        )


def cpu_times(roots: Roots) -> dict[int, CpuTimes]:
    """Time counters of each CPU that is online; empty when `/proc/stat` cannot be read."""
    times = {}
    for line in (roots.text(roots.proc / "stat") or "").splitlines():
        match = _CPU_LINE.match(line)
        if match is None:
            continue
        # user nice system idle iowait irq softirq steal; guest time is already in user and nice.
        cpu, words = whole(match[1]), match[2].split()[:8]
        ticks = [number for number in map(whole, words) if number is not None]
        # What is no counter is no zero: such a CPU is left out.
        if cpu is None or len(ticks) < len(words):
            continue
        # Old kernels have fewer columns.
        user, nice, system, idle, iowait, irq, softirq, steal = (ticks + [0] * 8)[:8]
        times[cpu] = CpuTimes(user + nice + system + irq + softirq, steal, idle + iowait)
    return times


@dataclass(frozen=True, slots=True)
class ProcessTime:
    """Processor time of one process since it began, seconds."""

    name: str
    cpu_s: float
    started: int
    """Ticks from boot to its beginning: tells two processes of one id apart."""


def process_times(roots: Roots) -> dict[int, ProcessTime] | None:
    """Every visible process but this one, by its id; None without a `/proc` of processes."""
    own = (roots.text(roots.proc / "self/stat") or "").partition(" ")[0]
    if not own:
        return None
    tick_s = 1 / os.sysconf("SC_CLK_TCK")
    found = {}
    for folder in roots.entries(roots.proc, "[0-9]*"):
        # A process may end between the listing and the reading; it is then no longer busy.
        text = roots.text(folder / "stat")
        if folder.name == own or not folder.name.isdigit() or not text:
            continue
        # The name may hold blanks and brackets, so the fields start after the last bracket.
        name, _, rest = text.partition("(")[2].rpartition(")")
        fields = rest.split()
        if len(fields) > 19:  # fields 14, 15 and 22 of the manual page, which counts from 1
            texts = (fields[11], fields[12], fields[19], folder.name)
            numbers = [number for number in map(whole, texts) if number is not None]
            if len(numbers) == len(texts):
                user, system, started, process = numbers
                found[process] = ProcessTime(name, (user + system) * tick_s, started)
    return found


def busiest(
    before: Mapping[int, ProcessTime] | None,
    after: Mapping[int, ProcessTime] | None,
    window_s: float,
) -> list[tuple[str, float]] | None:
    """Names of the processes that used processor time in the window, with CPUs' worth of it.

    Dearest first. A process that began within the window counts from its beginning. None where
    processes cannot be seen, or the window has no length.
    """
    if before is None or after is None or window_s <= 0:
        return None
    shares = []
    for pid, now in after.items():
        was = before.get(pid)
        # Not told by name: a kernel worker is called after what it does at the moment.
        same = was is not None and was.started == now.started
        spent = now.cpu_s - (was.cpu_s if was is not None and same else 0.0)
        if spent > 0:
            shares.append((now.name, spent / window_s))
    return sorted(shares, key=lambda item: (-item[1], item[0]))
