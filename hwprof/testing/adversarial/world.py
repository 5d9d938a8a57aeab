"""A made-up world: architectures, a pool of devices, and devices outside it.

Shapes: n architectures, d features, m pool devices, t new devices.
"""

from __future__ import annotations

from dataclasses import dataclass
from zlib import crc32

import numpy as np

from hwprof.predictors.base import FloatArray, IntArray
from hwprof.predictors.pool import DevicePool
from hwprof.similarity import Similarity


@dataclass(frozen=True, slots=True, eq=False)
class World:
    """What a case is made of before anything is done to its new devices."""

    name: str
    pool: DevicePool
    similarity: Similarity | None
    """What is handed to `fit`."""
    new_s: FloatArray
    """The new devices without noise, seconds, shape `[n, t]`."""
    noise: float
    """Relative deviation of a measurement."""
    size: FloatArray
    """Work of each architecture, `[n]`: orders them from the smallest to the largest."""
    proxy: FloatArray | None = None
    """What is known to rank the new devices beside the pool, `[n]`, such as their arithmetic."""
    by_ratio: bool = False
    """Whether devices differ by factors that change slowly, so that the ratio to a known device
    tells the most: rows of such worlds owe an error, too."""


def rng_of(*parts: object) -> np.random.Generator:
    """Randomness that depends on these names alone, on every machine."""
    return np.random.default_rng(crc32(", ".join(map(str, parts)).encode()))


def pool_of(
    features: FloatArray,
    clean_s: FloatArray,
    noise: float,
    rng: np.random.Generator,
    rows: list[IntArray] | None = None,
) -> DevicePool:
    """A pool that was measured with noise, on all rows or on those given for each device."""
    latency = clean_s * np.exp(noise * rng.standard_normal(clean_s.shape))
    if rows is not None:
        holes = np.full_like(latency, np.nan)
        for device, kept in enumerate(rows):
            holes[kept, device] = latency[kept, device]
        latency = holes
    return DevicePool(features, latency, [f"device{j}" for j in range(latency.shape[1])])
