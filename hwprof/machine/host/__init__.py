"""Facts about the machine: what it is, what state it is in, and where on it to measure.

Every reader takes `Roots`, the `/proc` and `/sys` to read, so any of them runs on a folder
shaped like another machine. Unreadable is None or left out, never zero.
"""

from hwprof.machine.host.facts import MachineFacts, library_versions, machine_facts
from hwprof.machine.host.hardware import hardware
from hwprof.machine.host.placement import Pin, available_cpus, can_pin, place, quiet_cpus
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
    available_memory_bytes,
    between,
    snapshot,
)

__all__ = [
    "SYSTEM",
    "HostDelta",
    "HostState",
    "MachineFacts",
    "MemoryReading",
    "Pin",
    "Roots",
    "available_cpus",
    "available_memory_bytes",
    "between",
    "can_pin",
    "hardware",
    "library_versions",
    "machine_facts",
    "peak_reset_obstacle",
    "peak_rss_bytes",
    "place",
    "quiet_cpus",
    "reset_peak_rss",
    "rss_bytes",
    "snapshot",
]
