"""Energy meters: sensors that count joules, how to measure with one, and why there is none."""

from hwprof.devices.meters.base import Absent, Availability, EnergyMeter
from hwprof.devices.meters.registry import MeterListing, find_meter, list_meters
from hwprof.devices.meters.window import measure_energy

__all__ = [
    "Absent",
    "Availability",
    "EnergyMeter",
    "MeterListing",
    "find_meter",
    "list_meters",
    "measure_energy",
]
