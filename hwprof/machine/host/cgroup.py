"""Limits that a control group sets: processor time and memory, cgroup v1 and v2.

Sources: Documentation/admin-guide/cgroup-v2.rst, cgroup-v1/memory.rst and
Documentation/scheduler/sched-bwc.rst of the kernel. A limit of any enclosing group binds, so all
of them up to the mount point are read. Inside a container the path in `/proc/self/cgroup` may
not exist below the mount; the walk upwards then ends at the mount point, which is the container.
"""

from __future__ import annotations

import math
import os
from pathlib import Path

from hwprof.machine.host.roots import Roots, whole


def _groups(roots: Roots, controller: str) -> tuple[list[Path], bool]:
    """Folders of this process's group and its ancestors, innermost first; whether they are v2."""
    top = roots.sys / "fs/cgroup"
    unified: str | None = None
    for line in (roots.text(roots.proc / "self/cgroup") or "").splitlines():
        number, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        if controller in controllers.split(","):
            # Mounted by its full name (`cpu,cpuacct`) or through a link with the single one.
            for name in (controllers, controller):
                if (top / name).is_dir():
                    return _upwards(top / name, path), False
        elif number == "0" and not controllers:
            unified = path
    if unified is not None and (top / "cgroup.controllers").is_file():
        return _upwards(top, unified), True
    return [], True


def _upwards(mount: Path, path: str) -> list[Path]:
    parts = [part for part in path.split("/") if part not in ("", "..")]
    folders = [mount.joinpath(*parts[:n]) for n in range(len(parts), -1, -1)]
    # What the kernel says may be no path at all: `Path.is_dir` raises for one that is too long.
    return [folder for folder in folders if os.path.isdir(folder)]  # noqa: PTH112


def cpu_quota(roots: Roots) -> float | None:
    """CPUs' worth of time that the group may use; `inf` without a limit, None when unknown."""
    folders, v2 = _groups(roots, "cpu")
    if not folders:
        return None
    limits = [math.inf]
    for folder in folders:
        if v2:
            quota, _, period = (roots.text(folder / "cpu.max") or "max").partition(" ")
        else:
            quota = roots.text(folder / "cpu.cfs_quota_us") or "-1"
            period = roots.text(folder / "cpu.cfs_period_us") or ""
        # `max` (v2) and -1 (v1) mean no limit.
        most, every = whole(quota), whole(period)
        if most is not None and every:
            limits.append(most / every)
    return min(limits)


def quota_stops(roots: Roots) -> int | None:
    """Periods in which a group was stopped for using up its quota (`nr_throttled`), so far.

    Summed over the enclosing groups. None when no group counts them.
    """
    folders, _ = _groups(roots, "cpu")
    counts = []
    for folder in folders:
        stat = _stat(roots, folder / "cpu.stat")
        if "nr_throttled" in stat:
            counts.append(stat["nr_throttled"])
    return sum(counts) if counts else None


def memory_headroom(roots: Roots) -> int | None:
    """Bytes that the group may still take; None without a limit or when unknown.

    File cache that was not used lately is counted as free: the kernel drops it first.
    """
    folders, v2 = _groups(roots, "memory")
    names = ("memory.max", "memory.current", "inactive_file")
    if not v2:
        names = ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")
    room = []
    for folder in folders:
        limit = roots.number(folder / names[0])
        used = roots.number(folder / names[1])
        # v1 has no word for "no limit": it gives the largest page-aligned 64-bit number.
        if limit is None or used is None or limit >= 1 << 62:
            continue
        cache = _stat(roots, folder / "memory.stat").get(names[2], 0)
        room.append(max(0, limit - max(0, used - cache)))
    return min(room) if room else None


def _stat(roots: Roots, path: Path) -> dict[str, int]:
    pairs = (line.split() for line in (roots.text(path) or "").splitlines())
    counts = {pair[0]: whole(pair[1]) for pair in pairs if len(pair) == 2}
    return {name: count for name, count in counts.items() if count is not None}
