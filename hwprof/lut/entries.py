"""What a table holds besides measurements and failures."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from hwprof.device_spec import DeviceSpec
from hwprof.graph import Kernel
from hwprof.profile import KernelOccurrence, Profile

BELOW_CLOCK = "the kernel takes less than the profiler's clock can tell"


@dataclass(frozen=True, slots=True)
class Calibration:
    """A constant of a device, such as its profiler's cost per kernel; the name carries the unit."""

    device: DeviceSpec
    name: str
    value: float
    created_at: str
    """UTC, ISO 8601."""
    source: str = ""
    """How the value was found, in words."""
    legacy_notes: Mapping[str, str] = field(default_factory=dict)
    """What an earlier version wrote besides. Only read, never written."""


@dataclass(frozen=True, slots=True)
class KernelRecord:
    """One kernel of one measurement, with what its latency is derived from."""

    measurement_id: str
    device_fingerprint: str
    profile: Profile
    """The measurement's profile, narrowed to this one occurrence."""
    measurement_reason: str = ""
    """`Measurement.kernels_reason`: why none of the measurement's kernels may be believed."""

    @property
    def occurrence(self) -> KernelOccurrence:
        return self.profile.occurrences[0]

    @property
    def kernel(self) -> Kernel:
        return self.occurrence.kernel

    @property
    def latency_s(self) -> float | None:
        """Of one call, as `Profile.call_latency_s`; None where unknown, or there is a `reason`."""
        return None if self.reason else self.profile.call_latency_s(self.occurrence)

    @property
    def reason(self) -> str:
        """Why the latency is not to be learned from; empty where it is."""
        if not self.measurement_reason and self.profile.below_clock(self.occurrence):
            return BELOW_CLOCK
        return self.measurement_reason
