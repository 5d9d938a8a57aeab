"""Gaussian process on the features, from the target's measurements alone."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np

from hwprof.predictors.base import FloatArray
from hwprof.predictors.baselines.own import Learnt, Told
from hwprof.predictors.baselines.sklearn import SklearnBaseline

# Least and greatest prior variance of each part, and of the noise, values having mean 1.
_AMPLITUDES, _LENGTHS, _NOISES = (1e-4, 1e2), (1e-1, 1e2), (1e-6, 1.0)


@dataclass(frozen=True, slots=True, eq=False)
class _Posterior:
    process: Any
    """scikit-learn's, of values less 1."""

    def __call__(self, rows: FloatArray) -> Told:
        if len(rows) == 0:
            return np.zeros(0), np.zeros(0)
        mean, deviation = self.process.predict(rows, return_std=True)
        return np.asarray(mean) + 1, np.asarray(deviation)


class GaussianProcess(SklearnBaseline):
    """A line, what bends around it, and noise; hyperparameters by the marginal likelihood.

    Rasmussen & Williams, Gaussian Processes for Machine Learning, 2006: a linear and a squared
    exponential kernel of one length over all inputs (one per input would be more numbers than
    there are measurements), white noise, and what is known of each measurement's own error. The
    deviation is the posterior's; measurements left out are judged in closed form, section 5.4.2.
    """

    registered = "gp"

    def learn(self, inputs: FloatArray, values: FloatArray, weight: FloatArray) -> Learnt:
        """See `OwnBaseline.learn`."""
        return _Posterior(self._process(inputs, values, weight))

    def left_out(
        self, learnt: Learnt, inputs: FloatArray, values: FloatArray, weight: FloatArray
    ) -> Told:
        """See `OwnBaseline.left_out`: equation 5.12, with the hyperparameters of all."""
        if not isinstance(learnt, _Posterior):
            return super().left_out(learnt, inputs, values, weight)
        factor, weights = learnt.process.L_, learnt.process.alpha_
        precision = np.diag(np.linalg.inv(factor @ factor.T))
        mean = values - weights / precision
        return mean, np.sqrt(1 / precision)

    def _process(self, inputs: FloatArray, values: FloatArray, weight: FloatArray) -> Any:
        from sklearn.exceptions import ConvergenceWarning
        from sklearn.gaussian_process import GaussianProcessRegressor
        from sklearn.gaussian_process.kernels import (
            RBF,
            ConstantKernel,
            DotProduct,
            WhiteKernel,
        )

        kernel = (
            ConstantKernel(0.1, _AMPLITUDES) * DotProduct(1.0, "fixed")
            + ConstantKernel(0.1, _AMPLITUDES) * RBF(1.0, _LENGTHS)
            + WhiteKernel(1e-2, _NOISES)
        )
        # `weight` is what a model's own few percent leave of a measurement: its error again.
        error = (0.03 * values) ** 2 * np.maximum(1 / weight**2 - 1, 0)
        process = GaussianProcessRegressor(
            kernel, alpha=1e-9 + error, n_restarts_optimizer=2, random_state=self.seed
        )
        with warnings.catch_warnings():
            # An optimum at a bound, such as no noise at all, is one all the same.
            warnings.simplefilter("ignore", ConvergenceWarning)
            return process.fit(inputs, values - 1)
