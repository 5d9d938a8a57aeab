"""Facts about the machine: what it is, what state it is in, and where on it to measure.

Every reader takes `Roots`, the `/proc` and `/sys` to read, so any of them runs on a folder
shaped like another machine. Unreadable is None or left out, never zero.
"""

from hwprof.machine.host.hardware import hardware
from hwprof.machine.host.placement import available_cpus, can_pin, quiet_cpus
from hwprof.machine.host.process import (
    MemoryReading,
    peak_reset_obstacle,
    peak_rss_bytes,
    reset_peak_rss,
    rss_bytes,
)
from hwprof.machine.host.roots import SYSTEM, Roots
from hwprof.machine.host.state import (
    HostDelta,
    HostState,
    between,
    snapshot,
)

__all__ = [
    "SYSTEM",
    "HostDelta",
    "HostState",
    "MemoryReading",
    "Roots",
    "available_cpus",
    "between",
    "can_pin",
    "hardware",
    "peak_reset_obstacle",
    "peak_rss_bytes",
    "quiet_cpus",
    "reset_peak_rss",
    "rss_bytes",
    "snapshot",
]
