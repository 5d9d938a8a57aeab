"""Worlds from the measurements that ship: a phone, or all of them, that the pool never saw.

The devices that published evaluations are tested on are not new ones here.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import numpy as np

from hwprof import spaces
from hwprof.predictors import pools
from hwprof.predictors.pool import DevicePool
from hwprof.testing.adversarial.world import World, rng_of

ROWS = 600
_SPACE = "nasbench201"
_DROPS = "pixel3"
_KNOWN = (
    "1080ti_1", "1080ti_32", "1080ti_256", "silver_4114", "silver_4210r",
    "samsung_a50", "essential_ph_1", "samsung_s7",
)  # fmt: skip
_PHONES = (_DROPS, "samsung_a50", "samsung_s7", "essential_ph_1")
# Kin of the phones, whose presence in the pool would make them no strangers.
_KIN = ("pixel2", "raspi4")


def _world(name: str, known: Sequence[str], new: Sequence[str]) -> World:
    whole = pools.load(_SPACE)
    rows = np.sort(rng_of("shipped").choice(whole.rows, ROWS, replace=False))
    features, latency = whole.features[rows], whole.latency_s[rows]

    def of(devices: Sequence[str]) -> list[int]:
        return [whole.devices.index(device) for device in devices]

    pool = DevicePool(features, latency[:, of(known)], known)
    size = np.mean(pool.latency_s / pool.latency_s.mean(axis=0), axis=1)
    # What they are without noise is not known: they are taken as they were measured.
    return World(name, pool, spaces.get(_SPACE).similarity(), latency[:, of(new)], 0.0, size)


@cache
def no_pixel() -> World:
    """Eight devices that run dead operations; new is one that drops them."""
    return _world("shipped, no pixel3", _KNOWN, [_DROPS])


@cache
def no_phones() -> World:
    """Fifteen GPUs and a few processors; new are four phones."""
    left_out = {*_PHONES, *_KIN}
    known = [device for device in pools.load(_SPACE).devices if device not in left_out]
    return _world("shipped, no phones", known, _PHONES)
