"""Who tells the cost of an objective: a predictor, an estimator, or the space alone."""

from __future__ import annotations

from collections.abc import Mapping

from hwprof.errors import OptionError
from hwprof.metrics import LATENCY, Metric
from hwprof.predictors.base import AdaptedPredictor, metric_told
from hwprof.search.additive import AdditiveTable
from hwprof.search.architectures import Architectures
from hwprof.search.estimators.additive import Additive
from hwprof.search.estimators.base import Estimator, check_space
from hwprof.search.estimators.layered import Layered
from hwprof.search.layers.costs import LayerCosts

Teller = AdaptedPredictor | Estimator | AdditiveTable | LayerCosts
"""An adapted predictor, an estimator of `hwprof.search.estimators`, costs of layers, or a table of
costs that add up, which goes with a space."""


def metric_of_teller(given: object) -> Metric:
    """What it tells; latency where it does not say."""
    return given.metric if isinstance(given, Estimator) else metric_told(given)


def chosen(
    given: Teller | Mapping[str, Teller] | None, metric: Metric, space: Architectures | None
) -> AdaptedPredictor | Estimator | None:
    """What tells `metric`; None where the space does.

    Raises OptionError for what tells another metric or is of another space, and for anything else.
    """
    name = metric.name
    named = isinstance(given, Mapping) and name in given
    alone = isinstance(given, Teller) and metric_of_teller(given).name == name
    if metric.of_space and not named and not alone:
        if space is None:
            raise OptionError(f"{name} is told by a space; pass space=")
        return None
    if isinstance(given, Mapping):
        if not named:
            known = ", ".join(map(str, given)) or "none"
            raise OptionError(
                f"there is no predictor for {name!r} (there is {known}); ask for one of those "
                "or adapt one to it"
            )
        given = given[name]
    if isinstance(given, AdditiveTable):
        if space is None:
            raise OptionError("a table of costs by choice goes with a space; pass space=")
        given = Additive(given, space, metric)
    if isinstance(given, LayerCosts):
        given = Layered(given)
    if isinstance(given, Estimator):
        if given.metric.name != name:
            raise OptionError(
                f"the {given.kind} costs are of {given.metric.name}, but {name} is asked; pass "
                f"some of {name}, or ask for {given.metric.name}"
            )
        if space is not None:
            check_space(given, space)
        return given
    if not isinstance(given, AdaptedPredictor):
        raise OptionError(
            f"predictor must be one that is adapted to a device, or an estimator, but is "
            f"{type(given).__name__}; pass what adapt() gives, one of hwprof.search.estimators, or "
            "a mapping from metric to it"
        )
    own = metric_told(given)
    if own.name != name and not (named and own.is_same(LATENCY)):
        raise OptionError(
            f"the predictor is of {own.name}, but {name} is asked; if it was adapted to {name} "
            f"without being told so, pass {{{name!r}: predictor}}"
            if own.is_same(LATENCY)
            else f"the predictor is of {own.name} in {own.words}, but {name} is asked; pass "
            f"one of {name}, or ask for {own.name}"
        )
    return given
