"""One battery under `/sys/class/power_supply`, and the ways to read what it gives out.

Source: Documentation/ABI/testing/sysfs-class-power of the kernel. Which files exist, their sign
and sometimes their unit differ by vendor (hwprof.machine.meters.battery_units); what is chosen is
said in `Gauge.says`, and what cannot be decided is refused.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path

from hwprof.errors import DeviceError
from hwprof.machine.host.roots import Roots
from hwprof.machine.meters.battery_units import (
    Scale,
    charge_scale,
    current_scale,
    energy_scale,
    most_watts,
    power_scale,
    voltage_scale,
)
from hwprof.machine.meters.files import read_number

_JOULES_PER_WATT_HOUR = 3600.0


@dataclass(frozen=True, slots=True)
class Supply:
    """A folder of the power-supply class, as it is now."""

    path: Path
    kind: str
    """`Battery`, `Mains`, `USB`, ...; empty when unreadable."""
    status: str
    """A battery's: `Charging`, `Discharging`, `Not charging`, `Full` or `Unknown`."""
    online: bool
    """Whether a supply that is no battery feeds the machine."""

    @property
    def name(self) -> str:
        return self.path.name


def supplies(roots: Roots) -> list[Supply]:
    """Every supply of the machine itself; those of a mouse or a headset are left out."""
    found = []
    for path in roots.entries(roots.sys / "class/power_supply"):
        if roots.text(path / "scope") == "Device":
            continue
        kind = roots.text(path / "type") or ""
        if kind == "Battery" and roots.number(path / "present") == 0:
            continue
        online = kind not in ("Battery", "BMS") and bool(roots.number(path / "online"))
        found.append(Supply(path, kind, roots.text(path / "status") or "", online))
    batteries = [supply for supply in found if supply.kind == "Battery"]
    named = [supply for supply in batteries if supply.name == "battery"]
    if named:
        # Android: `battery` speaks for the phone, and the fuel gauge behind it may be listed too.
        found = [supply for supply in found if supply.kind != "Battery" or supply in named]
    return found


class Gauge(ABC):
    """A way to read one battery."""

    counts_charge: bool
    """True when `read` gives joules that are left, False when it gives watts."""
    says: str
    """Which files are read and what was assumed of them."""

    @abstractmethod
    def read(self) -> float:
        """Watts now, or joules left from any origin. Raises DeviceError."""


def _voltage(roots: Roots, battery: Path) -> tuple[float, Scale] | None:
    """Volts now and the scale of `voltage_now`; None when it is missing or no voltage."""
    count = roots.number(battery / "voltage_now")
    scale = None if count is None else voltage_scale(count)
    return None if count is None or scale is None else (count * scale.factor, scale)


def _undecided(path: Path, count: int, units: str) -> DeviceError:
    return DeviceError(
        f"{path} reads {count}, which is no plausible figure in {units}; "
        "choose another meter with --meter"
    )


class _PowerGauge(Gauge):
    """What the ways to read power share: what a reading may be."""

    counts_charge = False
    most_w: float
    sign: int
    """Of the reading when the gauge was made, which was a discharge."""

    def checked(self, watts: float, count: int) -> float:
        """`watts`, taken from a file that reads `count`, as a discharge. Raises DeviceError."""
        # Some vendors give a discharge as negative, as the kernel asks, and some as positive. A
        # change of sign is a change of direction either way.
        if watts * self.sign < 0:
            raise DeviceError(
                f"the battery's current changed direction (now {count}); "
                "unplug the charger and measure again"
            )
        if abs(watts) > self.most_w:
            raise DeviceError(
                f"the battery's figures jumped to {abs(watts):.4g} W, more than such a battery "
                "gives; choose another meter with --meter"
            )
        return abs(watts)


class PowerGauge(_PowerGauge):
    """`power_now`."""

    def __init__(self, roots: Roots, battery: Path) -> None:
        """Raises DeviceError when the file is missing, or its unit cannot be told."""
        self._roots, self._path = roots, battery / "power_now"
        voltage = _voltage(roots, battery)
        volts = None if voltage is None else voltage[0]
        count = read_number(roots, self._path)
        scale = power_scale(count, volts)
        if scale is None:
            raise _undecided(self._path, count, "uW or mW")
        self._scale = scale
        self.sign = 1 if count > 0 else -1
        self.most_w = most_watts(volts)
        self.says = self._path.name + ("" if scale.regular else " taken as mW")

    def read(self) -> float:
        count = read_number(self._roots, self._path)
        return self.checked(count * self._scale.factor, count)


