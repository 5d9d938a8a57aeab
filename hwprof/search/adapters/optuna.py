"""Optuna: an objective function for `Study.optimize`, constraints as Optuna wants them.

    study = optuna.create_study(directions=directions(goals))
    study.optimize(optuna_objective(goals), n_trials=100)

Needs the extra `optuna`.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from hwprof.predictors.base import IntArray
from hwprof.search.adapters.extras import missing
from hwprof.search.architectures import Architectures
from hwprof.search.goals import Goals

try:
    from optuna.trial import BaseTrial, FrozenTrial, Trial
except ImportError as error:
    raise missing("optuna", "optuna", error) from error

_KEY = "hwprof:violations"


def suggest(trial: BaseTrial, space: object) -> IntArray:
    """An architecture as a row of choices `[p]`, one categorical parameter per position."""
    view = Architectures.of(space)
    named = {
        name: trial.suggest_categorical(name, list(choices))
        for name, choices in zip(view.names, view.choices, strict=True)
    }
    return view.row(named)


def architecture(trial: BaseTrial, space: object) -> str:
    """The text of the architecture that a finished trial tried."""
    view = Architectures.of(space)
    return view.texts(view.row(trial.params)[None])[0]


def directions(goals: Goals) -> list[str]:
    """`directions` of the study, one per goal."""
    return ["minimize"] * len(goals.minimise) + ["maximize"] * len(goals.maximise)


def optuna_objective(goals: Goals) -> Callable[[Trial], float | tuple[float, ...]]:
    """The function that `Study.optimize` takes: suggests, predicts, and states the constraints.

    Each limit, from above or below, becomes a constraint of the trial under its name in
    `goals.constraint_names`, feasible at most 0, which samplers and `study.best_trial` heed.
    """

    def evaluate(trial: Trial) -> float | tuple[float, ...]:
        row = suggest(trial, goals.space)[None]
        found = goals.evaluate(row)
        violations = found.violations[0].tolist()
        for name, violation in zip(goals.constraint_names, violations, strict=True):
            trial.set_constraint(name, violation)
        trial.set_user_attr(_KEY, violations)
        values = found.values[0].tolist()
        return float(values[0]) if len(values) == 1 else tuple(values)

    return evaluate


def constraints_func(trial: FrozenTrial) -> tuple[float, ...]:
    """Violations of a trial that `optuna_objective` ran: for samplers' older `constraints_func`."""
    return tuple(np.asarray(trial.user_attrs[_KEY], dtype=np.float64).tolist())
