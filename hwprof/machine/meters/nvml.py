"""Energy of an NVIDIA GPU, from the driver: a counter of millijoules, or power added up.

Boards since Volta count their energy (`nvmlDeviceGetTotalEnergyConsumption`). Older ones tell
power alone, which a thread then samples and adds up. How often either is updated differs by
board, so it is looked at first. Both cover the whole board, its memory and every other program on
it included; a MIG slice has neither.

Sources: NVML API reference; for what the figures can be trusted with, Yang, Adamek and Armour,
"Part-time Power Measurements: nvidia-smi's Lack of Attention" (SC 2024): the sensors of some
boards see only a quarter of the time, so windows must be long.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from itertools import pairwise
from typing import ClassVar

from hwprof.errors import DeviceError
from hwprof.machine.gpu.nvml import Gpu, open_nvml
from hwprof.machine.host.roots import SYSTEM, Roots
from hwprof.machine.meters.base import Availability, Coverage, EnergyMeter
from hwprof.machine.meters.sampled import Sampler

# The slowest that boards are known to update power (the paper above, table 1).
POWER_PERIOD_S = 0.1
# Looked at for as long as it takes to see some updates, and no longer than this.
LOOK_S = 1.0
LOOK_CHANGES = 6
LOOK_STEP_S = 0.002


def update_period_s(
    read: Callable[[], float],
    clock: Callable[[], float] = time.perf_counter,
    wait: Callable[[float], None] = time.sleep,
) -> float:
    """Seconds between two updates of a counter: the median of what is seen in at most a second.

    A counter seen to move less than twice has a period of up to the whole second, which is then
    the answer. Raises what `read` raises.
    """
    began_s = clock()
    last = read()
    changes: list[float] = []
    while len(changes) < LOOK_CHANGES and clock() - began_s < LOOK_S:
        wait(LOOK_STEP_S)
        value = read()
        if value != last:
            changes.append(clock())
            last = value
    gaps = [after - before for before, after in pairwise(changes)]
    return statistics.median(gaps) if gaps else LOOK_S


class NvmlMeter(EnergyMeter):
    """The energy of one GPU. By name it is that of GPU 0; a device that runs on another asks for
    its own."""

    covers: ClassVar[Coverage] = "gpu"

    def __init__(self, gpu: Gpu, *, start: bool = True) -> None:
        """Raises DeviceError when the GPU tells neither energy nor power.

        Without `start` power is sampled at `read_j` alone, which is how tests drive it.
        """
        self._gpu = gpu
        self._name = gpu.facts.name
        self._sampler: Sampler | None = None
        self._period_s = POWER_PERIOD_S
        self._began_j = 0.0
        try:
            self._period_s = update_period_s(gpu.energy_j)
            self._began_j = gpu.energy_j()
        except DeviceError:
            sampler = Sampler(gpu.power_w, POWER_PERIOD_S)
            self._sampler = sampler.start() if start else sampler

    @classmethod
    def available(cls, roots: Roots = SYSTEM) -> Availability:
        try:
            gpu = open_nvml().by_index(0)
        except DeviceError as error:
            return Availability(False, str(error), present=False)
        try:
            gpu.energy_j()
        except DeviceError:
            try:
                gpu.power_w()
            except DeviceError as error:
                return Availability(False, f"no energy counter, and {error}")
        return Availability(True)

    @classmethod
    def create(cls, roots: Roots = SYSTEM) -> NvmlMeter:
        return cls(open_nvml().by_index(0))

    @property
    def name(self) -> str:
        return "nvml"

    @property
    def domain(self) -> str:
        how = "energy counter" if self._sampler is None else "power sampled and added up"
        return f"board of {self._name}, {how}"

    @property
    def sample_period_s(self) -> float:
        return self._period_s if self._sampler is None else self._sampler.period_s

    def read_j(self) -> float:
        if self._sampler is not None:
            return self._sampler.read_j()
        joules = self._gpu.energy_j() - self._began_j
        if joules < 0:
            raise DeviceError(
                f"the energy counter of {self._name} went backwards by {-joules:.3g} J, as when "
                "the driver is reloaded; measure again"
            )
        return joules

    def close(self) -> None:
        if self._sampler is not None:
            self._sampler.close()
