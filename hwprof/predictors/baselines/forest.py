"""Random forest on the features, from the target's measurements alone."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np

from hwprof.predictors.base import FloatArray
from hwprof.predictors.baselines.own import Learnt, Told
from hwprof.predictors.baselines.sklearn import SklearnBaseline

_TREES = 100


@dataclass(frozen=True, slots=True, eq=False)
class _Trees:
    forest: Any

    def each(self, rows: FloatArray) -> FloatArray:
        """What every tree says, `[trees, n]`."""
        single = rows.astype(np.float32)
        trees = self.forest.estimators_
        return np.stack([tree.predict(single, check_input=False) for tree in trees])

    def __call__(self, rows: FloatArray) -> Told:
        if len(rows) == 0:
            return np.zeros(0), np.zeros(0)
        each = self.each(rows)
        return each.mean(axis=0), each.std(axis=0)


class RandomForest(SklearnBaseline):
    """Trees on resampled measurements (Breiman, Machine Learning 2001), a third of the inputs each
    split; the deviation is that of the trees (Hutter et al., Artificial Intelligence 2014).

    Measurements left out are those that a tree did not draw. Trees do not extrapolate: predictions
    stay between the fastest and the slowest measurement.
    """

    registered = "forest"

    def learn(self, inputs: FloatArray, values: FloatArray, weight: FloatArray) -> Learnt:
        """See `OwnBaseline.learn`."""
        from sklearn.ensemble import RandomForestRegressor

        forest = RandomForestRegressor(_TREES, max_features=1 / 3, random_state=self.seed, n_jobs=1)
        return _Trees(forest.fit(inputs, values, sample_weight=weight**2))

    def left_out(
        self, learnt: Learnt, inputs: FloatArray, values: FloatArray, weight: FloatArray
    ) -> Told:
        """See `OwnBaseline.left_out`: by the trees that did not see the measurement."""
        if not isinstance(learnt, _Trees):
            return super().left_out(learnt, inputs, values, weight)
        each = learnt.each(inputs)
        for tree, drawn in enumerate(learnt.forest.estimators_samples_):
            each[tree, drawn] = np.nan
        with warnings.catch_warnings():
            # One of two measurements may be in every tree: then the forest answers.
            warnings.simplefilter("ignore", RuntimeWarning)
            mean, own = np.nanmean(each, axis=0), np.nanstd(each, axis=0)
        unseen = np.isnan(mean)
        whole, spread = learnt(inputs)
        return np.where(unseen, whole, mean), np.where(unseen, spread, own)
