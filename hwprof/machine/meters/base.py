"""What an energy meter is. It reads a counter; when and for how long to read is `window`'s."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from types import TracebackType
from typing import ClassVar, Literal, Self

from hwprof.machine.availability import Availability as Availability
from hwprof.machine.host.roots import SYSTEM, Roots

Coverage = Literal["cpu", "gpu", "board"]
"""What a meter's joules include: the processors, a GPU, or all that the machine draws."""


@dataclass(frozen=True, slots=True)
class Absent:
    """There is no meter, and this is why."""

    reason: str
    fix: str = ""


class EnergyMeter(ABC):
    """A sensor that counts joules. A plugin offers a subclass under `hwprof.meters`.

    It is a context manager; closing it ends whatever it does in the background.
    """

    covers: ClassVar[Coverage] = "board"
    """A meter of the whole board serves every device on it; others serve their own kind only."""
    automatic: ClassVar[bool] = True
    """Whether it may be chosen without being named. A slow sensor makes every model take minutes,
    which nobody should meet with by surprise."""

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
        """What the joules cover and what was assumed, for example `package-0 + package-1`."""

    @property
    @abstractmethod
    def sample_period_s(self) -> float:
        """Seconds between two updates of the counter, as far as known by now.

        It may become longer while the meter runs, when the sensor turns out slower than it says.
        """

    @property
    def longest_gap_s(self) -> float:
        """Longest time between two reads that the counter can bridge; `inf` if any."""
        return math.inf

    @abstractmethod
    def read_j(self) -> float:
        """Joules since the meter was created: unwrapped and never falling.

        Raises DeviceError when the sensor cannot be read, or went backwards.
        """

    def close(self) -> None:  # noqa: B027 - a counter holds nothing
        """End what the meter does in the background. Calling it again does nothing."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
