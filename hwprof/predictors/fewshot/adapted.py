"""A device after its measurements: weights on the prior features, and what is behind them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hwprof.errors import OptionError, TableError
from hwprof.metrics import Metric
from hwprof.predictors.base import AdaptedPredictor, Measured, OfMetric
from hwprof.predictors.fewshot.bounds import check_cost
from hwprof.predictors.fewshot.cautions import cautions
from hwprof.predictors.fewshot.checks import check_measured, check_rows, check_units, combine, merge
from hwprof.predictors.fewshot.embedding import DeviceEmbedding, embed
from hwprof.predictors.fewshot.fitted import Fitted
from hwprof.predictors.fewshot.mixture import LEAST, FewShotPrediction, Mixture, mixture
from hwprof.predictors.fewshot.outside import moved, placed
from hwprof.predictors.fewshot.posterior import (
    Evidence,
    Posterior,
    infer,
    posterior_weights,
)
from hwprof.predictors.fewshot.rehearsal import gather
from hwprof.predictors.naming import given
from hwprof.predictors.pool import check_features

if TYPE_CHECKING:
    from hwprof.predictors.fewshot.logs import LogAdapted, LogPrediction

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

# A device is a formula when the least noise of the grid has this much of the posterior, ...
_CERTAIN = 0.5
# ... and so many measurements say so. Formulas give equal latencies to many architectures.
_CERTAIN_COUNT = 5
# Ties are recovered by rounding to this share of the mean latency: far finer than any two
# architectures that differ, far coarser than the error of the weights.
_TIE = 1e-3
# Architectures whose distribution is worked out at a time: bounds the memory.
_CHUNK = 65_536


@dataclass(frozen=True, slots=True, eq=False)
class AdaptedFewShot(AdaptedPredictor, OfMetric):
    """Predicts one device. Make it with `FewShotPredictor.adapt`."""

    fitted: Fitted
    measured: Measured
    device: str | None
    evidence: Evidence
    posterior: Posterior
    weights: FloatArray
    """On the prior features, base unit, shape `[P]`."""
    deterministic: bool
    """Whether the measurements show no noise, so that ties are recovered."""
    width: float
    """Calibrated factor on the model's deviations."""
    units_checked: bool
    logs: LogAdapted | None = None
    """What answers where the pool spans decades; the rest is for the embedding then."""

    @classmethod
    def infer(
        cls, fitted: Fitted, measured: Measured, device: str | None, units_checked: bool
    ) -> Self:
        """Inference on checked measurements. Raises OptionError for values of another unit."""
        rows, values, variance = combine(measured)
        grid = len(fitted.grid.log_prior)
        check_cost(len(rows), grid, len(fitted.prior.slices))
        phi = fitted.rows[rows]
        if units_checked:
            # Joules are neither more nor less than seconds.
            scale = fitted.scale_s if measured.metric.is_same(fitted.metric) else None
            if fitted.logs is None:
                check_units(measured, fitted.rows[measured.indices, 0], scale, fitted.devices)
            else:
                fitted.logs.check_units(measured, known=scale is not None)
        evidence = gather(phi, values, fitted.prior.slices, variance)
        posterior = infer(evidence, fitted.grid)
        least = float(posterior.weight[posterior.noises == posterior.noises.min()].sum())
        return cls._of(
            fitted,
            measured,
            device,
            evidence,
            posterior,
            deterministic=len(rows) >= _CERTAIN_COUNT and least > _CERTAIN,
            width=fitted.calibration.factor(len(rows)),
            units_checked=units_checked,
            logs=None if fitted.logs is None else fitted.logs.infer(rows, values, variance),
        )

    @classmethod
    def unmeasured(cls, fitted: Fitted, like: Sequence[str] | None) -> Self:
        """A device of which only the pool tells: the mean of the devices `like` it, or of all.

        Raises OptionError for a device that the pool lacks.
        """
        kin = _places(fitted.devices, like)
        speed = np.log(fitted.scale_s)
        # The spread of the pool's speeds, and the uncertainty of their mean, on a linear scale.
        spread = float(np.expm1(speed.var(ddof=1) * (1 + 1 / len(kin))))
        expected = np.zeros(fitted.rows.shape[1])
        expected[0] = 1
        if like is not None:
            columns = fitted.prior.slices[0].start + kin
            expected[columns] = fitted.prior.reach[kin] / len(kin)
        none = np.zeros(0)
        evidence = Evidence(
            np.zeros((0, fitted.rows.shape[1])),
            none,
            none,
            float(np.exp(speed[kin].mean())),
            fitted.prior.slices,
            speed_variance=min(max(spread, 1e-4), 10.0),
            expected=expected,
        )
        posterior = infer(evidence, fitted.grid)
        measured = Measured(np.zeros(0, dtype=np.int64), none, metric=fitted.metric)
        width = fitted.calibration.factor(1)
        return cls._of(
            fitted,
            measured,
            None,
            evidence,
            posterior,
            deterministic=False,
            width=width,
            units_checked=True,
            logs=None if fitted.logs is None else fitted.logs.unmeasured(kin, like is not None),
        )

    @classmethod
    def _of(
        cls,
        fitted: Fitted,
        measured: Measured,
        device: str | None,
        evidence: Evidence,
        posterior: Posterior,
        *,
        deterministic: bool,
        width: float,
        units_checked: bool,
        logs: LogAdapted | None,
    ) -> Self:
        weights = posterior_weights(evidence, posterior)
        return cls(
            fitted,
            measured,
            device,
            evidence,
            posterior,
            weights,
            deterministic,
            width,
            units_checked,
            logs,
        )

    def predict(self, architectures: ArrayLike) -> FewShotPrediction | LogPrediction:
        """Predict rows of the pool (integers `[n]`) or feature rows (floats `[n, d]`).

        The deviation and the quantiles are of a measured value, noise included. Raises
        OptionError for rows that are not of the pool and features that do not fit.
        """
        array = np.asarray(architectures)
        if self.logs is not None:
            return self.logs.predict(array, self.metric)
        if array.ndim == 1:
            array = check_rows(array, len(self.fitted.rows), "architectures")
            mean = self.fitted.means(array, self.weights)
        elif array.ndim == 2 and self.fitted.linear and len(array):
            folded = self.fitted.folded(self.weights)
            checked = check_features(array, len(folded) - 1, copy=False)
            mean = checked @ folded[:-1] + folded[-1]
        else:
            mean = self._of_features(array)
        settled = self._settled(mean)
        return FewShotPrediction(settled, self._least, lambda: self._mixture(array), self.metric)

    def _of_features(self, array: NDArray[np.generic]) -> FloatArray:
        if array.ndim == 2 and len(array):
            return self.fitted.means_at(array, self.weights)
        return self.fitted.phi(array) @ self.weights

    @property
    def metric(self) -> Metric:
        """What is predicted: what was measured on the device."""
        return self.measured.metric

    @property
    def _least(self) -> float:
        return LEAST * self.evidence.scale_s

    def _settled(self, mean: FloatArray) -> FloatArray:
        """Means made positive, and equal where a deterministic device would give a tie."""
        if self.deterministic:
            step = _TIE * self.evidence.scale_s
            mean = np.round(mean / step) * step
        settled: FloatArray = np.maximum(mean, self._least)
        return settled

    def _mixture(self, array: NDArray[np.generic]) -> Mixture:
        parts, scale = [], self.evidence.scale_s
        # What is rounded is off by up to half a step.
        spread = _TIE / np.sqrt(12) if self.deterministic else 0.0
        for start in range(0, max(len(array), 1), _CHUNK):
            phi = self.fitted.phi(array[start : start + _CHUNK])
            found = mixture(self.evidence, self.posterior, phi)
            # Some settings stand for all in the shape; the centre is what is predicted.
            centre = self._settled(phi @ self.weights) / scale
            parts.append(found.around(centre, spread).widened(self.width))
        return Mixture(
            parts[0].weight,
            np.concatenate([part.mean for part in parts], axis=1) * scale,
            np.concatenate([part.deviation for part in parts], axis=1) * scale,
        )

    def update(
        self,
        indices: ArrayLike,
        values: ArrayLike | None = None,
        std_error: ArrayLike | None = None,
        *,
        latency_s: ArrayLike | None = None,
        std_error_s: ArrayLike | None = None,
    ) -> Self:
        """A new predictor that has seen these measurements as well; known rows may repeat.

        Architectures are rows of the pool, or features as in `FewShotPredictor.adapt`.
        They are of the same metric, in its base unit. The order in which measurements arrive makes
        no difference. Raises OptionError as `FewShotPredictor.adapt` does.
        """
        values, error, metric = given(
            *(self.metric, values, std_error), latency_s=latency_s, std_error_s=std_error_s
        )
        fitted, rows = placed(self.fitted, indices)
        more = check_measured(rows, values, error, len(fitted.rows), metric, fitted.own)
        before = replace(self.measured, indices=moved(self.fitted, fitted, self.measured.indices))
        return self.infer(fitted, merge(before, more), self.device, self.units_checked)

    @property
    def finite(self) -> bool:
        """Whether inference came to an end in numbers."""
        weights = self.weights if self.logs is None else np.append(self.weights, self.logs.weights)
        return bool(np.isfinite(weights).all())

    @property
    def warnings(self) -> tuple[str, ...]:
        """See `AdaptedPredictor.warnings`."""
        if len(self.measured.indices) == 0:
            return ()
        alike = self.metric.is_same(self.fitted.metric)
        own = self if self.logs is None else self.logs
        found = cautions(self.fitted, self.measured, own.evidence, own.posterior, alike)
        return tuple(found)

    @property
    def outliers(self) -> IntArray:
        """Rows of `fitted.features` whose measurement was taken for an outlier."""
        posterior = self.posterior if self.logs is None else self.logs.posterior
        return np.unique(self.measured.indices)[posterior.inflation > 1]

    @property
    def embedding(self) -> DeviceEmbedding:
        """Where the device lies among the pool's devices, and how sure that is."""
        if len(self.measured.indices) == 0:
            raise OptionError("an unmeasured device has no embedding; adapt to measurements first")
        return embed(self.fitted, self.evidence, self.posterior)

    def save(self, path: str | Path) -> None:
        """Write predictor and measurements. Raises TableError if the path cannot be written."""
        from hwprof.predictors.fewshot.files import save_adapted

        save_adapted(Path(path), self.fitted, self.measured, self.device, self.units_checked)

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """Read what `save` wrote.

        Raises TableError for a file that is missing, damaged, foreign or of a newer schema.
        """
        from hwprof.predictors.fewshot.files import load_adapted

        parts = load_adapted(Path(path))
        why = "its weights are not finite"
        try:
            with np.errstate(all="ignore"):
                adapted = cls.infer(*parts)
        except (ValueError, ArithmeticError, IndexError, np.linalg.LinAlgError) as error:
            adapted, why = None, str(error)
        if adapted is None or not adapted.finite:
            raise TableError(f"'{path}' is a damaged predictor file ({why}); save it again")
        return adapted


def _places(devices: tuple[str, ...], names: Sequence[str] | None) -> IntArray:
    """Where these devices stand in the pool; all of them for None."""
    if names is None:
        return np.arange(len(devices))
    if isinstance(names, str) or len(names) == 0:
        raise OptionError("like must be a list of devices of the pool; name at least one")
    for name in names:
        if name not in devices:
            raise OptionError(f"the pool has no device {name!r}; choose among {', '.join(devices)}")
    return np.array(sorted({devices.index(name) for name in names}), dtype=np.int64)
