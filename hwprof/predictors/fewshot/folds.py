"""Devices whose weights were folded, the last few: a search asks one of them again and again."""

from __future__ import annotations

from collections.abc import Callable
from math import prod

import numpy as np
from numpy.typing import NDArray

from hwprof.predictors.fewshot.folded import Folded, fold, whole
from hwprof.predictors.fewshot.positions import Positions
from hwprof.predictors.fewshot.prior import PriorFeatures

FloatArray = NDArray[np.float64]

# Devices kept, and architectures of a space of which all are worked out at most: where a fold
# needs them, and where at least one in so many is asked for.
_KEPT, _WHOLE, _SHARE = 8, 65_536, 8


class Folds:
    """Of one fitted pool; worked out when first asked for."""

    __slots__ = ("_features", "_found", "_known", "_positions", "_prior")

    def __init__(self, prior: PriorFeatures, features: FloatArray) -> None:
        """`features` are those of the pool, `[n, d]`."""
        self._prior, self._features = prior, features
        self._positions: Positions | None = None
        self._known = False
        self._found: dict[bytes, Folded | None] = {}

    def __call__(
        self, features: FloatArray, weights: FloatArray, mean: Callable[[FloatArray], FloatArray]
    ) -> FloatArray | None:
        """Weighted prior features of feature rows, `[n, d] -> [n]`; None where `mean` has to do.

        That is the general way to work them out: for features that are not one-hot by position, and
        for bases that have no tables.
        """
        if not self._known:
            self._positions, self._known = Positions.of(self._features), True
        positions = self._positions
        if positions is None or positions.choices(features[:1]) is None:
            return None
        key = weights.tobytes()
        if key not in self._found:
            direct, constant = self._prior.fold(weights)
            # The first weight is the speed of the device: what its values are like.
            scale = abs(float(weights[0]))
            self._keep(key, fold(positions, self._prior.bases, direct, constant, scale))
        found = self._found[key]
        if found is None:
            count = prod(positions.sizes.tolist())
            if count > _WHOLE or len(features) * _SHARE < count:
                return None
            found = whole(positions, mean)
            self._keep(key, found)
        return found(features)

    def _keep(self, key: bytes, found: Folded | None) -> None:
        self._found[key] = found
        while len(self._found) > _KEPT:
            del self._found[next(iter(self._found))]
