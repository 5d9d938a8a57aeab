"""Ax: parameters, objective, outcome constraints and evaluations for `ax.api.client.Client`.

    client.configure_experiment(parameters=parameters(goals))
    client.configure_optimization(objective(goals), outcome_constraints(goals))
    client.complete_trial(index, evaluate(goals, parameters))

Needs the extra `ax`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hwprof.errors import OptionError
from hwprof.predictors.base import IntArray
from hwprof.search.adapters.extras import missing
from hwprof.search.goals import Goals

try:
    from ax.api.configs import ChoiceParameterConfig
except ImportError as error:
    raise missing("ax", "ax", error) from error


def parameters(goals: Goals) -> list[Any]:
    """One unordered choice per position, for `configure_experiment`."""
    return [
        ChoiceParameterConfig(
            name=_name(name), values=list(choices), parameter_type="str", is_ordered=False
        )
        for name, choices in zip(goals.space.names, goals.space.choices, strict=True)
    ]


def objective(goals: Goals) -> str:
    """The goals as Ax writes them, such as `-latency, flops`: what is minimised is negated."""
    terms = [f"-{_name(name)}" for name in goals.minimise]
    return ", ".join([*terms, *(_name(name) for name in goals.maximise)])


def outcome_constraints(goals: Goals) -> list[str]:
    """One constraint per limit, such as `violation0 <= 0.0`; `evaluate` reports the violations.

    A violation is how far a cost lies outside of its limit, above or below, so that Ax sees numbers
    of one sign convention whatever the unit.
    """
    return [f"violation{number} <= 0.0" for number in range(goals.constraints)]


def row_of(goals: Goals, chosen: Mapping[str, Any]) -> IntArray:
    """A parameterisation as a row of choices `[p]`. Raises OptionError for one that is not."""
    return goals.space.row({name: chosen.get(_name(name)) for name in goals.space.names})


def architecture(goals: Goals, chosen: Mapping[str, Any]) -> str:
    """The text of a parameterisation, such as the best one's."""
    return goals.space.texts(row_of(goals, chosen)[None])[0]


def evaluate(goals: Goals, chosen: Mapping[str, Any]) -> dict[str, tuple[float, float]]:
    """`(mean, standard error)` of each goal and violation of one parameterisation.

    The standard error of a predicted mean is the predictor's deviation; 0 says that a value is
    exact, which holds for scores that hwprof does not know, quantiles and violations. NaN, which Ax
    takes for an unknown error that it infers, is that of costs whose deviation nobody knows.
    """
    row = row_of(goals, chosen)[None]
    mean, deviation = goals.moments(row)
    found = {
        _name(name): (float(mean[0, i]), float(deviation[0, i]))
        for i, name in enumerate(goals.names)
    }
    for number, violation in enumerate(goals.violations(row)[0].tolist()):
        found[f"violation{number}"] = (float(violation), 0.0)
    return found


def _name(name: str) -> str:
    """Ax reads names as parts of expressions: dots, dashes and spaces become underscores."""
    found = name.replace(".", "_").replace("-", "_").replace(" ", "_")
    if not found.isidentifier():
        raise OptionError(f"Ax cannot name a metric or parameter {name!r}; use letters and digits")
    return found
