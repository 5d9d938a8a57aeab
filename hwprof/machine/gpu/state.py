"""The condition of a GPU at one moment, in a form that crosses a pipe."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

# Reasons that mean the GPU ran slower than it can. The others (idle, a clock that somebody set)
# describe a choice. Bits: "Clocks Event Reasons" of the NVML API reference.
SLOWING: Mapping[int, str] = {
    0x4: "power cap",
    0x8: "hardware slowdown",
    0x20: "thermal slowdown by the driver",
    0x40: "thermal slowdown by the hardware",
    0x80: "power brake",
}
OTHER: Mapping[int, str] = {
    0x1: "idle",
    0x2: "clocks set for applications",
    0x10: "sync boost",
    0x100: "display clocks",
}


def reasons(mask: int) -> tuple[str, ...]:
    """Names of the bits of NVML's mask of clock event reasons, unknown ones by their number."""
    known = {**SLOWING, **OTHER}
    bits = [1 << shift for shift in range(mask.bit_length()) if mask >> shift & 1]
    return tuple(known.get(bit, f"reason {bit:#x}") for bit in bits)


@dataclass(frozen=True, slots=True)
class GpuState:
    """None, or an empty collection, means that the driver does not tell."""

    name: str
    uuid: str = ""
    """Which board it is: identical ones are one device, and their records can still be told
    apart."""
    clock_hz: float | None = None
    """Of the multiprocessors, now."""
    memory_clock_hz: float | None = None
    temperature_c: float | None = None
    power_w: float | None = None
    power_limit_w: float | None = None
    memory_used_bytes: int | None = None
    """By every process on the GPU."""
    limits: tuple[str, ...] = ()
    """Why the clock is not higher, in words."""
    slowed_s: Mapping[str, float] = field(default_factory=dict)
    """Seconds since the driver was loaded in which `power` or `heat` held the clock down."""

    @property
    def slowing(self) -> tuple[str, ...]:
        """The limits that mean the GPU ran slower than it can."""
        return tuple(limit for limit in self.limits if limit in SLOWING.values())


def slowed_between(before: GpuState, after: GpuState) -> dict[str, float]:
    """Seconds by limit for which the clock was held down from `before` to `after`.

    A limit that either state lacks, or whose counter fell (the driver was reloaded), is left out.
    """
    spent = {
        limit: after.slowed_s[limit] - seconds
        for limit, seconds in before.slowed_s.items()
        if limit in after.slowed_s
    }
    return {limit: seconds for limit, seconds in spent.items() if seconds >= 0}
