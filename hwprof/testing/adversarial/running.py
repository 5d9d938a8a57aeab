"""Trying a predictor on cases, and saying which rows it does not keep."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from hwprof.errors import HwprofError
from hwprof.plugins import in_words
from hwprof.predictors.base import AdaptedPredictor, FloatArray, IntArray, Prediction, Predictor
from hwprof.predictors.help.ranks import rank_correlation
from hwprof.predictors.pool import DevicePool
from hwprof.similarity import Similarity
from hwprof.testing.adversarial.case import LEVEL, SEEDS, Case
from hwprof.testing.adversarial.outcome import Outcome
from hwprof.testing.adversarial.suite import cases

_QUANTILES = (0.001, 0.05, 0.5, 0.95, 0.999)
# Sums in another order differ in the last digits.
_SLACK = 1e-9


class Fit(Protocol):
    """`Predictor.fit` of a class, or anything called like it."""

    def __call__(self, pool: DevicePool, *, similarity: Similarity | None = None) -> Predictor:
        """A predictor fitted on the pool."""


@dataclass(slots=True)
class _Tally:
    """What the runs of a case have shown so far."""

    coverage: dict[int, list[float]] = field(default_factory=dict)
    """By device."""
    honest: list[float] = field(default_factory=list)
    spearman: list[float] = field(default_factory=list)
    median_ape: list[float] = field(default_factory=list)
    width: list[float] = field(default_factory=list)
    breaches: Counter[str] = field(default_factory=Counter)
    warnings: Counter[str] = field(default_factory=Counter)
    refusals: Counter[str] = field(default_factory=Counter)
    runs: int = 0
    warned: int = 0

    def outcome(self, case: Case) -> Outcome:
        by_device = [float(np.mean(found)) for found in self.coverage.values()]
        return Outcome(
            case=case,
            runs=self.runs,
            coverage=_mean([each for found in self.coverage.values() for each in found]),
            honest=_mean(self.honest),
            worst_coverage=min(by_device, default=None),
            spearman=_mean(self.spearman),
            median_ape=_mean(self.median_ape),
            width=_mean(self.width),
            warned=self.warned / max(self.runs, 1),
            refused=self.refusals.total() / max(self.runs, 1),
            breaches=tuple(
                f"{what} in {count} of {self.runs} runs" for what, count in self.breaches.items()
            ),
            warnings=tuple(self.warnings),
            refusals=tuple(self.refusals),
        )


def run_case(fit: Fit, case: Case, seeds: Sequence[int] = SEEDS) -> Outcome:
    """Fit on the pool of one case, and adapt to each of its devices once per seed."""
    return next(run_cases(fit, [case], seeds))


def run_cases(fit: Fit, given: Iterable[Case], seeds: Sequence[int] = SEEDS) -> Iterator[Outcome]:
    """An outcome per case, in their order; neighbours that share a pool share a fit."""
    fitted: tuple[DevicePool, Predictor | Exception] | None = None
    for case in given:
        pool = case.pool
        if fitted is None or fitted[0] is not pool:
            fitted = pool, _fitted(fit, case)
        tally = _Tally()
        for seed in seeds:
            for device in range(case.devices):
                _run(fitted[1], case, seed, device, tally)
        yield tally.outcome(case)


def check_adversarial(
    fit: Fit, given: Iterable[Case] | None = None, seeds: Sequence[int] = SEEDS
) -> None:
    """Raise AssertionError naming the rows that are not kept, and why; all cases by default.

    A row is kept where no invariant is broken (figures positive and finite, quantiles in order and
    around the mean, no exception but an HwprofError), nothing is refused, nominal 90 % intervals
    cover 0.80 or the predictor warns, and rank and error are what the row requires.
    """
    outcomes = list(run_cases(fit, cases() if given is None else given, seeds))
    failed = [outcome for outcome in outcomes if not outcome.kept]
    if failed:
        rows = "; ".join(f"'{each.case.name}' {', '.join(each.faults)}" for each in failed)
        raise AssertionError(f"{len(failed)} of {len(outcomes)} rows are not kept: {rows}")


def _fitted(fit: Fit, case: Case) -> Predictor | Exception:
    try:
        with np.errstate(all="ignore"):
            return fit(case.pool, similarity=case.similarity)
    except Exception as error:  # whatever a plugin raises
        return error


def _run(fitted: Predictor | Exception, case: Case, seed: int, device: int, tally: _Tally) -> None:
    tally.runs += 1
    try:
        if isinstance(fitted, Exception):
            raise fitted
        with np.errstate(all="ignore"):
            rows = case.rows(seed, fitted)
            adapted = fitted.adapt(rows, case.observed.measured_s[rows, device])
            _judge(adapted, case, device, rows, tally)
    except HwprofError as error:
        tally.refusals[str(error)] += 1
    except Exception as error:  # whatever a plugin raises
        tally.breaches[f"raises {in_words(error)}"] += 1


def _judge(
    adapted: AdaptedPredictor, case: Case, device: int, rows: IntArray, tally: _Tally
) -> None:
    prediction = adapted.predict(np.arange(case.pool.rows))
    mean = prediction.mean_s
    low, high = prediction.interval(LEVEL)
    for breach in broken(prediction, low, high):
        tally.breaches[breach] += 1
    rest = np.setdiff1d(np.arange(case.pool.rows), rows)
    truth = case.observed.truth_s[rest, device]
    clean = case.observed.clean_s[rest, device]
    covered = float(np.mean((low[rest] <= truth) & (truth <= high[rest])))
    tally.coverage.setdefault(device, []).append(covered)
    warnings = adapted.warnings
    tally.warnings.update(warnings)
    tally.warned += bool(warnings)
    excused = bool(warnings) and case.excusable
    tally.honest.append(max(covered, case.required_coverage) if excused else covered)
    tally.spearman.append(rank_correlation(mean[rest], clean))
    tally.median_ape.append(float(np.median(np.abs(mean[rest] / truth - 1))))
    tally.width.append(float(np.median((high[rest] - low[rest]) / truth)))


def broken(prediction: Prediction, low: FloatArray, high: FloatArray) -> list[str]:
    """Invariants that a prediction does not keep, a clause each."""
    mean = prediction.mean_s
    quantiles = np.stack([prediction.quantile(q) for q in _QUANTILES])
    figures = {"mean": mean, "quantile": quantiles, "bound of an interval": np.stack([low, high])}
    found = [f"a {what} is not finite" for what, x in figures.items() if not np.isfinite(x).all()]
    found += [f"a {what} is not positive" for what, x in figures.items() if not (x > 0).all()]
    if not (np.isfinite(prediction.std_s).all() and (prediction.std_s >= 0).all()):
        found.append("a deviation is negative or not finite")
    slack = _SLACK * np.abs(mean)
    if not ((low <= mean + slack) & (mean <= high + slack)).all():
        found.append("an interval does not hold the mean")
    if not (low <= high + slack).all():
        found.append("an interval is inverted")
    if not (np.diff(quantiles, axis=0) >= -slack).all():
        found.append("quantiles do not rise")
    return found


def _mean(values: Sequence[float]) -> float | None:
    return float(np.mean(values)) if values else None
