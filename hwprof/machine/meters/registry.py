"""Finding an energy meter: the built-in ones and those that other packages bring.

Which is chosen when several work: one that covers exactly the device's hardware before one of the
whole board, the built-in ones in the order below before plugins by name. A meter of other hardware
is never chosen, nor is one that takes minutes; both serve when named.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from hwprof.errors import DeviceError, OptionError
from hwprof.machine.host.roots import SYSTEM, Roots
from hwprof.machine.meters.base import Absent, Availability, Coverage, EnergyMeter
from hwprof.plugins import Entry, Registry, in_words

REGISTRY = Registry(
    "hwprof.meters",
    "energy meter",
    EnergyMeter,  # type: ignore[type-abstract]
    "hwprof.testing.meters",
    {
        "rapl": "hwprof.machine.meters.rapl:RaplMeter",
        "amd-energy": "hwprof.machine.meters.hwmon:AmdEnergyMeter",
        "socket-power": "hwprof.machine.meters.hwmon:SocketPowerMeter",
        "ina": "hwprof.machine.meters.ina:InaMeter",
        "psu": "hwprof.machine.meters.hwmon:PsuMeter",
        "battery": "hwprof.machine.meters.power_supply:BatteryMeter",
        "nvml": "hwprof.machine.meters.nvml:NvmlMeter",
    },
    DeviceError,
)
_HARDWARE = {"cpu": "the processor", "gpu": "a GPU", "board": "the whole machine"}


@dataclass(frozen=True, slots=True)
class MeterListing:
    """A meter that is known, and whether it works here."""

    name: str
    available: bool
    reason: str = ""
    fix: str = ""
    present: bool = True
    """False when the sensor is simply not there."""
    covers: Coverage = "board"
    automatic: bool = True
    """Whether it may be chosen without being named."""


def find_meter(
    name: str | None = None,
    roots: Roots = SYSTEM,
    *,
    covering: Coverage = "cpu",
    plugins: Iterable[Entry] | None = None,
) -> EnergyMeter | Absent:
    """The meter called `name`, else the best that works here for hardware of one kind.

    `plugins` stands in for the installed entry points. A meter that is named is taken whatever it
    covers. Without a working meter the answer is Absent with the reason in one line. The caller
    closes the meter. Raises OptionError for an unknown name.
    """
    points = REGISTRY.entries(plugins)
    if name is not None:
        require_meter(name, points)
        return _create(points[name], _load(points[name]), roots)
    passed: list[MeterListing] = []
    fitting = []
    for point in points.values():
        kind = _load(point)
        if isinstance(kind, Absent):
            passed.append(MeterListing(point.name, False, kind.reason, kind.fix))
        elif kind.covers not in (covering, "board"):
            continue
        elif kind.automatic:
            fitting.append((point, kind))
        else:
            passed.append(_listing(point, kind, roots))
    # Sorting is stable: the order of `points` remains within each half.
    for point, kind in sorted(fitting, key=lambda pair: pair[1].covers != covering):
        answer = _create(point, kind, roots)
        if isinstance(answer, EnergyMeter):
            return answer
        passed.append(_listing(point, kind, roots, answer))
    # Named in the usual order whatever they were tried in.
    places = list(points)
    return explain(sorted(passed, key=lambda listing: places.index(listing.name)), covering)


def list_meters(
    roots: Roots = SYSTEM, *, plugins: Iterable[Entry] | None = None
) -> tuple[MeterListing, ...]:
    """Every known meter and whether it works here. Raises nothing."""
    listings = []
    for name, point in REGISTRY.entries(plugins).items():
        kind = _load(point)
        if isinstance(kind, Absent):
            listings.append(MeterListing(name, False, kind.reason, kind.fix))
        else:
            listings.append(_listing(point, kind, roots))
    return tuple(listings)


def explain(listings: Iterable[MeterListing], covering: Coverage | None = None) -> Absent:
    """Why none of these meters was taken, in one line.

    A sensor that is there and cannot be used is worth its reason; those that are not there are
    only named, and `list_meters` has their reasons.
    """
    known = tuple(listings)
    unusable = [one for one in known if one.automatic and not one.available and one.present]
    if unusable:
        fix = next((one.fix for one in unusable if one.fix), "")
        return Absent("; ".join(one.reason for one in unusable), fix)
    what = "" if covering is None else f" for {_HARDWARE[covering]}"
    looked = ", ".join(one.name for one in known) or "nothing"
    reason = f"no energy sensor{what} on this machine (looked for {looked})"
    for one in known:
        if one.available and not one.automatic:
            advice = f"--meter {one.name}"
            return Absent(f"{reason}; {advice} can measure, in minutes per model", advice)
    return Absent(reason)


def require_meter(name: str, points: Iterable[str] | None = None) -> str:
    """The name of a meter, as it was given. Raises OptionError if there is none of that name."""
    known = tuple(REGISTRY.entries(None) if points is None else points)
    if name not in known:
        raise OptionError(f"unknown energy meter '{name}'; choose one of: {', '.join(known)}")
    return name


def _load(point: Entry) -> type[EnergyMeter] | Absent:
    """A broken plugin is a reason, not the end of a campaign."""
    try:
        return REGISTRY.load(point)
    except DeviceError as error:
        return Absent(str(error))


def _ask(point: Entry, kind: type[EnergyMeter], roots: Roots) -> Availability | Absent:
    try:
        return kind.available(roots)
    except Exception as error:
        return Absent(f"energy meter '{point.name}' failed: {in_words(error)}")


def _listing(
    point: Entry, kind: type[EnergyMeter], roots: Roots, failed: Absent | None = None
) -> MeterListing:
    """What is known of a meter; `failed` is why it could not be made."""
    status = _ask(point, kind, roots)
    ok = isinstance(status, Availability) and status.ok
    present = isinstance(status, Absent) or status.present
    if ok and failed is not None:
        ok, status = False, failed
    return MeterListing(
        point.name, ok, status.reason, status.fix, present, kind.covers, kind.automatic
    )


def _create(point: Entry, kind: type[EnergyMeter] | Absent, roots: Roots) -> EnergyMeter | Absent:
    if isinstance(kind, Absent):
        return kind
    answer = _ask(point, kind, roots)
    if isinstance(answer, Absent):
        return answer
    if not answer.ok:
        return Absent(answer.reason, answer.fix)
    try:
        return kind.create(roots)
    except DeviceError as error:
        return Absent(str(error))
    except Exception as error:
        return Absent(f"energy meter '{point.name}' failed: {in_words(error)}")
