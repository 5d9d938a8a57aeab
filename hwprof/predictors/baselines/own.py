"""Baselines that say themselves how sure they are of each architecture.

A deviation of a model's own (a posterior's, of trees or networks that disagree) tells where it
knows little, and rarely how large its errors are: the errors on measurements left out set the size.
Shapes: n architectures, p inputs, k measurements.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from hwprof.predictors.base import FloatArray, Measured
from hwprof.predictors.baselines.base import (
    FLOOR,
    LEVEL,
    Baseline,
    BaselineAdapted,
    Regression,
    weights_of,
)
from hwprof.predictors.baselines.prediction import Spread, StudentPrediction
from hwprof.predictors.fewshot.checks import combine

Told = tuple[FloatArray, FloatArray]
"""Mean and own deviation, each `[n]`."""
Learnt = Callable[[FloatArray], Told]
"""Inputs `[n, p]` to what a model tells of them."""

# Groups of measurements left out in turn where a model has no cheaper way of judging itself.
_GROUPS = 5
# Of the common error, this share is believed everywhere, however sure a model is of itself. Of
# 0.25, 0.5 and 1, it left the fewest intervals of ten measurements too narrow on HELP's validation
# devices of nasbench201.
_SHARE = 1.0
# That the two deviations have the right size counts like so many residuals.
_BELIEVED = 2.0
# Digits of values relative to their mean that count: trees would split elsewhere by the next one.
_DIGITS = 9


@dataclass(frozen=True, slots=True)
class OwnSpread:
    """Deviations of a model's own, brought to size."""

    common: Spread
    """What all architectures alike may be off, from residuals."""
    factor: float

    @classmethod
    def of(cls, common: Spread, values: FloatArray, left_out: Told) -> OwnSpread:
        """From values `[k]` and what was told of them while they were left out."""
        mean, own = left_out
        score = (values - mean) / _joined(common, mean, own)
        total = _BELIEVED + float((score**2).sum())
        return cls(common, float(np.sqrt(total / (_BELIEVED + len(values)))))

    def scale(self, mean: FloatArray, own: FloatArray) -> FloatArray:
        """Scale of Student's t by architecture, `[n]`."""
        return self.factor * _joined(self.common, mean, own)


def _joined(common: Spread, mean: FloatArray, own: FloatArray) -> FloatArray:
    shared = _SHARE * common.relative * np.maximum(mean, common.level)
    found: FloatArray = np.sqrt(own**2 + shared**2)
    return found


class OwnBaseline(Baseline):
    """A regression from scratch that tells a deviation with each mean."""

    @abstractmethod
    def learn(self, inputs: FloatArray, values: FloatArray, weight: FloatArray) -> Learnt:
        """A model of two measurements or more: inputs `[k, p]`, values of mean 1 `[k]`, weights
        (square roots of those of squared errors) `[k]`."""

    def left_out(
        self, learnt: Learnt, inputs: FloatArray, values: FloatArray, weight: FloatArray
    ) -> Told:
        """What the model tells of each measurement without having seen it, two or more of them.

        By leaving groups out in turn, unless a model knows better.
        """
        groups = np.arange(len(values)) % min(len(values), _GROUPS)
        mean, own = np.empty(len(values)), np.empty(len(values))
        for out in np.unique(groups):
            left, kept = groups == out, groups != out
            model = self._model(inputs[kept], values[kept], weight[kept])
            mean[left], own[left] = model(inputs[left])
        return mean, own

    def regress(self, inputs: FloatArray, latency_s: FloatArray, weight: FloatArray) -> Regression:
        """See `Baseline.regress`: the mean alone."""
        level, values = _relative(latency_s)
        model = self._model(inputs, values, weight)
        return lambda rows: level * model(rows)[0]

    def _model(self, inputs: FloatArray, values: FloatArray, weight: FloatArray) -> Learnt:
        if len(values) == 1 or np.ptp(values) == 0:
            only = float(values[0])
            return lambda rows: (np.full(len(rows), only), np.zeros(len(rows)))
        return self.learn(inputs, values, weight)

    def _adapted(self, measured: Measured, device: str | None) -> OwnAdapted:
        rows, cost, variance = combine(measured)
        level, values = _relative(cost)
        weight, inputs = weights_of(cost, variance), self.known.inputs[rows]
        model = self._model(inputs, values, weight)
        floor = FLOOR * float(values.min())
        if len(values) == 1:
            common = Spread.of(self.known.prior_spread, np.zeros(0), LEVEL)
            return OwnAdapted(
                *(self, measured, device, lambda rows: level * model(rows)[0], common),
                *(level * floor, level, model, OwnSpread(common, 1 / _SHARE)),
            )
        mean, own = self.left_out(model, inputs, values, weight)
        mean = np.maximum(mean, floor)
        errors = (values - mean) / np.maximum(mean, LEVEL)
        common = Spread.of(self.known.prior_spread, errors, LEVEL)
        spread = OwnSpread.of(common, values, (mean, own))
        return OwnAdapted(
            *(self, measured, device, lambda rows: level * model(rows)[0], common),
            *(level * floor, level, model, spread),
        )


@dataclass(frozen=True, slots=True, eq=False)
class OwnAdapted(BaselineAdapted):
    """Such a baseline on one device."""

    level: float
    """Mean of the measurements, base unit: what the model's values are relative to."""
    model: Learnt
    own: OwnSpread

    def predict(self, architectures: ArrayLike) -> StudentPrediction:
        """See `AdaptedPredictor.predict`.

        Raises OptionError for rows or features that do not fit.
        """
        mean, own = self.model(self.inputs(architectures))
        mean = np.maximum(mean, self.floor / self.level)
        scale = self.own.scale(mean, own)
        degrees = self.own.common.degrees
        return StudentPrediction(self.level * mean, self.level * scale, degrees, self.metric)


def _relative(cost: FloatArray) -> tuple[float, FloatArray]:
    """Mean of `[k]` values, and the values relative to it."""
    level = float(cost.mean())
    return level, np.round(cost / level, _DIGITS)
