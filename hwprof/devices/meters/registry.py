"""Finding an energy meter: the built-in ones and those that other packages bring."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points

from hwprof.devices.host.roots import SYSTEM, Roots
from hwprof.devices.meters.base import Absent, Availability, EnergyMeter
from hwprof.errors import DeviceError, OptionError

GROUP = "hwprof.meters"

# Found also in a checkout that was never installed, by the same door as a plugin.
_BUILT_IN = (EntryPoint("rapl", "hwprof.devices.meters.rapl:RaplMeter", GROUP),)


@dataclass(frozen=True, slots=True)
class MeterListing:
    """A meter that is known, and whether it works here."""

    name: str
    available: bool
    reason: str = ""
    fix: str = ""


def find_meter(
    name: str | None = None,
    roots: Roots = SYSTEM,
    *,
    plugins: Iterable[EntryPoint] | None = None,
) -> EnergyMeter | Absent:
    """The meter called `name`, or the first that works here, built-in ones before plugins.

    `plugins` stands in for the installed entry points. Without a working meter the answer is
    Absent with the reason. Raises OptionError for an unknown name.
    """
    points = _points(plugins)
    if name is not None:
        if name not in points:
            known = ", ".join(points)
            raise OptionError(f"unknown energy meter '{name}'; choose one of: {known}")
        points = {name: points[name]}
    missing: list[Absent] = []
    for point in points.values():
        answer = _create(point, roots)
        if isinstance(answer, EnergyMeter):
            return answer
        missing.append(answer)
    fix = next((absent.fix for absent in missing if absent.fix), "")
    return Absent("; ".join(absent.reason for absent in missing), fix)


def list_meters(
    roots: Roots = SYSTEM, *, plugins: Iterable[EntryPoint] | None = None
) -> tuple[MeterListing, ...]:
    """Every known meter and whether it works here. Raises nothing."""
    listings = []
    for name, point in _points(plugins).items():
        answer = _load(point)
        status = answer if isinstance(answer, Absent) else _ask(point, answer, roots)
        ok = isinstance(status, Availability) and status.ok
        listings.append(MeterListing(name, ok, status.reason, status.fix))
    return tuple(listings)


def _points(plugins: Iterable[EntryPoint] | None) -> dict[str, EntryPoint]:
    """Entry points by name. A plugin cannot take a built-in meter's name."""
    installed = entry_points(group=GROUP) if plugins is None else plugins
    points = {point.name: point for point in _BUILT_IN}
    for point in sorted(installed, key=lambda point: point.name):
        points.setdefault(point.name, point)
    return points


def _load(point: EntryPoint) -> type[EnergyMeter] | Absent:
    try:
        kind = point.load()
    # Whatever a plugin does wrong is a reason, not the end of a campaign.
    except Exception as error:
        return Absent(f"energy meter '{point.name}' does not load: {_words(error)}")
    if isinstance(kind, type) and issubclass(kind, EnergyMeter):
        return kind
    return Absent(f"energy meter '{point.name}' ({point.value}) is not an EnergyMeter class")


def _ask(point: EntryPoint, kind: type[EnergyMeter], roots: Roots) -> Availability | Absent:
    try:
        return kind.available(roots)
    except Exception as error:
        return Absent(f"energy meter '{point.name}' failed: {_words(error)}")


def _create(point: EntryPoint, roots: Roots) -> EnergyMeter | Absent:
    kind = _load(point)
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
        return Absent(f"energy meter '{point.name}' failed: {_words(error)}")


def _words(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"
