"""Devices by short names: what they are asked for by, and only what tells them apart."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from hwprof.device_spec import DeviceSpec


def short_names(devices: Iterable[DeviceSpec]) -> dict[str, str]:
    """A name for each device, by fingerprint: `onnxruntime-cpu:threads=2`.

    Threads are named where they are not one, every other setting where devices of one name differ
    in it. Versions and machines follow where they differ, the fingerprint where nothing else does.
    """
    alike: dict[str, dict[str, DeviceSpec]] = {}
    for device in devices:
        alike.setdefault(device.name, {})[device.fingerprint] = device
    names: dict[str, str] = {}
    for group in alike.values():
        settings = {key: _settings(device) for key, device in group.items()}
        places = {key: _place(device) for key, device in group.items()}
        told = _differing(settings)
        where = _differing(places)
        for key, device in group.items():
            own = [
                f"{name}={value}"
                for name, value in settings[key].items()
                if name in told or (name == "threads" and value != "1")
            ]
            short = device.name + (f":{','.join(own)}" if own else "")
            names[key] = " ".join([short, *(places[key][name] for name in where)])
        among = [names[key] for key in group]
        for key in group:
            if among.count(names[key]) > 1:
                names[key] += f" {key[:6]}"
    return names


def _settings(device: DeviceSpec) -> dict[str, str]:
    """What `--device NAME:key=value` sets, as it would be written."""
    return {
        "threads": str(device.threads),
        "precision": device.precision,
        **dict(sorted(device.options.items())),
    }


def _place(device: DeviceSpec) -> dict[str, str]:
    hardware = device.hardware
    where = hardware.accelerator or f"{hardware.cpu}-{hardware.cores}c"
    return {
        "version": device.runtime_version,
        "where": re.sub(r"[^a-z0-9.]+", "-", where.lower()).strip("-"),
    }


def _differing(facts: Mapping[str, Mapping[str, str]]) -> list[str]:
    """The facts that are not the same for all."""
    names = dict.fromkeys(name for each in facts.values() for name in each)
    return [name for name in names if len({each.get(name) for each in facts.values()}) > 1]
