"""Device mixture: the target is a sum of pool devices."""

from __future__ import annotations

from typing import Self

import numpy as np
from scipy.optimize import nnls

from hwprof.predictors.base import FloatArray
from hwprof.predictors.baselines.base import Baseline, Known, Regression, disagreement
from hwprof.predictors.baselines.profiles import Profiles
from hwprof.predictors.pool import DevicePool
from hwprof.similarity import Similarity

# Weight of "all devices alike" against one measurement: only decides what measurements leave open.
_EVEN = 1e-3


class DeviceMixture(Baseline):
    """Non-negative least squares of the measurements on the pool's devices, relative errors.

    Lawson & Hanson, Solving Least Squares Problems, 1974, chapter 23.
    """

    def __init__(self, known: Known, profiles: Profiles) -> None:
        self.known = known
        self.profiles = profiles

    @classmethod
    def fit(cls, pool: DevicePool, *, similarity: Similarity | None = None, seed: int = 0) -> Self:
        """See `Predictor.fit`: smooths the pool's devices.

        Raises OptionError for what is no `Similarity`.
        """
        profiles = Profiles.of(pool, similarity, seed)
        known = Known.of(pool, profiles.rows, disagreement(profiles.rows))
        return cls(known, profiles)

    def inputs(self, features: FloatArray) -> FloatArray:
        """Profiles of the pool's devices, `[n, m]`."""
        return self.profiles.at(features)

    def regress(self, inputs: FloatArray, latency_s: FloatArray, weight: FloatArray) -> Regression:
        """See `Baseline.regress`."""
        devices = inputs.shape[1]
        level = float(np.median(latency_s / inputs.mean(axis=1)))
        relative = weight[:, None] * inputs / latency_s[:, None]
        pull = np.sqrt(_EVEN / devices) * np.eye(devices) / level
        even = np.full(devices, np.sqrt(_EVEN / devices) / devices)
        found, _ = nnls(np.vstack([relative, pull]), np.concatenate([weight, even]))
        return lambda rows: rows @ found
