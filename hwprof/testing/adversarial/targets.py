"""What a new device may do to latencies: rounding, noise, outliers, other scales and laws.

Each target takes the latencies of ordinary devices, seconds `[n, t]`, and gives what measuring
them shows. Those that change the law keep the median, so that one fault is tried at a time.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from hwprof.predictors.base import FloatArray


@dataclass(frozen=True, slots=True, eq=False)
class Observed:
    """New devices as they are measured, shapes `[n, t]`, seconds."""

    measured_s: FloatArray
    """What adapting is given, outliers included."""
    truth_s: FloatArray
    """What intervals are judged on: measured latencies, noise included and outliers not, which are
    accidents of measuring."""
    clean_s: FloatArray
    """Without noise: what the order is judged on."""


Target = Callable[[FloatArray, float, np.random.Generator], Observed]
"""Noise-free latencies `[n, t]`, relative noise of measuring, randomness."""

# A clock of whole milliseconds, and devices of a few of them.
_TICK_S, _TICKED_MEDIAN_S = 1e-3, 4e-3
_LEVELS = 8
_OUTLIER = 10.0


def _middle(y: FloatArray) -> FloatArray:
    middle: FloatArray = np.median(y, axis=0)
    return middle


def _noisy(y: FloatArray, noise: float, rng: np.random.Generator) -> FloatArray:
    """Log-normal noise: multiplicative, and never negative."""
    noisy: FloatArray = y * np.exp(noise * rng.standard_normal(y.shape))
    return noisy


def _law(change: Callable[[FloatArray], FloatArray]) -> Target:
    """Another law of the latency, measured with the usual noise."""

    def target(y: FloatArray, noise: float, rng: np.random.Generator) -> Observed:
        clean = change(y)
        measured = _noisy(clean, noise, rng)
        return Observed(measured, measured, clean)

    return target


def _loud(deviation: float) -> Target:
    """Log-normal noise of this deviation on top."""

    def target(y: FloatArray, noise: float, rng: np.random.Generator) -> Observed:
        measured = _noisy(y, float(np.hypot(noise, deviation)), rng)
        return Observed(measured, measured, y)

    return target


def _outliers(share: float) -> Target:
    """This share of the measurements of each device is ten times too long."""

    def target(y: FloatArray, noise: float, rng: np.random.Generator) -> Observed:
        truth = _noisy(y, noise, rng)
        measured = truth.copy()
        for column in measured.T:
            hit = rng.choice(len(column), round(share * len(column)), replace=False)
            column[hit] *= _OUTLIER
        return Observed(measured, truth, y)

    return target


def _ties(y: FloatArray, noise: float, rng: np.random.Generator) -> Observed:
    """A formula that knows few levels: no noise, exact ties."""
    step = y.max(axis=0) / _LEVELS
    tied = np.ceil(y / step - 1e-9) * step
    return Observed(tied, tied, tied)


def _ticks(y: FloatArray, noise: float, rng: np.random.Generator) -> Observed:
    """A device of a few milliseconds, read off a clock of whole ones."""
    clean = y * (_TICKED_MEDIAN_S / _middle(y))
    ticks = np.maximum(np.round(_noisy(clean, noise, rng) / _TICK_S), 1)
    return Observed(ticks * _TICK_S, ticks * _TICK_S, clean)


CLEAN = "clean"
TARGETS: dict[str, Target] = {
    CLEAN: _law(lambda y: y),
    "ties": _ties,
    "ticks of 1 ms": _ticks,
    "reversed": _law(lambda y: y.max(axis=0) + y.min(axis=0) - y),
    "times 100": _law(lambda y: y * 100),
    "over 100": _law(lambda y: y / 100),
    "overhead x1": _law(lambda y: y + _middle(y)),
    "overhead x10": _law(lambda y: y + 10 * _middle(y)),
    "square": _law(lambda y: y**2 / _middle(y)),
    "root": _law(lambda y: np.sqrt(y * _middle(y))),
    "cube": _law(lambda y: y**3 / _middle(y) ** 2),
    "noise 60 %": _loud(0.6),
    "noise 30 %": _loud(0.3),
    "outliers 20 %": _outliers(0.2),
    "outliers 10 %": _outliers(0.1),
}
"""By name. `clean` is an ordinary device with the usual noise."""
