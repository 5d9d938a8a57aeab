"""From predictors that are adapted to devices to the architectures that keep limits on them.

What `hwprof search` does, in one call.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from hwprof import spaces
from hwprof.errors import OptionError, TableError
from hwprof.metrics import METRICS, Metric
from hwprof.predictors.base import FloatArray, IntArray, of_any_metric
from hwprof.predictors.fewshot.adapted import AdaptedFewShot
from hwprof.search.architectures import Architectures
from hwprof.search.evolve import evolve
from hwprof.search.goals import Cost, Evaluated, Goals
from hwprof.search.objective import Objective

LIVE = "live_flops"
"""FLOPs of the products of operations whose result is used, where a space tells them apart. Of
all FLOPs the search would buy those that a runtime drops: they cost nothing, and are worth nothing.
"""
PROXIES = ("flops", "parameters", LIVE)
"""What a space tells that may stand in for the accuracy which it cannot tell."""
_LIVE_COLUMNS = ("live_arithmetic", "live_depthwise", "live_attention")
# Of the interval that is shown with a prediction.
LEVEL = 0.9


@dataclass(frozen=True, slots=True)
class Predicted:
    """The cost of one architecture by one predictor, in base units."""

    predictor: str
    """What the predictor is called in limits."""
    device: str | None
    metric: Metric
    mean: float
    std: float
    low: float
    """To `high`: the 90% interval."""
    high: float


@dataclass(frozen=True, slots=True)
class Found:
    """An architecture that keeps every limit."""

    arch: str
    worth: float
    """What was maximised, in its base unit."""
    predicted: tuple[Predicted, ...]


@dataclass(frozen=True, slots=True)
class Search:
    """What came of a search."""

    space: str
    maximised: str
    """The proxy, or what the scores were called."""
    is_proxy: bool
    quantile: float
    """Of each predicted cost, which was held against the limits."""
    limits: tuple[str, ...]
    """In words, such as `my latency at most 15ms`."""
    evaluated: int
    feasible: int
    found: tuple[Found, ...]
    """The greatest worth first."""


def common_space(predictors: Mapping[str, AdaptedFewShot], asked: str | None = None) -> str:
    """The space that all predictors are of. Raises OptionError where they, or `asked`, differ."""
    if not predictors:
        raise OptionError("there is no predictor; give at least one that adapt() made")
    of = {name: one.fitted.similarity for name, one in predictors.items()}
    names = set(of.values())
    if len(names) > 1:
        told = ", ".join(f"{name} of {space}" for name, space in of.items())
        raise OptionError(f"the predictors are of different spaces ({told}); give those of one")
    (space,) = names
    if asked not in (None, space):
        raise OptionError(f"the predictors are of {space}, and not of {asked}; leave --space out")
    return spaces.get(space).name


def named_limits(texts: Sequence[str], predictors: Mapping[str, AdaptedFewShot]) -> dict[str, str]:
    """Limits written `NAME=LIMIT` by what they limit, a predictor or what the space tells.

    NAME is a predictor's name, a metric (then of every predictor of it) or what spaces tell, such
    as `flops`; it may be left out where there is one predictor. Raises OptionError for a name of
    nothing, and for two limits of one thing.
    """
    found: dict[str, str] = {}
    for text in texts:
        name, equals, limit = (part.strip() for part in text.rpartition("="))
        targets = [name] if name in predictors else []
        if not equals and len(predictors) == 1:
            targets = list(predictors)
        elif not targets:
            targets = [key for key, one in predictors.items() if one.metric.name == name]
        told = [key for key, metric in METRICS.items() if metric.of_space]
        if not targets and name in told:
            targets = [name]
        if not targets:
            raise OptionError(
                f"the limit '{text}' does not say of what it is; write NAME=LIMIT with one of "
                f"{', '.join([*predictors, *told])}"
            )
        for target in targets:
            if target in found:
                raise OptionError(f"there are two such limits of {target}; keep one of them")
            found[target] = limit
    return found


def default_proxy(space: str) -> str:
    """`LIVE` where the space tells it, else FLOPs."""
    return LIVE if _LIVE_COLUMNS[0] in spaces.get(space).analytic_names else "flops"


def search_stored(
    predictors: Mapping[str, AdaptedFewShot],
    *,
    limits: Mapping[str, str],
    at_least: Mapping[str, str],
    maximise: str | None = None,
    scores: Mapping[str, float] | None = None,
    quantile: float = 0.9,
    generations: int = 20,
    population: int = 40,
    seed: int = 0,
    top: int = 10,
    space: str | None = None,
) -> Search:
    """The architectures of greatest worth that keep the limits, at most `top` of them.

    `limits` and `at_least` are by the names of predictors or of what the space tells. A limit is
    kept by the quantile of a predicted cost: from below by `1 - quantile`. Worth is a proxy at the
    space's default input, one of `PROXIES`, and an `evolve` search is made; None takes `LIVE` where
    the space tells it, or FLOPs. With `scores` worth is theirs, called `maximise` or accuracy, and
    those architectures are the candidates, all of them.

    Raises OptionError for predictors without a limit, for names of nothing, and, naming the
    nearest, where nothing keeps the limits; TableError for a predictor that gives no numbers.
    """
    name = common_space(predictors, space)
    unbounded = [one for one in predictors if one not in limits and one not in at_least]
    if unbounded:
        raise OptionError(
            f"{unbounded[0]} has no limit; give one, such as "
            f"--max {unbounded[0]}={predictors[unbounded[0]].metric.example}"
        )
    if top < 1:
        raise OptionError(f"top must be 1 or more, but is {top}; ask for one architecture or more")
    view = Architectures.of(name)
    by_device = {key: {one.metric.name: one} for key, one in predictors.items()}
    worth = maximise or ("accuracy" if scores is not None else default_proxy(name))
    goals = Goals.over(
        view,
        by_device,
        scores={worth: _proxy(view, worth) if scores is None else _nothing},
        limits=limits,
        at_least=at_least,
        statistic=quantile,
    )
    # What a damaged file overflows in is told below, as what it is.
    with np.errstate(all="ignore"):
        if scores is None:
            evolved = evolve(goals, generations, population, rng=np.random.default_rng(seed))
            rows, told = evolved.rows, evolved.found
            value = told.values[:, 0]
        else:
            rows = view.indices(list(scores))
            told, value = goals.evaluate(rows), np.array(list(scores.values()), dtype=np.float64)
        _check(goals, rows, told)
        feasible = np.flatnonzero(told.feasible)
        best = feasible[np.argsort(-value[feasible], kind="stable")][:top]
        predictions = [_predictions(key, one, view, rows[best]) for key, one in predictors.items()]
    texts = view.texts(rows[best])
    found = tuple(
        Found(text, float(value[place]), tuple(column[i] for column in predictions))
        for i, (text, place) in enumerate(zip(texts, best, strict=True))
    )
    words = tuple(
        f"{label} {limit.bounds}"
        for label, limit in zip(goals.constraint_names, goals.limits, strict=True)
        if isinstance(limit, Objective)
    )
    return Search(name, worth, scores is None, quantile, words, len(rows), len(feasible), found)


def _proxy(view: Architectures, name: str) -> Cost:
    if name not in PROXIES:
        raise OptionError(f"cannot maximise {name!r}; choose among {', '.join(PROXIES)}")
    if name != LIVE:
        return Objective(metric=name, space=view)
    names = view.space.analytic_names
    places = [names.index(column) for column in _LIVE_COLUMNS if column in names]
    if not places:
        raise OptionError(
            f"{view.space.name} does not tell which operations are live; maximise flops"
        )
    # A multiply-accumulate is 2, as everywhere.
    return lambda rows: 2 * view.space.analytic(rows)[:, places].sum(axis=1)


def _nothing(rows: IntArray) -> FloatArray:
    """Of scores that are ranked afterwards."""
    return np.zeros(len(rows))


def _check(goals: Goals, rows: IntArray, told: Evaluated) -> None:
    """Raise TableError for what is no number, and OptionError where nothing keeps the limits."""
    wrong = np.isnan(told.violations)
    if wrong.any():
        row, column = (int(i) for i in np.argwhere(wrong)[0])
        raise TableError(
            f"the predictor gives no {told.constraint_names[column]} for "
            f"'{goals.space.texts(rows[[row]])[0]}', so its file is damaged; adapt to the "
            "measurements again"
        )
    if told.feasible.any():
        return
    for limit in goals.limits:
        if isinstance(limit, Objective):
            limit.check_reachable(rows)
    nearest = int(np.maximum(told.violations, 0).sum(axis=1).argmin())
    outside = [
        f"{name} by {100 * share:.2g} %"
        for name, share in zip(told.constraint_names, told.violations[nearest], strict=True)
        if share > 0
    ]
    raise OptionError(
        "each limit can be kept, but no candidate keeps all of them: the nearest is "
        f"'{goals.space.texts(rows[[nearest]])[0]}', outside {', '.join(outside)}; widen a limit"
    )


def _predictions(
    key: str, adapted: AdaptedFewShot, view: Architectures, rows: IntArray
) -> list[Predicted]:
    prediction = of_any_metric(adapted.predict(view.features(rows)))
    columns: list[FloatArray] = [prediction.mean, prediction.std, *prediction.interval(LEVEL)]
    return [
        Predicted(key, adapted.device, adapted.metric, *map(float, cells))
        for cells in zip(*columns, strict=True)
    ]
