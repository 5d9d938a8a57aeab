"""Gradient boosted trees on the features, from the target's measurements alone."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any, Self

import numpy as np

from hwprof.errors import OptionError
from hwprof.predictors.base import FloatArray
from hwprof.predictors.baselines.base import Baseline, Known, Regression, dispersion
from hwprof.predictors.baselines.ridge import mapped, summaries
from hwprof.predictors.pool import DevicePool
from hwprof.similarity import FeatureMap, Similarity

_ROUNDS = 100


class BoostedTrees(Baseline):
    """LightGBM (Ke et al., NeurIPS 2017) with leaves small enough for a handful of measurements.

    Needs the extra `lightgbm`; `fit` raises OptionError without it. Trees do not extrapolate:
    predictions stay between the fastest and the slowest measurement.
    """

    def __init__(self, known: Known, maps: tuple[FeatureMap, ...], seed: int) -> None:
        self.known = known
        self.maps = maps
        self.seed = seed

    @classmethod
    def fit(cls, pool: DevicePool, *, similarity: Similarity | None = None, seed: int = 0) -> Self:
        """See `Predictor.fit`. Raises OptionError when LightGBM is not
        installed, and for what is no `Similarity`."""
        if find_spec("lightgbm") is None:
            raise OptionError(
                "the predictor 'lightgbm' needs a package that is not installed; run "
                "pip install 'hwprof[lightgbm]'"
            )
        maps = summaries(pool, similarity, seed)
        known = Known.of(pool, mapped(maps, pool.features), dispersion(pool))
        return cls(known, maps, seed)

    def inputs(self, features: FloatArray) -> FloatArray:
        """The features and, with a similarity, the space's own summary of them, `[n, p]`."""
        return mapped(self.maps, features)

    def regress(self, inputs: FloatArray, latency_s: FloatArray, weight: FloatArray) -> Regression:
        """See `Baseline.regress`."""
        level = float(latency_s.mean())
        if len(latency_s) < 3 or np.ptp(latency_s) == 0:
            return lambda rows: np.full(len(rows), level)
        import lightgbm

        few = len(latency_s) < 200
        options: dict[str, Any] = {
            "objective": "regression",
            "learning_rate": 0.1,
            "num_leaves": 4 if few else 31,
            "min_data_in_leaf": 2 if few else 10,
            "min_data_in_bin": 1,
            "min_sum_hessian_in_leaf": 0.0,
            "deterministic": True,
            "force_row_wise": True,
            "num_threads": 1,
            "seed": self.seed,
            "verbosity": -1,
        }
        data = lightgbm.Dataset(inputs, latency_s / level, weight=weight**2, free_raw_data=False)
        booster = lightgbm.train(options, data, _ROUNDS)
        return lambda rows: level * np.asarray(booster.predict(rows, num_threads=1))
