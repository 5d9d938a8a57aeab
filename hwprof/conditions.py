"""What held while something was measured, as fields: a GPU's condition, the agreement of outputs.

The texts are for people; nothing reads them back but the reader of files from before the fields.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class OutputAgreement:
    """How far a device's outputs were from the reference's, or why there is no such figure."""

    reference: str = ""
    """What computed the outputs held to be right, such as `ONNX Runtime`."""
    precision: str = ""
    """Of the device that was compared."""
    error: float | None = None
    """Largest difference of an element, as a share of its output's largest magnitude; of whole
    numbers, the share that differs. The worst of all outputs."""
    allowed: float | None = None
    """The largest error that passes; None where the precision has no such figure."""
    reason: str = ""
    """Why `error` is None."""
    distance: float | None = None
    """Euclidean distance from the reference's output, as a share of its length."""
    allowed_distance: float | None = None
    """The largest distance that passes, where `allowed` alone would not do."""
    rounding: str = ""
    """What widened `allowed` beyond that of plain floats, such as `quantised` or `float16`."""
    note: str = ""
    """Why an error is not judged, or what else the comparison showed."""

    def __post_init__(self) -> None:
        if (self.error is None) != bool(self.reason):
            raise ValueError("an agreement of outputs is an error, or the reason for having none")

    @property
    def text(self) -> str:
        """One sentence, such as `within 2e-06 of ONNX Runtime's (allowed 0.001 at fp32)`."""
        if self.error is None:
            return f"not compared, because {self.reason}"
        found = f"within {self.error:.2g} of {self.reference}'s"
        if self.allowed is None:
            why = f", because {self.note}" if self.note else f" at {self.precision}"
            return f"{found}, not judged{why}"
        held = " and ".join(filter(None, (self.precision, self.rounding)))
        told = f"{found} (allowed {self.allowed:.3g} at {held})"
        return f"{told}; {self.note}" if self.note else told


@dataclass(frozen=True, slots=True)
class GpuMoment:
    """A GPU at one moment. None, or no limit, means that the driver does not tell."""

    clock_hz: float | None = None
    """Of the multiprocessors."""
    memory_clock_hz: float | None = None
    temperature_c: float | None = None
    power_w: float | None = None
    power_limit_w: float | None = None
    limits: tuple[str, ...] = ()
    """Why the clock was not higher, in words."""

    @property
    def text(self) -> str:
        """One line: `1980 MHz, memory 2619 MHz, 54 C, 310 W of 700 W, power cap`."""
        parts = []
        if self.clock_hz is not None:
            parts.append(f"{self.clock_hz / 1e6:.0f} MHz")
        if self.memory_clock_hz is not None:
            parts.append(f"memory {self.memory_clock_hz / 1e6:.0f} MHz")
        if self.temperature_c is not None:
            parts.append(f"{self.temperature_c:.0f} C")
        if self.power_w is not None:
            limit = "" if self.power_limit_w is None else f" of {self.power_limit_w:.0f} W"
            parts.append(f"{self.power_w:.0f} W{limit}")
        parts += self.limits
        return ", ".join(parts) or "the driver tells nothing"


@dataclass(frozen=True, slots=True)
class GpuConditions:
    """The GPU that was measured on, before the first restart and after the last."""

    name: str
    uuid: str = ""
    """Which board: identical ones are one device, and their records can still be told apart."""
    before: GpuMoment = field(default_factory=GpuMoment)
    after: GpuMoment = field(default_factory=GpuMoment)
    slowed_s: Mapping[str, float] = field(default_factory=dict)
    """Seconds, over all restarts, for which `power` or `heat` held the clock down; a limit that
    the driver does not count is absent."""
    slowing: tuple[str, ...] = ()
    """Limits met at the end of a restart that mean the GPU ran slower than it can."""

    @property
    def slowed(self) -> str:
        """What slowed the GPU down: `power 0.500 s, power cap`; empty where nothing did."""
        counted = [
            f"{limit} {spent:.3f} s" for limit, spent in sorted(self.slowed_s.items()) if spent
        ]
        return ", ".join([*counted, *self.slowing])
