"""Devices by short names: what they are asked for by, and as little as tells them apart."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping

from hwprof.device_spec import DeviceSpec

_PLACE = ("version", "where")
_SELF = (("threads", "1"), ("precision", "native"))


def short_names(devices: Iterable[DeviceSpec]) -> dict[str, str]:
    """A name for each device, by fingerprint: `onnxruntime-cpu:threads=2`.

    Of those of one name, as many settings are named as tell them apart, then versions and machines,
    the fingerprint where nothing else does. Threads are named unless they are one, which goes
    without saying, as the model's own precision does.
    """
    alike: dict[str, dict[str, DeviceSpec]] = {}
    for device in devices:
        alike.setdefault(device.name, {})[device.fingerprint] = device
    names: dict[str, str] = {}
    for group in alike.values():
        facts = {key: {**_settings(spec), **_place(spec)} for key, spec in group.items()}
        told = {"threads", *_telling(facts)}
        for key, spec in group.items():
            own = {name: value for name, value in facts[key].items() if name in told}
            settings = [
                f"{k}={v}" for k, v in own.items() if k not in _PLACE and (k, v) not in _SELF
            ]
            places = [value for name, value in own.items() if name in _PLACE]
            names[key] = " ".join([spec.name + ":" * bool(settings) + ",".join(settings), *places])
        shared = Counter(names[key] for key in group)
        names |= {key: f"{names[key]} {key[:6]}" for key in group if shared[names[key]] > 1}
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


def _telling(facts: Mapping[str, Mapping[str, str]]) -> list[str]:
    """Facts that together tell apart whatever all of them do: each, in its order, some of it."""
    chosen: list[str] = []
    kinds = 1
    for name in dict.fromkeys(name for each in facts.values() for name in each):
        more = len({tuple(each.get(n) for n in (*chosen, name)) for each in facts.values()})
        if more > kinds:
            chosen.append(name)
            kinds = more
    return chosen
