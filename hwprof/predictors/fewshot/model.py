"""The hierarchical Bayesian few-shot predictor: a pool of known devices makes the prior.

HELP (Lee et al., NeurIPS 2021) set the task: predict every architecture of a space on a new device
from about ten measurements. Here a device is a draw from a Gaussian process whose covariance is
that of the pool's devices plus how alike architectures are, averaged over hyper-parameters by
evidence. Shapes: n architectures, d features, m devices, k measurements, P prior features.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hwprof.errors import OptionError
from hwprof.metrics import Metric
from hwprof.predictors.base import OfMetric, Predictor
from hwprof.predictors.fewshot.adapted import AdaptedFewShot
from hwprof.predictors.fewshot.calibration import NONE, Calibration, learn_calibration
from hwprof.predictors.fewshot.checks import (
    check_distinct,
    check_measured,
    check_rows,
)
from hwprof.predictors.fewshot.decades import fit_logs
from hwprof.predictors.fewshot.fitted import Fitted
from hwprof.predictors.fewshot.logs import LogPrediction
from hwprof.predictors.fewshot.mixture import FewShotPrediction
from hwprof.predictors.fewshot.outside import placed
from hwprof.predictors.fewshot.posterior import Grid
from hwprof.predictors.fewshot.prior import build, idealised
from hwprof.predictors.fewshot.rehearsal import grid_shares, learned_prior, rehearsals
from hwprof.predictors.fewshot.sampling import candidates_of, rehearsed
from hwprof.predictors.fewshot.selection import design
from hwprof.predictors.fewshot.smoothing import smooth
from hwprof.predictors.fewshot.transfer import transfer_maps
from hwprof.predictors.naming import given
from hwprof.predictors.pool import DevicePool
from hwprof.predictors.threads import one_thread
from hwprof.similarity import PLAIN, Similarity, check_similarity

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class FewShotPredictor(Predictor, OfMetric):
    """Fitted on a pool; adapts to a device by k >= 1 measurements in milliseconds."""

    fitted: Fitted

    @classmethod
    @one_thread()
    def fit(cls, pool: DevicePool, *, similarity: Similarity | None = None, seed: int = 0) -> Self:
        """Fit on a pool.

        `similarity` is what a space knows of its architectures (`hwprof.spaces.get(name)
        .similarity()`); None takes `PLAIN`, for any features. Raises OptionError for anything that
        is no `Similarity`.
        """
        similarity = PLAIN if similarity is None else check_similarity(similarity)
        rng = np.random.default_rng(seed)
        smoothed = smooth(pool, similarity, rng)
        cost = smoothed.rows.mean(axis=1)
        maps = transfer_maps(similarity, smoothed.maps, pool.features, cost, rng)
        analytic = None
        if similarity.analytic is not None:
            analytic = similarity.analytic.fit(pool.features, cost, rng)
        machines = idealised(analytic, pool.features)
        prior = build(smoothed, machines, maps)
        scale_s = smoothed.scale_s
        part, relative = rehearsed(pool, smoothed.rows, rng)
        typical = smoothed.rows @ prior.shares
        beyond = _beyond(pool, typical)
        # Of all rows and in double precision, it need not stay.
        del smoothed
        mapped = [feature_map(part.features) for feature_map in maps]
        deviations = np.concatenate([np.zeros((part.rows, 0)), *mapped], axis=1)
        amplitudes, noises = similarity.amplitudes, np.array(similarity.noises)
        flat = np.zeros(len(amplitudes) * len(noises))
        grid = Grid(amplitudes, noises, flat)
        machine_rows = [group(part.features) for group in machines]
        found = list(rehearsals(part, relative, machine_rows, deviations, maps, rng))
        shares = grid_shares([alone for alone, _ in found], grid, rng)
        learned = Grid(amplitudes, noises, learned_prior(shares))
        logs = fit_logs(pool, similarity, found, learned, seed)
        calibration = NONE if logs else learn_calibration(found, grid, shares, rng)
        return cls(
            Fitted(
                features=pool.features,
                devices=pool.devices,
                names=pool.names,
                scale_s=scale_s,
                prior=prior,
                grid=learned,
                calibration=calibration,
                similarity=similarity.name,
                metric=pool.metric,
                logs=logs,
                unusual=np.flatnonzero(2 * pool.measured.sum(axis=1) < len(pool.devices)),
                beyond=beyond,
                setting=pool.setting,
            )
        )

    @property
    def metric(self) -> Metric:
        """What the pool holds."""
        return self.fitted.metric

    @property
    def devices(self) -> tuple[str, ...]:
        """Names of the pool's devices."""
        return self.fitted.devices

    @property
    def calibration(self) -> Calibration:
        """How much wider than the model says its intervals are made."""
        logs = self.fitted.logs
        return logs.inner.calibration if logs else self.fitted.calibration

    @one_thread()
    def select(
        self,
        k: int,
        candidates: ArrayLike | None = None,
        exclude: Sequence[int] | None = None,
    ) -> IntArray:
        """The k rows of the pool to measure on a new device, shape `[k]`, best first.

        Candidates may also be feature rows, floats `[n, d]`, in the pool or not: their places among
        the candidates are given back then.

        Rows that most of the pool's devices lack are left out while enough others remain, and of
        more than 20,000 candidates as many are looked at, drawn with a fixed seed. Raises
        OptionError for k below 1 or above the number of candidates, and for rows that are not of
        the pool or given twice.
        """
        if candidates is not None:
            given_rows = np.asarray(candidates)
            if given_rows.ndim == 2 and given_rows.dtype.kind == "f":
                return self._select_features(k, given_rows, exclude)
        count = self.fitted.own
        rows = np.arange(count) if candidates is None else check_rows(candidates, count)
        check_distinct(rows, "candidates", "name each row once")
        if exclude is not None:
            rows = np.setdiff1d(rows, check_rows(exclude, count, "exclude"))
        if k < 1 or k > len(rows):
            raise OptionError(
                f"k must lie between 1 and the {len(rows)} candidates, but is {k}; ask for fewer "
                "measurements or give more candidates"
            )
        fitted = self.fitted
        usual = np.setdiff1d(rows, fitted.unusual)
        rows = candidates_of(np.sort(usual if len(usual) >= k else rows), k)
        if fitted.logs is not None:
            chosen: IntArray = fitted.logs.select(rows, k)
            return chosen
        prior = fitted.prior
        return design(fitted.rows, prior.slices, fitted.grid, rows, k, prior.switches)

    def _select_features(
        self, k: int, candidates: ArrayLike, exclude: Sequence[int] | None
    ) -> IntArray:
        """`select` among feature rows `[n, d]`: places `[k]`; one of each kind."""
        fitted, found = placed(self.fitted, candidates)
        rows = np.asarray(found, dtype=np.int64)
        allowed = np.arange(len(rows))
        if exclude is not None:
            allowed = np.setdiff1d(allowed, check_rows(exclude, len(rows), "exclude"))
        distinct, first = np.unique(rows[allowed], return_index=True)
        if k < 1 or k > len(distinct):
            raise OptionError(
                f"k must lie between 1 and the {len(distinct)} candidates that differ, but is {k}; "
                "ask for fewer measurements or give more candidates"
            )
        whole = type(self)(replace(fitted, foreign=0))
        chosen = whole.select(k, distinct.tolist())
        places: IntArray = allowed[first[np.searchsorted(distinct, chosen)]]
        return places

    @one_thread()
    def adapt(
        self,
        indices: ArrayLike,
        values: ArrayLike | None = None,
        device: str | None = None,
        std_error: ArrayLike | None = None,
        *,
        metric: Metric | str | None = None,
        check_units: bool = True,
        latency_s: ArrayLike | None = None,
        std_error_s: ArrayLike | None = None,
    ) -> AdaptedFewShot:
        """A predictor for the device on which rows `indices` `[k]` cost `values`, base unit.

        Architectures that the pool never held are given by their features, floats `[k, d]` in
        place of rows; those among them that it does hold are found.

        `std_error` are the standard errors of the values, zero where unknown; with them, rows
        may repeat. `latency_s` and `std_error_s` name the two where they are seconds. `metric` is
        the pool's unless named: another one is predicted with the pool's shape over architectures
        and the scale of the measurements, whose unit the pool then cannot check. Raises OptionError
        for values that the metric cannot have, rows that are not of the pool or repeat, seconds of
        another metric, and values that seem to be in another unit.
        """
        values, error, wanted = given(
            *(self.metric, values, std_error, metric), latency_s=latency_s, std_error_s=std_error_s
        )
        fitted, rows = placed(self.fitted, indices)
        measured = check_measured(rows, values, error, len(fitted.rows), wanted, fitted.own)
        return AdaptedFewShot.infer(fitted, measured, device, check_units)

    def before_measuring(
        self, architectures: ArrayLike, like: Sequence[str] | None = None
    ) -> FewShotPrediction | LogPrediction:
        """What to expect of a new device of which nothing was measured.

        The mean of the pool's devices, or of those `like` the new one (its family, its kind), at
        their typical speed; the speed is as uncertain as the pool's devices differ. Raises
        OptionError as `AdaptedFewShot.predict` does, and for a device that the pool lacks.
        """
        return AdaptedFewShot.unmeasured(self.fitted, like).predict(architectures)

    def save(self, path: str | Path) -> None:
        """Write the predictor as safetensors. Raises TableError if the path cannot be written."""
        from hwprof.predictors.fewshot.files import save_fitted

        save_fitted(Path(path), self.fitted)

    @classmethod
    @one_thread()
    def load(cls, path: str | Path) -> Self:
        """Read what `save` wrote; an adapted predictor's file gives the predictor it came from.

        Raises TableError for a file that is missing, damaged, foreign or of a newer schema.
        """
        from hwprof.predictors.fewshot.files import load_fitted

        found = load_fitted(Path(path))
        return cls(found.with_foreign(found.features[:0]) if found.foreign else found)


def _beyond(pool: DevicePool, typical: FloatArray) -> float:
    """Share of the rows that cost less or more than all that were measured, by `typical` `[n]`."""
    known = typical[pool.measured.any(axis=1)]
    return float(np.mean((typical < known.min()) | (typical > known.max())))
