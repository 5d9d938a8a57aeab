"""The laws that every predictor keeps. Plugin authors run them against their own.

    from hwprof.testing.predictors import check_predictor
    check_predictor(MyPredictor.fit, pool, values)

Each law raises AssertionError with a sentence. Nothing here depends on a test framework.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import ArrayLike

from hwprof.errors import HwprofError
from hwprof.metrics import LATENCY
from hwprof.predictors.base import (
    AdaptedPredictor,
    FloatArray,
    IntArray,
    Prediction,
    Predictor,
    metric_told,
    of_any_metric,
)
from hwprof.predictors.pool import DevicePool

Fit = Callable[[DevicePool], Predictor]

_QUANTILES = (0.001, 0.05, 0.25, 0.5, 0.75, 0.95, 0.999)
# Sums in another order differ in the last digits; single precision has seven of them.
_CLOSE = 1e-4
# Chosen to break a hidden absolute constant, and far too small for a suspected mistake in units.
_FACTOR = 3.0


def law(holds: bool, sentence: str) -> None:
    """Raise AssertionError(sentence) unless `holds`."""
    if not holds:
        raise AssertionError(sentence)


def _close(a: FloatArray, b: FloatArray) -> bool:
    unit = float(np.abs(a).max()) or 1.0
    return a.shape == b.shape and bool(np.allclose(a, b, rtol=_CLOSE, atol=_CLOSE * unit))


def _same(a: Prediction, b: Prediction) -> bool:
    one, other = of_any_metric(a), of_any_metric(b)
    return _close(one.mean, other.mean) and _close(one.std, other.std)


def check_prediction(prediction: Prediction, rows: int) -> None:
    """Laws of a prediction of `rows` architectures."""
    general = of_any_metric(prediction)
    mean, std = general.mean, general.std
    if not general.metric.is_same(LATENCY):
        refused(lambda: (general.mean_s, general.std_s), "seconds of another metric")
    law(mean.shape == (rows,) and std.shape == (rows,), "mean and deviation have one entry each")
    law(bool(np.isfinite(mean).all() and np.isfinite(std).all()), "predictions are finite")
    law(bool((mean > 0).all()), "a value is positive")
    law(bool((std >= 0).all()), "a deviation is not negative")
    quantiles = np.stack([prediction.quantile(q) for q in _QUANTILES])
    law(quantiles.shape == (len(_QUANTILES), rows), "a quantile has one entry per architecture")
    rising = np.diff(quantiles, axis=0) >= -1e-12 * np.abs(mean)
    law(bool(rising.all()), "quantiles rise with q")
    low, high = prediction.interval(0.998)
    slack = 1e-9 * np.abs(mean)
    law(
        bool(((low <= mean + slack) & (mean <= high + slack)).all()),
        "a wide interval holds the mean",
    )
    for q, quantile in zip(_QUANTILES, quantiles, strict=True):
        # Where a distribution is cut off, its least value has more than q below or at it.
        reached = prediction.cdf(quantile * (1 + 1e-9))
        law(reached.shape == (rows,), "a probability has one entry per architecture")
        law(bool(((reached >= q - 1e-3) & (reached <= 1)).all()), "cdf reaches q at the q-quantile")
    for q in (0.0, 1.0, -0.1, float("nan")):
        refused(lambda q=q: prediction.quantile(q), f"quantile({q})")  # type: ignore[misc]


def refused(action: Callable[[], object], what: str) -> None:
    """The action raises an HwprofError of one line."""
    try:
        action()
    except HwprofError as error:
        law("\n" not in "".join(map(str, error.args)), f"the error for {what} is one line")
        return
    raise AssertionError(f"{what} is refused with an HwprofError")


def check_select(predictor: Predictor, rows: int) -> None:
    """Laws of the choice of what to measure, for a pool of `rows` architectures (20 or more)."""
    chosen = predictor.select(5)
    law(chosen.shape == (5,), "select(k) gives k rows")
    law(np.issubdtype(chosen.dtype, np.integer), "selected rows are integers")
    law(len(set(chosen.tolist())) == 5, "selected rows differ")
    law(bool(((chosen >= 0) & (chosen < rows)).all()), "selected rows are rows of the pool")
    law(bool((predictor.select(5) == chosen).all()), "select gives the same rows each time")
    allowed = list(range(0, rows, 2))
    banned = allowed[:3]
    among = predictor.select(4, candidates=allowed, exclude=banned)
    law(set(among.tolist()) <= set(allowed) - set(banned), "select keeps to what is allowed")
    refused(lambda: predictor.select(0), "k = 0")
    refused(lambda: predictor.select(rows + 1), "more rows than the pool has")
    refused(lambda: predictor.select(1, candidates=[rows]), "a candidate outside the pool")


def check_refusals(predictor: Predictor, pool: DevicePool, rows: IntArray, y: FloatArray) -> None:
    """Measurements that cannot be true, and architectures that do not exist, are refused."""

    def adapt(indices: ArrayLike, values: ArrayLike) -> Callable[[], object]:
        return lambda: predictor.adapt(indices, values)

    for value in (np.nan, np.inf, 0.0, -1.0):
        broken = y.copy()
        broken[0] = value
        refused(adapt(rows, broken), f"a value of {value}")
    refused(adapt([], []), "no measurement")
    refused(adapt(rows, y[:-1]), "fewer values than indices")
    refused(adapt([pool.rows], y[:1]), "an index past the pool")
    refused(adapt([-1], y[:1]), "a negative index")
    refused(adapt([0.5], y[:1]), "an index that is no integer")
    refused(lambda: predictor.adapt(rows, y, None, -y), "a negative standard error")
    adapted = predictor.adapt(rows, y)
    refused(lambda: adapted.predict([pool.rows]), "a prediction past the pool")
    refused(lambda: adapted.predict(pool.features[:2, :-1]), "features of another width")
    refused(lambda: adapted.predict(np.full((1, pool.width), np.nan)), "features that are NaN")
    refused(lambda: adapted.update([0], [np.nan]), "an update with a value that is NaN")


def check_adapted(
    predictor: Predictor,
    pool: DevicePool,
    rows: IntArray,
    y: FloatArray,
    *,
    scale_equivariant: bool = True,
) -> None:
    """Laws of a predictor adapted to the measurements `y` (base unit, `[k]`) of `rows` (`[k]`)."""
    everything = np.arange(pool.rows)
    adapted = predictor.adapt(rows, y)
    first = adapted.predict(everything)
    check_prediction(first, pool.rows)
    law(metric_told(first).is_same(pool.metric), "what is predicted is what the pool holds")
    law(
        all(each == str(each) != "" and "\n" not in each for each in adapted.warnings),
        "a warning is a sentence of one line",
    )
    law(_same(first, predictor.adapt(rows, y).predict(everything)), "adapt is deterministic")
    law(_same(first, adapted.predict(everything)), "predict is deterministic")
    turned = np.arange(len(rows))[::-1]
    reordered = predictor.adapt(rows[turned], y[turned]).predict(everything)
    law(_same(first, reordered), "the order of measurements does not matter")
    check_places(adapted, pool, first)
    half = len(rows) // 2
    partial = predictor.adapt(rows[:half], y[:half])
    before = partial.predict(everything)
    grown = partial.update(rows[half:], y[half:])
    law(_same(first, grown.predict(everything)), "update equals adapt on the union")
    law(_same(before, partial.predict(everything)), "update leaves the old predictor as it was")
    check_prediction(adapted.update(rows, y).predict(everything), pool.rows)
    check_prediction(predictor.adapt(rows[:1], y[:1]).predict(everything), pool.rows)
    noisy = predictor.adapt(rows, y, None, 0.01 * y).predict(everything)
    check_prediction(noisy, pool.rows)
    if scale_equivariant:
        slower = predictor.adapt(rows, _FACTOR * y).predict(everything)
        one, other = of_any_metric(first), of_any_metric(slower)
        law(_close(_FACTOR * one.mean, other.mean), "a slower device scales the mean")
        law(_close(_FACTOR * one.std, other.std), "a slower device scales the deviation")


def check_places(adapted: AdaptedPredictor, pool: DevicePool, whole: Prediction) -> None:
    """An architecture's prediction depends neither on its neighbours nor on how it is named."""
    some = np.array([3, 1, 1, 0])
    part = adapted.predict(some)
    check_prediction(part, len(some))
    one, other = of_any_metric(whole), of_any_metric(part)
    law(_close(one.mean[some], other.mean), "a part is predicted as in the whole")
    law(_close(one.std[some], other.std), "a part deviates as in the whole")
    law(_same(part, adapted.predict(pool.features[some])), "rows and their features agree")
    none = of_any_metric(adapted.predict(np.zeros(0, dtype=np.int64)))
    law(none.mean.shape == (0,), "nothing gives nothing")


def check_predictor(
    fit: Fit,
    pool: DevicePool,
    values: FloatArray,
    *,
    counts: Sequence[int] = (6, 12),
    scale_equivariant: bool = True,
) -> None:
    """Every law. `values` are those of an unseen device, in the unit of the pool, `[n]`, all
    measured.

    `fit` makes a predictor of the pool, twice; `counts` are numbers of measurements to adapt on.
    """
    predictor = fit(pool)
    check_select(predictor, pool.rows)
    for k in counts:
        rows = predictor.select(k)
        y = values[rows]
        check_adapted(predictor, pool, rows, y, scale_equivariant=scale_equivariant)
    check_refusals(predictor, pool, rows, y)
    again = fit(pool).adapt(rows, y).predict(np.arange(pool.rows))
    same = _same(again, predictor.adapt(rows, y).predict(np.arange(pool.rows)))
    law(same, "fit is deterministic")
