"""Energy meters: sensors that count joules, how to measure with one, and why there is none."""

from hwprof.machine.meters.base import Absent, Availability, Coverage, EnergyMeter
from hwprof.machine.meters.registry import (
    MeterListing,
    explain,
    find_meter,
    list_meters,
    require_meter,
)
from hwprof.machine.meters.window import measure_energy

__all__ = [
    "Absent",
    "Availability",
    "Coverage",
    "EnergyMeter",
    "MeterListing",
    "explain",
    "find_meter",
    "list_meters",
    "measure_energy",
    "require_meter",
]
