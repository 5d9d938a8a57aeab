"""Nearest device: the target is a pool device at another speed."""

from __future__ import annotations

from typing import Self

import numpy as np

from hwprof.predictors.base import FloatArray
from hwprof.predictors.baselines.base import Baseline, Known, Regression, disagreement
from hwprof.predictors.baselines.profiles import Profiles
from hwprof.predictors.pool import DevicePool
from hwprof.similarity import Similarity


class NearestDevice(Baseline):
    """The pool device that fits the measurements best, scaled.

    "Best" is the least mean squared relative error after scaling. One measurement cannot tell
    devices apart: then the mean of the devices is scaled.
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
        if len(latency_s) == 1:
            scale = float(latency_s[0] / inputs.mean())
            return lambda rows: scale * rows.mean(axis=1)
        relative = weight[:, None] * inputs / latency_s[:, None]
        scales = (relative * weight[:, None]).sum(axis=0) / (relative**2).sum(axis=0)
        misfit = ((relative * scales - weight[:, None]) ** 2).sum(axis=0)
        nearest = int(np.argmin(misfit))
        return lambda rows: scales[nearest] * rows[:, nearest]
