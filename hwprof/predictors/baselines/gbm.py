"""Gradient boosting of quantiles on the features, from the target's measurements alone."""

from __future__ import annotations

from typing import Any

import numpy as np

from hwprof.predictors.base import FloatArray
from hwprof.predictors.baselines.own import Learnt, Told
from hwprof.predictors.baselines.sklearn import SklearnBaseline

_ROUNDS, _RATE = 50, 0.2
# A normal distribution has them one deviation off its mean.
_LOW, _HIGH = 0.16, 0.84


class QuantileBoosting(SklearnBaseline):
    """Boosted trees (Friedman, Annals of Statistics 2001): one model of the mean, and one each of
    the 16 and the 84 % quantile, half of whose distance is the deviation.

    Trees do not extrapolate: predictions stay between the fastest and the slowest measurement.
    """

    registered = "gbm"

    def learn(self, inputs: FloatArray, values: FloatArray, weight: FloatArray) -> Learnt:
        """See `OwnBaseline.learn`."""
        from sklearn.ensemble import GradientBoostingRegressor

        def fitted(**options: Any) -> Any:
            model = GradientBoostingRegressor(
                n_estimators=_ROUNDS,
                learning_rate=_RATE,
                max_depth=2,
                min_samples_leaf=min(2, len(values)),
                random_state=self.seed,
                **options,
            )
            return model.fit(inputs, values, sample_weight=weight**2)

        middle = fitted()
        low, high = (fitted(loss="quantile", alpha=q) for q in (_LOW, _HIGH))

        def tell(rows: FloatArray) -> Told:
            if len(rows) == 0:
                return np.zeros(0), np.zeros(0)
            width = np.maximum(high.predict(rows) - low.predict(rows), 0)
            return np.asarray(middle.predict(rows)), width / 2

        return tell
