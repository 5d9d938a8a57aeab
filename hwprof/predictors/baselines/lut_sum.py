"""A table of operations, summed up."""

from __future__ import annotations

from typing import Self

import numpy as np
from scipy.optimize import nnls

from hwprof.errors import OptionError
from hwprof.predictors.base import FloatArray
from hwprof.predictors.baselines.base import Baseline, Known, Regression, dispersion
from hwprof.predictors.pool import DevicePool
from hwprof.similarity import Similarity

# Squared weight of an entry's deviation from the average entry, against one measurement.
_SHRINK = 1e-2


class LutSum(Baseline):
    """`latency = sum over features of count * entry`, entries >= 0.

    The layer-wise table of ProxylessNAS and FBNet (Cai et al., ICLR 2019; Wu et al., CVPR 2019),
    except that its entries are inferred from whole architectures, not measured one by one. A
    space has more entries than ten architectures can tell apart (30 in nasbench201, 198 in
    fbnet): a small ridge shares out evenly what cannot be told apart, and an operation that no
    measured architecture has gets the average entry. Expect a table worth its name only from
    several measurements per entry; below that this baseline ranks hardly better than chance.
    """

    def __init__(self, known: Known) -> None:
        self.known = known

    @classmethod
    def fit(cls, pool: DevicePool, *, similarity: Similarity | None = None, seed: int = 0) -> Self:
        """See `Predictor.fit`. Raises OptionError unless the features are one-hot or counts."""
        if (pool.features < 0).any():
            row, column = np.argwhere(pool.features < 0)[0]
            raise OptionError(
                f"features must be one-hot or counts of operations for lut_sum, but row {row} "
                f"feature {column} is {pool.features[row, column]:g}; choose another predictor"
            )
        return cls(Known.of(pool, pool.features, dispersion(pool)))

    def inputs(self, features: FloatArray) -> FloatArray:
        """The counts themselves."""
        return features

    def regress(self, inputs: FloatArray, latency_s: FloatArray, weight: FloatArray) -> Regression:
        """See `Baseline.regress`. Errors are absolute: a sum of costs is in seconds."""
        entries = inputs.shape[1]
        total = inputs.sum(axis=1)
        average = float(latency_s.sum() / total.sum()) if total.sum() > 0 else 0.0
        if average == 0:
            level = float(latency_s.mean())
            return lambda rows: np.full(len(rows), level)
        # In units of the average entry and the average count, so that the ridge has no unit.
        scale = float(total.mean())
        found, _ = nnls(
            np.vstack(
                [weight[:, None] * inputs / scale, np.sqrt(_SHRINK / entries) * np.eye(entries)]
            ),
            np.concatenate(
                [
                    weight * latency_s / (average * scale),
                    np.full(entries, np.sqrt(_SHRINK / entries)),
                ]
            ),
            maxiter=30 * (entries + 1),
        )
        table = average * found
        return lambda rows: rows @ table
