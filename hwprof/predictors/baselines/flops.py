"""A proxy such as multiply-adds, scaled and shifted."""

from __future__ import annotations

from typing import Self

import numpy as np
from numpy.typing import ArrayLike
from scipy.optimize import nnls

from hwprof import spaces
from hwprof.errors import OptionError
from hwprof.predictors.base import FloatArray
from hwprof.predictors.baselines.base import Baseline, Known, Regression, dispersion
from hwprof.predictors.pool import DevicePool
from hwprof.similarity import Similarity, check_similarity
from hwprof.spaces.fbnet import block_tables

# Multiply-adds of an operation with c channels, over c^2: the other operations have none, or
# hundreds of times fewer.
_CELL_WORK = {"nor_conv_1x1": 1.0, "nor_conv_3x3": 9.0}
# Of the mean latency, per mean proxy.
_LEAST_SLOPE = 1e-6


class ProxyPredictor(Baseline):
    """`latency = a * proxy + b` with a, b >= 0: ranks by the proxy alone, as FLOPs counters do.

    Measurements only set speed and overhead. The intervals are wide for a reason.
    """

    def __init__(self, known: Known, proxy: FloatArray) -> None:
        self.known = known
        self.proxy = proxy

    @classmethod
    def fit(
        cls,
        pool: DevicePool,
        *,
        similarity: Similarity | None = None,
        seed: int = 0,
        proxy: int | ArrayLike | None = None,
    ) -> Self:
        """See `Predictor.fit`.

        `proxy` is a column of the features, or weights `[d]` whose product with the features is
        the proxy. By default multiply-adds in the spaces that `similarity` names, and elsewhere the
        feature whose correlation with the pool's mean latency is strongest. Raises OptionError
        for a proxy that does not fit the features.
        """
        weights = _weights(pool, similarity, proxy)
        known = Known.of(pool, (pool.features @ weights)[:, None], dispersion(pool))
        return cls(known, weights)

    def inputs(self, features: FloatArray) -> FloatArray:
        """The proxy, `[n, 1]`."""
        return (features @ self.proxy)[:, None]

    def regress(self, inputs: FloatArray, latency_s: FloatArray, weight: FloatArray) -> Regression:
        """See `Baseline.regress`. One measurement decides the speed, and nothing the overhead."""
        unit = float(np.abs(inputs).mean()) or 1.0
        columns = np.hstack([inputs / unit, np.ones_like(inputs)])
        if len(latency_s) == 1 and inputs[0, 0] > 0:
            columns[:, 1] = 0
        (slope, constant), _ = nnls(columns * (weight / latency_s)[:, None], weight)
        # Measurements that deny the proxy leave its order standing: it is all this model knows.
        slope = max(slope, _LEAST_SLOPE * float(latency_s.mean()))
        return lambda rows: slope * rows[:, 0] / unit + constant


def _weights(
    pool: DevicePool, similarity: Similarity | None, proxy: int | ArrayLike | None
) -> FloatArray:
    if proxy is None:
        name = None if similarity is None else check_similarity(similarity).name
        if name == "nasbench201":
            choices = [choice for p in spaces.get(name).positions for choice in p.choices]
            proxy = [_CELL_WORK.get(choice, 0.0) for choice in choices]
        elif name == "fbnet":
            # Pointwise multiply-adds, depthwise ones with a 3x3 and with a 5x5 kernel.
            proxy = block_tables()[1][:, :3].sum(axis=1)
        else:
            proxy = _strongest(pool)
    values = np.asarray(proxy, dtype=np.float64)
    if values.ndim == 0:
        if not 0 <= values < pool.width or values != np.round(values):
            raise OptionError(
                f"proxy must be a column from 0 to {pool.width - 1}, but is {proxy}; "
                "name a column of the features, or give a weight for each"
            )
        values = np.eye(pool.width)[int(values)]
    if values.shape != (pool.width,) or not np.isfinite(values).all():
        raise OptionError(
            f"proxy must hold {pool.width} finite weights, one per feature, but has shape "
            f"{values.shape}; name a column of the features, or give a weight for each"
        )
    return values


def _strongest(pool: DevicePool) -> FloatArray:
    """Signed unit weight on the feature that follows the pool's mean latency most closely."""
    relative = pool.values / np.nanmean(pool.values, axis=0)
    used = pool.measured.any(axis=1)
    mean = np.nanmean(relative[used], axis=1)
    centred = pool.features[used] - pool.features[used].mean(axis=0)
    norm = np.sqrt((centred**2).sum(axis=0))
    slope = centred.T @ (mean - mean.mean()) / np.where(norm > 0, norm, np.inf)
    column = int(np.argmax(np.round(np.abs(slope), 12)))
    weights: FloatArray = np.eye(pool.width)[column] * (np.sign(slope[column]) or 1.0)
    return weights
