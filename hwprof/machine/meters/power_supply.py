"""Energy of phones and laptops from the batteries that feed them.

A battery tells what a device draws only while it alone feeds it: not while charging, nor while a
charger is plugged in. Fuel gauges are slow, once per second at best, so measuring with them takes
minutes per model; that is done only for those who ask for this meter by name.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from hwprof.errors import DeviceError
from hwprof.machine.host.roots import SYSTEM, Roots
from hwprof.machine.meters.base import Availability, EnergyMeter
from hwprof.machine.meters.battery import Gauge, Supply, gauge, supplies
from hwprof.machine.meters.sampled import Drain, Sampler

# ACPI batteries are read anew once per second (`cache_time` of the kernel's driver), fuel gauges
# of phones about as often. Slower ones show themselves: Sampler.period_s.
PERIOD_S = 1.0


def _obstacle(found: list[Supply]) -> Availability | None:
    """Why these supplies do not tell what the machine draws; None when they do."""
    batteries = [supply for supply in found if supply.kind == "Battery"]
    if not batteries:
        return Availability(False, "this machine has no battery", present=False)
    fix = "unplug the charger"
    for supply in found:
        if supply.online:
            reason = f"{supply.name} ({supply.kind}) feeds the machine beside its battery"
            return Availability(False, f"{reason}; unplug it", fix)
    for battery in batteries:
        if battery.status == "Charging":
            return Availability(False, f"battery {battery.name} is charging; unplug it", fix)
    if all(battery.status != "Discharging" for battery in batteries):
        said = ", ".join(f"{battery.name}: {battery.status or '?'}" for battery in batteries)
        return Availability(False, f"no battery is discharging ({said}); unplug the charger", fix)
    return None


def _discharging(found: list[Supply]) -> list[Supply]:
    return [s for s in found if s.kind == "Battery" and s.status == "Discharging"]


class BatteryMeter(EnergyMeter):
    """All that a phone or laptop draws, screen and radio included."""

    covers = "board"
    automatic = False

    def __init__(self, roots: Roots, *, clock: Callable[[], float] = time.monotonic) -> None:
        """Polls only once `start`ed. Raises DeviceError when a battery cannot be read."""
        self._roots = roots
        self._batteries = _discharging(supplies(roots))
        self._names = [battery.name for battery in self._batteries]
        self._gauges: list[Gauge] = [gauge(roots, battery.path) for battery in self._batteries]
        kinds = {one.counts_charge for one in self._gauges}
        if len(kinds) != 1:
            raise DeviceError(
                f"batteries {', '.join(self._names)} tell different quantities; "
                "choose another meter with --meter"
            )
        drain = Drain() if kinds == {True} else None
        self.sampler = Sampler(self._read, PERIOD_S, drain, clock=clock)

    def _read(self) -> float:
        found = supplies(self._roots)
        obstacle = _obstacle(found)
        if obstacle is not None:
            raise DeviceError(f"{obstacle.reason} and measure again")
        names = [battery.name for battery in _discharging(found)]
        if names != self._names:
            raise DeviceError(
                f"the machine went over from battery {', '.join(self._names)} to "
                f"{', '.join(names)}; measure again"
            )
        return sum(one.read() for one in self._gauges)

    @classmethod
    def available(cls, roots: Roots = SYSTEM) -> Availability:
        found = supplies(roots)
        obstacle = _obstacle(found)
        if obstacle is not None:
            return obstacle
        try:
            for battery in _discharging(found):
                gauge(roots, battery.path).read()
        except DeviceError as error:
            return Availability(False, str(error))
        return Availability(True)

    @classmethod
    def create(cls, roots: Roots = SYSTEM) -> BatteryMeter:
        answer = cls.available(roots)
        if not answer.ok:
            raise DeviceError(answer.reason)
        meter = cls(roots)
        meter.sampler.start()
        return meter

    @property
    def name(self) -> str:
        return "battery"

    @property
    def domain(self) -> str:
        return " + ".join(
            f"battery {name} ({one.says})"
            for name, one in zip(self._names, self._gauges, strict=True)
        )

    @property
    def sample_period_s(self) -> float:
        return self.sampler.period_s

    def read_j(self) -> float:
        return self.sampler.read_j()

    def close(self) -> None:
        self.sampler.close()
