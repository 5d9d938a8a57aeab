"""What a session runs on beside the processor, as far as the machine around it must know."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

from hwprof.machine.gpu.state import GpuState

if TYPE_CHECKING:
    from hwprof.machine.meters.base import EnergyMeter


class Accelerator(ABC):
    """A GPU with its state, and the meter of its energy."""

    @abstractmethod
    def state(self) -> GpuState:
        """Clocks, heat and limits now. Raises nothing: unknown figures are absent."""

    @abstractmethod
    def meter(self) -> EnergyMeter:
        """A new meter of this accelerator's energy. Raises DeviceError with the reason for none."""
