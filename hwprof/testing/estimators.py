"""The laws that every estimator of costs keeps. Plugin authors run them against their own.

    from hwprof.testing.estimators import check_estimator
    check_estimator(MyEstimator(...), rows)

Each law raises AssertionError with a sentence. Nothing here depends on a test framework.
"""

from __future__ import annotations

import numpy as np

from hwprof.errors import OptionError
from hwprof.metrics import check_metric
from hwprof.predictors.base import FloatArray, IntArray
from hwprof.search.estimators.base import KINDS, Estimator
from hwprof.search.objective import Objective
from hwprof.testing.predictors import check_prediction, law, refused


def check_estimator(estimator: Estimator, rows: IntArray) -> None:
    """Every law, on canonical rows `[n, p]` of its space, 4 different ones or more, whose cost it
    tells: of a table, some that it holds."""
    law(len(np.unique(rows, axis=0)) >= 4, "four different architectures are needed to judge by")
    given = rows.copy()
    check_metric(estimator.metric)
    law(estimator.kind in KINDS, f"a kind is one of {', '.join(KINDS)}")
    cost = estimator.cost(rows)
    _check_cost(cost, len(rows))
    law(np.array_equal(cost, estimator.cost(rows)), "a cost is the same each time")
    check_places(estimator, rows, cost)
    covered = estimator.covered(rows)
    law(covered.shape == (len(rows),), "covered has one entry per architecture")
    law(covered.dtype == np.bool_, "covered holds truth values")
    mean, deviation = estimator.moments(rows)
    law(_close(mean, cost), "the mean is the cost")
    law(deviation.shape == (len(rows),), "a deviation has one entry per architecture")
    known = ~np.isnan(deviation)
    law(bool((deviation[known] >= 0).all()), "a deviation is not negative")
    check_distribution(estimator, rows, cost, deviation)
    check_objective(estimator, rows, cost, mean, deviation)
    law(np.array_equal(rows, given), "rows stay as they were given")


def check_places(estimator: Estimator, rows: IntArray, cost: FloatArray) -> None:
    """A cost depends neither on an architecture's neighbours nor on its place."""
    turned = np.arange(len(rows))[::-1]
    law(_close(estimator.cost(rows[turned]), cost[turned]), "a cost does not depend on its place")
    some = np.array([3, 1, 1, 0])
    law(_close(estimator.cost(rows[some]), cost[some]), "a part costs what it does in the whole")
    law(estimator.cost(rows[:0]).shape == (0,), "nothing gives nothing")
    law(estimator.covered(rows[:0]).shape == (0,), "nothing covers nothing")
    law(estimator.moments(rows[:0])[1].shape == (0,), "nothing has no deviation")


def check_distribution(
    estimator: Estimator, rows: IntArray, cost: FloatArray, deviation: FloatArray
) -> None:
    """A distribution is one of the cost, with the deviation that is told; or it is refused."""
    try:
        found = estimator.distribution(rows)
    except OptionError as error:
        law("\n" not in str(error), "the refusal of a distribution is one line")
        law(bool(np.isnan(deviation).any()), "what has a deviation everywhere has a distribution")
        return
    check_prediction(found, len(rows))
    law(found.metric.is_same(estimator.metric), "a distribution is of the metric that is told")
    law(_close(found.mean, cost), "a distribution's mean is the cost")
    law(_close(found.std, deviation), "a distribution's deviation is the one that is told")


def check_objective(
    estimator: Estimator,
    rows: IntArray,
    cost: FloatArray,
    mean: FloatArray,
    deviation: FloatArray,
) -> None:
    """An objective that rests on it says the same, of texts too, and bounds by it."""
    limit = float(np.median(cost))
    objective = Objective(estimator, limit=limit)
    law(objective.kind == estimator.kind, "an objective says what it rests on")
    law(objective.metric.is_same(estimator.metric), "an objective is of the same metric")
    law(_close(objective(rows), cost), "an objective gives the cost")
    law(_close(objective(estimator.space.texts(rows)), cost), "texts cost what their rows do")
    law(_close(objective.violation(rows), cost - limit), "a violation is the cost less the limit")
    told = objective.moments(rows)
    law(_close(told[0], mean) and _close(told[1], deviation), "an objective gives the moments")
    if np.isnan(deviation).any():
        refused(lambda: objective.probability(rows), "a probability without a distribution")
        refused(
            lambda: Objective(estimator, statistic=0.9)(rows), "a quantile without a distribution"
        )
        return
    high = Objective(estimator, statistic=0.99)(rows)
    law(bool((high >= Objective(estimator, statistic=0.5)(rows)).all()), "quantiles rise with q")


def _check_cost(cost: FloatArray, rows: int) -> None:
    law(cost.shape == (rows,), "a cost has one entry per architecture")
    law(cost.dtype == np.float64, "a cost is a float64")
    law(bool((np.isfinite(cost) & (cost > 0)).all()), "a cost is positive and finite")


def _close(a: FloatArray, b: FloatArray) -> bool:
    return a.shape == b.shape and bool(np.allclose(a, b, rtol=1e-6, atol=0, equal_nan=True))
