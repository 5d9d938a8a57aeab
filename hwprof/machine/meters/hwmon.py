"""Energy from other sensors of the kernel's hwmon subsystem, by the drivers that are known here.

Sources: Documentation/hwmon/sysfs-interface.rst (`energyN_input` uJ, `powerN_input` and
`powerN_average` uW), amd_energy (socket counters `EsocketN`; the kernel had it from 5.8 to 5.12,
since when it lives on outside), xgene-hwmon.rst, corsair-psu.rst, acpi_power_meter.rst, and
NVIDIA's Grace Performance Tuning Guide, "Power Telemetry" (ACPI meters of each socket, whose
`power1_oem_info` says which).
"""

from __future__ import annotations

import re
import time
from abc import abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from hwprof.errors import DeviceError
from hwprof.machine.host.roots import SYSTEM, Roots
from hwprof.machine.meters.base import Availability, EnergyMeter
from hwprof.machine.meters.files import read_number
from hwprof.machine.meters.sampled import Sampler


@dataclass(frozen=True, slots=True)
class Driver:
    """How a driver of the kernel shows what it measures."""

    chip: str
    """Contents of `hwmonN/name`."""
    label: str
    """File that says what a sensor measures, `{n}` being its number."""
    wanted: re.Pattern[str]
    """Labels of the sensors that together make the domain, each joule once."""
    value: str
    """File of the reading, microjoules or microwatts."""
    period_s: float


@dataclass(frozen=True, slots=True)
class Sensor:
    """One reading that belongs to the domain."""

    label: str
    path: Path
    period_s: float

    def read(self, roots: Roots) -> int:
        """Microjoules or microwatts. Raises DeviceError when it cannot be read."""
        return read_number(roots, self.path)


def sensors(drivers: tuple[Driver, ...], roots: Roots) -> list[Sensor]:
    """Sensors that the first of `drivers` with any finds; empty without one."""
    for driver in drivers:
        found = []
        for chip in roots.entries(roots.sys / "class/hwmon", "hwmon*"):
            # Older kernels keep the files of ACPI meters beside the hwmon folder.
            for folder in (chip, chip / "device"):
                if roots.text(folder / "name") == driver.chip:
                    found += _sensors_in(folder, driver, roots)
                    break
        if found:
            return found
    return []


def _sensors_in(folder: Path, driver: Driver, roots: Roots) -> list[Sensor]:
    found = []
    for path in roots.entries(folder, driver.value.format(n="*")):
        number = re.sub(r"\D*(\d+).*", r"\1", path.name)
        label = roots.text(folder / driver.label.format(n=number)) or ""
        if driver.wanted.fullmatch(label):
            found.append(Sensor(label, path, driver.period_s))
    return found


class _HwmonMeter(EnergyMeter):
    """What the meters below share: finding their sensors, and saying why there are none."""

    drivers: ClassVar[tuple[Driver, ...]]
    lacking: ClassVar[str]

    @classmethod
    def available(cls, roots: Roots = SYSTEM) -> Availability:
        found = sensors(cls.drivers, roots)
        if not found:
            folder = roots.sys / "class/hwmon"
            return Availability(False, f"{folder} has no {cls.lacking}", present=False)
        try:
            for sensor in found:
                sensor.read(roots)
        except DeviceError as error:
            return Availability(False, str(error))
        return Availability(True)

    @classmethod
    def found(cls, roots: Roots) -> list[Sensor]:
        """The sensors. Raises DeviceError when there are none that can be read."""
        answer = cls.available(roots)
        if not answer.ok:
            raise DeviceError(answer.reason)
        return sensors(cls.drivers, roots)

    @property
    @abstractmethod
    def counted(self) -> list[Sensor]:
        """The sensors that are added up."""

    @property
    def domain(self) -> str:
        return " + ".join(sensor.label for sensor in self.counted)


class AmdEnergyMeter(_HwmonMeter):
    """Processor sockets from the counters of AMD's own driver."""

    covers = "cpu"
    drivers = (
        Driver("amd_energy", "energy{n}_label", re.compile(r"Esocket\d+"), "energy{n}_input", 1e-3),
    )
    lacking = "amd_energy counters (an AMD server's driver)"

    def __init__(self, roots: Roots, counted: list[Sensor]) -> None:
        self._roots = roots
        self._counted = counted
        self._began_uj = self._last_uj = [sensor.read(roots) for sensor in counted]

    @classmethod
    def create(cls, roots: Roots = SYSTEM) -> AmdEnergyMeter:
        return cls(roots, cls.found(roots))

    @property
    def counted(self) -> list[Sensor]:
        return self._counted

    @property
    def name(self) -> str:
        return "amd-energy"

    @property
    def sample_period_s(self) -> float:
        return max(sensor.period_s for sensor in self._counted)

    def read_j(self) -> float:
        now_uj = [sensor.read(self._roots) for sensor in self._counted]
        for sensor, before, now in zip(self._counted, self._last_uj, now_uj, strict=True):
            # The driver counts in 64 bits, which no machine lives to see wrap.
            if now < before:
                raise DeviceError(
                    f"{sensor.label} went backwards, from {before} to {now} uJ; measure again"
                )
        self._last_uj = now_uj
        return (sum(now_uj) - sum(self._began_uj)) / 1e6


class _HwmonPowerMeter(_HwmonMeter):
    """A meter over sensors of power, polled in the background."""

    def __init__(
        self, roots: Roots, counted: list[Sensor], *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Polls only once `start`ed. Raises DeviceError when a sensor cannot be read."""
        self._counted = counted
        self.sampler = Sampler(
            lambda: sum(sensor.read(roots) for sensor in counted) / 1e6,
            max(sensor.period_s for sensor in counted),
            clock=clock,
        )

    @classmethod
    def create(cls, roots: Roots = SYSTEM) -> EnergyMeter:
        meter = cls(roots, cls.found(roots))
        meter.sampler.start()
        return meter

    @property
    def counted(self) -> list[Sensor]:
        return self._counted

    @property
    def sample_period_s(self) -> float:
        return self.sampler.period_s

    def read_j(self) -> float:
        return self.sampler.read_j()

    def close(self) -> None:
        self.sampler.close()


class SocketPowerMeter(_HwmonPowerMeter):
    """Processor sockets of Arm servers: NVIDIA Grace, and X-Gene."""

    covers = "cpu"
    drivers = (
        Driver(
            "power_meter",
            "power{n}_oem_info",
            # The socket's memory included; a module (Grace Hopper) would include the GPU.
            re.compile(r"Grace Power Socket \d+"),
            "power{n}_average",
            # Its firmware averages over 50 ms by default.
            0.05,
        ),
        Driver("apm_xgene", "power{n}_label", re.compile("CPU power"), "power{n}_input", 0.1),
    )
    lacking = "power sensor of a processor socket (Grace and X-Gene servers do)"

    @property
    def name(self) -> str:
        return "socket-power"


class PsuMeter(_HwmonPowerMeter):
    """What a power supply unit delivers to everything in the case."""

    covers = "board"
    drivers = (
        Driver("corsairpsu", "power{n}_label", re.compile("power total"), "power{n}_input", 0.25),
    )
    lacking = "power supply unit that reports its output (Corsair's digital ones do)"

    @property
    def name(self) -> str:
        return "psu"
