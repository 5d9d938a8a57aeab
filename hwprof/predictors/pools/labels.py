"""Short names for devices: the parts that tell them apart, and no more."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from hwprof.device_spec import DeviceSpec

# What may tell two devices apart, in the order in which people think of it.
_PARTS: tuple[Callable[[DeviceSpec], str], ...] = (
    lambda device: device.name,
    lambda device: device.hardware.accelerator or f"{device.hardware.cpu}-{device.hardware.cores}c",
    lambda device: device.runtime_version,
    lambda device: "-".join(f"{k}-{v}" for k, v in sorted(device.options.items())),
    lambda device: device.fingerprint[:8],
)


def short_names(devices: Sequence[DeviceSpec]) -> list[str]:
    """A name for each of different devices: their slugs' parts, less those that all share.

    Parts are added, the first ones first, until no two devices have the same name.
    """
    used: list[Callable[[DeviceSpec], str]] = []
    found = [devices[0].name] if len(devices) == 1 else []
    for part in _PARTS:
        if len(set(found)) == len(devices):
            break
        # A part that all share says nothing, unless there is no other.
        if len({part(device) for device in devices}) > 1:
            used.append(part)
            found = [_slug("-".join(each(device) for each in used)) for device in devices]
    return found


def asked_as(device: DeviceSpec) -> str:
    """What `hwprof measure --device` takes for a device; the threads are an option of their own."""
    options = dict(device.options)
    if device.precision not in ("native", "fp32"):
        options["precision"] = device.precision
    text = ",".join(f"{key}={value}" for key, value in sorted(options.items()) if key and value)
    return f"{device.name}:{text}" if text else device.name


def _slug(text: str) -> str:
    return re.sub(r"[^a-z0-9.]+", "-", text.lower()).strip("-")