class CurrentGauge(_PowerGauge):
    """`current_now` times `voltage_now`."""

    def __init__(self, roots: Roots, battery: Path) -> None:
        """Raises DeviceError when a file is missing, or its unit cannot be told."""
        self._roots = roots
        self._current, self._voltage = battery / "current_now", battery / "voltage_now"
        count = read_number(roots, self._current)
        voltage = _voltage(roots, battery)
        if voltage is None:
            raise _undecided(self._voltage, read_number(roots, self._voltage), "uV or mV")
        volts, volts_scale = voltage
        scale = current_scale(count, volts)
        if scale is None:
            raise _undecided(self._current, count, "uA or mA")
        self._factor = scale.factor * volts_scale.factor
        self.sign = 1 if count > 0 else -1
        self.most_w = most_watts(volts)
        self.says = self._current.name + ("" if scale.regular else " taken as mA")
        self.says += " x voltage_now" + ("" if volts_scale.regular else " taken as mV")

    def read(self) -> float:
        count = read_number(self._roots, self._current)
        return self.checked(count * read_number(self._roots, self._voltage) * self._factor, count)


class EnergyGauge(Gauge):
    """`energy_now`: the energy that is left."""

    counts_charge = True

    def __init__(self, roots: Roots, battery: Path) -> None:
        """Raises DeviceError when the file is missing, or its unit cannot be told."""
        self._roots = roots
        self._path = battery / "energy_now"
        now = read_number(roots, self._path)
        scale = energy_scale(_full(roots, battery, "energy") or now)
        if scale is None:
            raise _undecided(self._path, now, "uWh or mWh")
        self._joules = scale.factor * _JOULES_PER_WATT_HOUR
        self.says = self._path.name + ("" if scale.regular else " taken as mWh")

    def read(self) -> float:
        return read_number(self._roots, self._path) * self._joules


class ChargeGauge(Gauge):
    """`charge_now`, or Android's `charge_counter`, times the voltage at which it is spent."""

    counts_charge = True

    def __init__(self, roots: Roots, battery: Path) -> None:
        """Raises DeviceError when the files are missing, or their unit cannot be told."""
        self._roots = roots
        self._voltage = battery / "voltage_now"
        names = ("charge_now", "charge_counter")
        usable = [battery / name for name in names if roots.number(battery / name)]
        if not usable:
            raise DeviceError(
                f"{battery} shows neither its current nor its charge; "
                "choose another meter with --meter"
            )
        self._path = usable[0]
        self._last = read_number(roots, self._path)
        charge = charge_scale(_full(roots, battery, "charge") or self._last)
        if charge is None:
            raise _undecided(self._path, self._last, "uAh or mAh")
        voltage = _voltage(roots, battery)
        if voltage is None:
            raise _undecided(self._voltage, read_number(roots, self._voltage), "uV or mV")
        volts = voltage[1]
        self._joules = charge.factor * volts.factor * _JOULES_PER_WATT_HOUR
        self._left_j = 0.0
        self.says = self._path.name + ("" if charge.regular else " taken as mAh")
        self.says += " x voltage_now" + ("" if volts.regular else " taken as mV")

    def read(self) -> float:
        now = read_number(self._roots, self._path)
        self._left_j += (now - self._last) * read_number(self._roots, self._voltage) * self._joules
        self._last = now
        return self._left_j


def _full(roots: Roots, battery: Path, what: str) -> int | None:
    """What the battery holds when full: its unit is that of what is left, and it is never low."""
    files = (f"{what}_full_design", f"{what}_full")
    found = [roots.number(battery / name) for name in files]
    return next((value for value in found if value), None)


def gauge(roots: Roots, battery: Path) -> Gauge:
    """The best way to read a battery: its power, its current, its energy, its charge.

    Raises DeviceError with the reason of the first way whose file is there.
    """
    reasons: list[DeviceError] = []
    for kind, file in (
        (PowerGauge, "power_now"),
        (CurrentGauge, "current_now"),
        (EnergyGauge, "energy_now"),
        (ChargeGauge, "charge_now"),
        (ChargeGauge, "charge_counter"),
    ):
        if not (battery / file).exists():
            continue
        try:
            return kind(roots, battery)
        except DeviceError as error:
            reasons.append(error)
    if reasons:
        raise reasons[0]
    raise DeviceError(
        f"{battery} shows neither power, current nor charge; choose another meter with --meter"
    )
