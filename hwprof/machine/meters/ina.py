"""Energy of a board from its INA power monitors (Texas Instruments), as NVIDIA's Jetsons carry.

Sources: Documentation/hwmon/ina3221.rst, ina2xx.rst, ina238.rst and sysfs-interface.rst of the
kernel (`inN_input` mV, `currN_input` mA, `powerN_input` uW, `update_interval` ms); "Software-Based
Power Consumption Modeling" of NVIDIA's Jetson Linux Developer Guide for the rails of each module.
The vendor's kernels before Linux 5 give the same chips through the iio subsystem instead:
`rail_name_N`, `in_voltageN_input` mV, `in_currentN_input` mA.

Which rails add up to the board has to be known by name. Boards that are not listed below, and
rails without a label, have no total: a part of a board must not pass for the whole.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from hwprof.errors import DeviceError
from hwprof.machine.host.roots import SYSTEM, Roots
from hwprof.machine.meters.base import Availability, EnergyMeter
from hwprof.machine.meters.files import read_number
from hwprof.machine.meters.sampled import Sampler

_CHIP = re.compile(r"ina(219|22[06]|228|23[0137]|238|260|3221)")
# The first that a board has all of. VIN is Thor's carrier board, VDD_IN the input of a module
# (TX1, TX2, Xavier NX, Orin NX and Nano), POM_5V_IN that of the first Nano.
_TOTALS: tuple[tuple[str, ...], ...] = (
    ("VIN",),
    ("VDD_IN",),
    ("POM_5V_IN",),
    # AGX Orin: VDDQ_VDD2_1V8AO is fed from VIN_SYS_5V0, and so is in it already.
    ("VDD_GPU_SOC", "VDD_CPU_CV", "VIN_SYS_5V0"),
    # AGX Xavier: rails side by side.
    ("GPU", "CPU", "SOC", "CV", "VDDRQ", "SYS5V"),
)
# The chips convert faster, but each reading is several transfers over a slow bus.
MIN_PERIOD_S = 0.02


@dataclass(frozen=True, slots=True)
class Rail:
    """One monitored supply line."""

    label: str
    """As the board's maker calls it, upper case; empty where nobody named it."""
    power: Path | None
    """Microwatts, where the driver multiplies."""
    voltage: Path
    """Millivolts."""
    current: Path
    """Milliamperes."""
    interval_ms: int | None
    """Between two conversions, where the driver tells."""

    def read_uw(self, roots: Roots) -> int:
        """Power now, microwatts. Raises DeviceError when a file cannot be read."""
        if self.power is not None:
            return read_number(roots, self.power)
        return read_number(roots, self.voltage) * read_number(roots, self.current)


def rails(roots: Roots = SYSTEM) -> list[Rail]:
    """Every rail of every INA chip, named or not; empty without such chips."""
    return [*_hwmon_rails(roots), *_iio_rails(roots)]


def _hwmon_rails(roots: Roots) -> Iterator[Rail]:
    for chip in roots.entries(roots.sys / "class/hwmon", "hwmon*"):
        name = roots.text(chip / "name") or ""
        if not _CHIP.fullmatch(name):
            continue
        interval_ms = roots.number(chip / "update_interval")
        # Of the ina3221, channels 4 and up are shunt voltages and their sum; of the others,
        # in0 is the shunt and in1 the supply.
        for channel in (1, 2, 3) if name == "ina3221" else (1,):
            voltage = chip / f"in{channel}_input"
            power = chip / f"power{channel}_input"
            if roots.number(chip / f"in{channel}_enable") == 0 or not voltage.exists():
                continue
            label = roots.text(chip / f"in{channel}_label") or roots.text(chip / "label") or ""
            yield Rail(
                label.upper(),
                power if power.exists() else None,
                voltage,
                chip / f"curr{channel}_input",
                interval_ms,
            )


def _iio_rails(roots: Roots) -> Iterator[Rail]:
    drivers = roots.sys / "bus/i2c/drivers/ina3221x"
    for named in roots.entries(drivers, "*/iio:device*/rail_name_*"):
        channel = named.name.removeprefix("rail_name_")
        yield Rail(
            (roots.text(named) or "").upper(),
            None,
            named.with_name(f"in_voltage{channel}_input"),
            named.with_name(f"in_current{channel}_input"),
            None,
        )


def total(found: list[Rail]) -> list[Rail]:
    """The rails that add up to the board, each joule once; empty where none are known to."""
    by_label = {rail.label: rail for rail in found if rail.label}
    for labels in _TOTALS:
        if all(label in by_label for label in labels):
            return [by_label[label] for label in labels]
    return []


class InaMeter(EnergyMeter):
    """All that a module or board draws from its supply."""

    covers = "board"

    def __init__(
        self, roots: Roots, counted: list[Rail], *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Polls only once `start`ed. Raises DeviceError when a rail cannot be read."""
        self._counted = counted
        intervals_s = [rail.interval_ms / 1e3 for rail in counted if rail.interval_ms]
        period_s = max([MIN_PERIOD_S, *intervals_s])
        self.sampler = Sampler(
            lambda: sum(rail.read_uw(roots) for rail in counted) / 1e6, period_s, clock=clock
        )

    @classmethod
    def available(cls, roots: Roots = SYSTEM) -> Availability:
        found = rails(roots)
        if not found:
            folder = roots.sys / "class/hwmon"
            return Availability(
                False, f"{folder} has no INA power monitor (Jetson boards do)", present=False
            )
        counted = total(found)
        if not counted:
            labels = ", ".join(rail.label or "one without a label" for rail in found)
            return Availability(
                False,
                f"it is not known which rails of this board add up to its input ({labels})",
                "write a meter for this board: docs/energy.md",
            )
        try:
            for rail in counted:
                rail.read_uw(roots)
        except DeviceError as error:
            return Availability(False, str(error))
        return Availability(True)

    @classmethod
    def create(cls, roots: Roots = SYSTEM) -> InaMeter:
        answer = cls.available(roots)
        if not answer.ok:
            raise DeviceError(answer.reason)
        meter = cls(roots, total(rails(roots)))
        meter.sampler.start()
        return meter

    @property
    def name(self) -> str:
        return "ina"

    @property
    def domain(self) -> str:
        return " + ".join(rail.label for rail in self._counted)

    @property
    def sample_period_s(self) -> float:
        return self.sampler.period_s

    def read_j(self) -> float:
        return self.sampler.read_j()

    def close(self) -> None:
        self.sampler.close()
