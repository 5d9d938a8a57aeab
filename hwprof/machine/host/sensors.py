"""Clock, governor, temperature and throttle counters of the processor.

Sources: Documentation/admin-guide/pm/cpufreq.rst, Documentation/ABI/testing/sysfs-class-thermal,
Documentation/hwmon/coretemp.rst and k10temp.rst of the kernel. Everything that cannot be read is
None or left out, never zero.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import TypeGuard

from hwprof.machine.host.cpuinfo import cpuinfo
from hwprof.machine.host.roots import Roots

# Thermal zones of the processor; `acpitz` is the board's and often a constant.
_CPU_ZONE = re.compile(r"x86_pkg_temp|TCPU|(big|little)?cpu.*|soc[-_]?(max[-_]?)?thermal", re.I)
_CPU_HWMON = frozenset({"coretemp", "k10temp", "zenpower", "cpu_thermal"})

# A sensor that is switched off reports 0 or some thousand degrees below zero.
_PLAUSIBLE_MILLIDEGREES = range(1, 150_001)


def governors(roots: Roots, cpus: Sequence[int]) -> dict[int, str]:
    """Frequency governor of each CPU that has one."""
    found = {cpu: roots.text(roots.cpu(cpu) / "cpufreq/scaling_governor") for cpu in cpus}
    return {cpu: governor for cpu, governor in found.items() if governor}


def clocks_hz(roots: Roots, cpus: Sequence[int]) -> dict[int, float]:
    """Current clock of each CPU, Hz: `scaling_cur_freq`, else `cpu MHz` of `/proc/cpuinfo`.

    On a virtual machine the second is the nominal clock and never moves.
    """
    clocks = {}
    for cpu in cpus:
        khz = roots.number(roots.cpu(cpu) / "cpufreq/scaling_cur_freq")
        if khz:
            clocks[cpu] = khz * 1e3
    if clocks:
        return clocks
    for block in cpuinfo(roots):
        try:
            cpu, hz = int(block["processor"]), float(block["cpu MHz"]) * 1e6
        except (KeyError, ValueError):
            continue
        if cpu in cpus and hz > 0:
            clocks[cpu] = hz
    return clocks


def temperature_c(roots: Roots) -> float | None:
    """Temperature of the hottest processor sensor, degrees Celsius; None when there is none."""
    found = [*_hwmon(roots), *_zones(roots)]
    return max(found) / 1000 if found else None


def _zones(roots: Roots) -> list[int]:
    found = []
    for zone in roots.entries(roots.sys / "class/thermal", "thermal_zone*"):
        value = roots.number(zone / "temp")
        if _CPU_ZONE.fullmatch(roots.text(zone / "type") or "") and _plausible(value):
            found.append(value)
    return found


def _hwmon(roots: Roots) -> list[int]:
    found: list[int] = []
    for chip in roots.entries(roots.sys / "class/hwmon", "hwmon*"):
        if roots.text(chip / "name") not in _CPU_HWMON:
            continue
        values: dict[str, int] = {}
        for sensor in roots.entries(chip, "temp*_input"):
            value = roots.number(sensor)
            label = roots.text(sensor.with_name(sensor.name.replace("_input", "_label")))
            if _plausible(value):
                values[label or sensor.name] = value
        if "Tdie" in values:
            # Tctl is then Tdie plus an offset made for the fan curve (k10temp.rst).
            values.pop("Tctl", None)
        found += values.values()
    return found


def _plausible(value: int | None) -> TypeGuard[int]:
    return value is not None and value in _PLAUSIBLE_MILLIDEGREES


def throttle_events(roots: Roots, cpus: Sequence[int]) -> int | None:
    """How often the processor slowed itself down for heat since boot; None when not counted.

    Every CPU of a core, and of a package, repeats the count of its core or package, so the
    largest of each is taken and then summed. Intel only (`thermal_throttle/`).
    """
    cores: dict[tuple[int, int], int] = {}
    packages: dict[int, int] = {}
    for cpu in cpus:
        folder: Path = roots.cpu(cpu)
        package = roots.number(folder / "topology/physical_package_id")
        core = roots.number(folder / "topology/core_id")
        package_key = -1 if package is None else package
        core_key = (package_key, cpu if core is None else core)
        core_count = roots.number(folder / "thermal_throttle/core_throttle_count")
        package_count = roots.number(folder / "thermal_throttle/package_throttle_count")
        if core_count is not None:
            cores[core_key] = max(core_count, cores.get(core_key, 0))
        if package_count is not None:
            packages[package_key] = max(package_count, packages.get(package_key, 0))
    return sum(cores.values()) + sum(packages.values()) if cores or packages else None
