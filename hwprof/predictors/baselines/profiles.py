"""The pool's devices as functions of the architecture, for baselines that mix devices."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from hwprof.predictors.base import FloatArray
from hwprof.predictors.fewshot.smoothing import Smoothed, smooth
from hwprof.predictors.pool import DevicePool
from hwprof.similarity import Linear, Rbf, Similarity, check_similarity

# For a space that nobody has described: a linear part, and a smooth one that the evidence may use.
_PLAIN = Similarity(
    name="plain",
    smoothing=(Linear(), Rbf()),
    smoothing_weights=((1, 0), (1, 0.03), (1, 0.3), (1, 1)),
    transfer=(),
)
# A smoothed latency below this share of its device's mean is smoothed noise.
_FLOOR = 0.001


@dataclass(frozen=True, slots=True, eq=False)
class Profiles:
    """Smoothed latencies of the pool's devices, each relative to its mean over the pool."""

    devices: tuple[str, ...]
    smoothed: Smoothed

    @classmethod
    def of(cls, pool: DevicePool, similarity: Similarity | None, seed: int) -> Profiles:
        """Smooth a pool. Raises OptionError for what is no `Similarity`."""
        chosen = _PLAIN if similarity is None else check_similarity(similarity)
        return cls(pool.devices, smooth(pool, chosen, np.random.default_rng(seed)))

    @property
    def rows(self) -> FloatArray:
        """Of the pool's architectures, shape `[n, m]`."""
        return np.maximum(self.smoothed.rows, _FLOOR)

    def at(self, features: FloatArray) -> FloatArray:
        """Of architectures given by features, `[n, d] -> [n, m]`."""
        values = np.tile(self.smoothed.constant, (len(features), 1))
        for feature_map, weight in zip(self.smoothed.maps, self.smoothed.weights, strict=True):
            # Folding first: mapped features of all rows would be the largest array of all.
            values += feature_map.basis(features) @ (feature_map.matrix @ weight)
            values -= feature_map.offset @ weight
        return np.maximum(values, _FLOOR)
