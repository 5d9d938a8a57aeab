"""What an energy meter is. It reads a counter; when and for how long to read is `window`'s."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass

from hwprof.devices.availability import Availability as Availability
from hwprof.devices.host.roots import SYSTEM, Roots


@dataclass(frozen=True, slots=True)
class Absent:
    """There is no meter, and this is why."""

    reason: str
    fix: str = ""


class EnergyMeter(ABC):
    """A sensor that counts joules. A plugin offers a subclass under `hwprof.meters`."""

    @classmethod
    @abstractmethod
    def available(cls, roots: Roots = SYSTEM) -> Availability:
        """Whether the sensor is there and may be read. Raises nothing."""

    @classmethod
    @abstractmethod
    def create(cls, roots: Roots = SYSTEM) -> EnergyMeter:
        """Start counting from now. Raises DeviceError when the sensor cannot be read."""

    @property
    @abstractmethod
    def name(self) -> str:
        """Name of the sensor, for example `rapl`."""

    @property
    @abstractmethod
    def domain(self) -> str:
        """What the joules cover, for example `package-0 + package-1`."""

    @property
    @abstractmethod
    def sample_period_s(self) -> float:
        """Seconds between two updates of the counter."""

    @property
    def longest_gap_s(self) -> float:
        """Longest time between two reads that the counter can bridge; `inf` if any."""
        return math.inf

    @abstractmethod
    def read_j(self) -> float:
        """Joules since the meter was created: unwrapped and never falling.

        Raises DeviceError when the sensor cannot be read, or went backwards.
        """
