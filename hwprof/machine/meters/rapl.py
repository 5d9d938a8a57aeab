"""Energy of processor packages from RAPL counters under `/sys/class/powercap`.

Sources: Documentation/power/powercap/powercap.rst of the kernel (zones, `energy_uj` wrapping at
`max_energy_range_uj`) and Intel's Software Developer's Manual, volume 3, "RAPL Interfaces" (the
counter is updated about every millisecond; a package covers cores, caches, integrated graphics).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from hwprof.errors import DeviceError
from hwprof.machine.host.cpuinfo import cpuinfo
from hwprof.machine.host.roots import SYSTEM, Roots
from hwprof.machine.meters.base import Availability, EnergyMeter

_ZONE = re.compile(r"(intel-rapl|intel-rapl-mmio):\d+(:\d+)*")
_PACKAGE = re.compile(r"package-(\d+)(?:-die-\d+)?")
_FIX = "sudo chmod a+r /sys/class/powercap/*/energy_uj"

# No package draws more (the largest server parts are specified for 500 W). Within the time this
# takes for half a range, a counter that fell has wrapped once if it then shows under half a
# range, and has gone backwards if it shows more.
_MOST_WATTS = 1000.0


@dataclass(frozen=True, slots=True)
class Zone:
    """One power zone of the kernel."""

    path: Path
    name: str
    """`package-0`, `dram`, `core`, `uncore` or `psys`."""
    top_level: bool
    """False for a part of a package. `psys` is top-level too, and contains the packages."""
    memory_mapped: bool
    """A second view (`intel-rapl-mmio`) of a counter that `intel-rapl` usually shows as well."""

    @property
    def is_package(self) -> bool:
        return self.top_level and _PACKAGE.fullmatch(self.name) is not None


def zones(roots: Roots = SYSTEM) -> list[Zone]:
    """Every RAPL zone in the kernel's order; empty without RAPL."""
    found = []
    for path in roots.entries(roots.sys / "class/powercap", "intel-rapl*:*"):
        name = roots.text(path / "name")
        if name and _ZONE.fullmatch(path.name):
            top_level = path.name.count(":") == 1
            found.append(Zone(path, name, top_level, path.name.startswith("intel-rapl-mmio")))
    return found


def counted_zones(roots: Roots = SYSTEM) -> list[Zone]:
    """The zones whose sum is the energy of the processors, each joule once.

    Packages only: `core`, `uncore` are inside a package, `psys` contains it, and `dram` (beside
    the package) exists on few machines, so totals with it could not be compared. Memory-mapped
    copies are left out wherever the same package has the ordinary zone. On AMD the counter is the
    package's even where some kernels show one zone per die, so one die of each is taken.
    """
    packages = [zone for zone in zones(roots) if zone.is_package]
    blocks = cpuinfo(roots)
    per_package = bool(blocks) and blocks[0].get("vendor_id") in ("AuthenticAMD", "HygonGenuine")
    counted: dict[str, Zone] = {}
    for zone in sorted(packages, key=lambda zone: zone.memory_mapped):
        match = _PACKAGE.fullmatch(zone.name)
        key = match[1] if per_package and match else zone.name
        counted.setdefault(key, zone)
    return list(counted.values())


class RaplMeter(EnergyMeter):
    """Sum of all processor packages of the machine, this process's neighbours included."""

    covers = "cpu"

    def __init__(self, roots: Roots, counted: list[Zone]) -> None:
        self._roots = roots
        self._zones = counted
        self._ranges_uj = [roots.number(z.path / "max_energy_range_uj") or 0 for z in counted]
        self._last_uj = [self._read_uj(zone) for zone in counted]
        # Whole microjoules: sums and wraps are then exact.
        self._total_uj = 0

    @classmethod
    def available(cls, roots: Roots = SYSTEM) -> Availability:
        counted = counted_zones(roots)
        if not counted:
            folder = roots.sys / "class/powercap"
            return Availability(
                False,
                f"{folder} has no RAPL zone (virtual machines rarely expose one)",
                "measure energy on the physical machine",
                present=False,
            )
        for zone in counted:
            path = zone.path / "energy_uj"
            try:
                int(roots.read(path))
            except PermissionError:
                reason = f"{path} may not be read by this user; grant it until reboot with: {_FIX}"
                return Availability(False, reason, _FIX)
            except (OSError, ValueError) as error:
                return Availability(False, f"{path} cannot be read: {error}")
            if not roots.number(zone.path / "max_energy_range_uj"):
                reason = f"{zone.path} does not say where its counter wraps (max_energy_range_uj)"
                return Availability(False, reason)
        return Availability(True)

    @classmethod
    def create(cls, roots: Roots = SYSTEM) -> RaplMeter:
        answer = cls.available(roots)
        if not answer.ok:
            raise DeviceError(answer.reason)
        return cls(roots, counted_zones(roots))

    @property
    def name(self) -> str:
        return "rapl"

    @property
    def domain(self) -> str:
        return " + ".join(zone.name for zone in self._zones)

    @property
    def sample_period_s(self) -> float:
        return 0.001

    @property
    def longest_gap_s(self) -> float:
        """Half a counter's range at 1000 W per package: about 131 s for the usual 262 kJ."""
        return min(self._ranges_uj) / 2 / 1e6 / _MOST_WATTS

    def read_j(self) -> float:
        now_uj = [self._read_uj(zone) for zone in self._zones]
        for zone, before, now, span in zip(
            self._zones, self._last_uj, now_uj, self._ranges_uj, strict=True
        ):
            self._total_uj += _spent_uj(zone, before, now, span)
        self._last_uj = now_uj
        return self._total_uj / 1e6

    def _read_uj(self, zone: Zone) -> int:
        path = zone.path / "energy_uj"
        try:
            return int(self._roots.read(path))
        except (OSError, ValueError) as error:
            raise DeviceError(f"{path} cannot be read ({error}); try: {_FIX}") from error


def _spent_uj(zone: Zone, before: int, now: int, span: int) -> int:
    if now >= before:
        return now - before
    wrapped = now + span - before
    if not 0 <= wrapped <= span / 2:
        raise DeviceError(
            f"the {zone.name} counter of {zone.path} went backwards, from {before} to {now} uJ, "
            "without wrapping; measure again"
        )
    return wrapped
