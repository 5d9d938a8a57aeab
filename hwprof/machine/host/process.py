"""Memory of this process: resident now, and at its peak since the last reset (proc_pid_status(5)).

The kernel keeps these counters per CPU and adds them up lazily, so a figure may be off by some
hundred kilobytes.
"""

from __future__ import annotations

import os
from dataclasses import dataclass

from hwprof.machine.host.roots import SYSTEM, Roots, whole


@dataclass(frozen=True, slots=True)
class MemoryReading:
    """Bytes, or None and the reason."""

    bytes: int | None
    reason: str = ""


def reset_peak_rss(roots: Roots = SYSTEM) -> bool:
    """Make the peak start again from the present; whether that worked.

    Writes 5 to `/proc/self/clear_refs` (Linux 4.0 and later, Documentation/filesystems/proc.rst).
    On False `peak_reset_obstacle` says why, and `peak_rss_bytes` remains the peak since the
    process began.
    """
    return not _clear_refs(roots, b"5")


def peak_reset_obstacle(roots: Roots = SYSTEM) -> str:
    """Why the peak cannot be reset, or an empty string when it can. Resets nothing."""
    return _clear_refs(roots, b"")


def _clear_refs(roots: Roots, command: bytes) -> str:
    path = roots.proc / "self/clear_refs"
    try:
        # Not `open("w")`: where the kernel has no such file, none must appear.
        descriptor = os.open(path, os.O_WRONLY)
    except FileNotFoundError:
        return (
            f"{path} does not exist: a peak that can be reset needs Linux 4.0 or later "
            "(ru_maxrss, which other systems have, only ever grows)"
        )
    except OSError as error:
        return f"{path} cannot be written: {error.strerror}"
    try:
        if command:
            os.write(descriptor, command)
    except OSError as error:
        return f"{path} refused the reset: {error.strerror}"
    finally:
        os.close(descriptor)
    return ""


def rss_bytes(roots: Roots = SYSTEM) -> MemoryReading:
    """Resident set of this process: `VmRSS`, or psutil's figure where there is no `/proc`."""
    reading = _status(roots, "VmRSS")
    if reading.bytes is not None or roots.fields(roots.proc / "self/status"):
        return reading
    import psutil

    try:
        return MemoryReading(int(psutil.Process().memory_info().rss))
    except psutil.Error as error:
        return MemoryReading(None, f"psutil cannot read this process: {error}")


def peak_rss_bytes(roots: Roots = SYSTEM) -> MemoryReading:
    """Largest resident set since the last successful `reset_peak_rss` (`VmHWM`).

    Absent where there is no `/proc`: `ru_maxrss` cannot be reset, so it would give the peak of
    everything the process ever did as if it were the model's.
    """
    reading = _status(roots, "VmHWM")
    if reading.bytes is None and not roots.fields(roots.proc / "self/status"):
        reason = f"{reading.reason}; ru_maxrss is the peak since the process began, not the model's"
        return MemoryReading(None, reason)
    return reading


def _status(roots: Roots, name: str) -> MemoryReading:
    path = roots.proc / "self/status"
    value = roots.fields(path).get(name)
    if value is None:
        return MemoryReading(None, f"{path} has no {name}")
    number, _, unit = value.partition(" ")
    kilobytes = whole(number)
    if kilobytes is None or unit != "kB":
        return MemoryReading(None, f"{path} gives '{value[:40]}' for {name}, not a number of kB")
    return MemoryReading(kilobytes * 1024)
