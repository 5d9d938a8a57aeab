"""Estimators in the hands of the search libraries, through the same adapters as predictors."""

from __future__ import annotations

import numpy as np
import optuna
import pytest
import torch
from ax.api.client import Client
from pymoo.algorithms.soo.nonconvex.ga import GA
from pymoo.optimize import minimize

from hwprof import Objective, OptionError
from hwprof.search import Goals, Roofline, TableLookup
from hwprof.search.adapters import ax
from hwprof.search.adapters.botorch import CostFunction, CostModel
from hwprof.search.adapters.optuna import architecture, directions, optuna_objective
from hwprof.search.adapters.pymoo import ArchitectureProblem, operators
from hwprof.search.adapters.syne_tune import ArchitectureBlackbox
from tests.search.toys import Toy, every

ROWS = np.unique(Toy().indices(every(Toy())), axis=0)
TEXTS = [Toy().format([p.choices[i] for p, i in zip(Toy.positions, r, strict=True)]) for r in ROWS]
FLOPS = Objective(metric="flops", space=Toy())
WORKED_OUT = Roofline(Toy(), peak_flops=1e7, bandwidth=1e9, per_layer=False)


@pytest.fixture(params=["table", "analytical"])
def objective(request, tmp_path) -> Objective:
    if request.param == "analytical":
        return Objective(WORKED_OUT, limit="5ms")
    values = WORKED_OUT.cost(ROWS)
    path = tmp_path / "toys.csv"
    lines = [f"{t},{1e3 * v!r},0.01" for t, v in zip(TEXTS[::2], values[::2].tolist(), strict=True)]
    path.write_text("\n".join(["arch,latency_ms,std_error_ms", *lines]))
    return Objective(TableLookup(path, Toy(), missing=WORKED_OUT), limit="5ms")


@pytest.fixture
def goals(objective) -> Goals:
    return Goals(
        Toy(), minimise={"latency": objective}, maximise={"flops": FLOPS}, limits=objective
    )


def test_optuna_and_syne_tune(goals, objective):
    study = optuna.create_study(
        directions=directions(goals), sampler=optuna.samplers.RandomSampler(seed=0)
    )
    study.optimize(optuna_objective(goals), n_trials=5)
    for trial in study.trials:
        assert trial.values[0] == pytest.approx(objective(architecture(trial, Toy()))[0])
    blackbox = ArchitectureBlackbox(goals)
    np.testing.assert_allclose(blackbox.evaluate(ROWS)[:, 0], objective(ROWS))


def test_pymoo_finds_the_best_within_the_limit(objective):
    goals = Goals(Toy(), maximise={"flops": FLOPS}, limits=objective)
    problem = ArchitectureProblem(goals)
    result = minimize(problem, GA(pop_size=20, **operators(goals)), ("n_gen", 20), seed=0)
    within = FLOPS(ROWS)[objective.violation(ROWS) <= 0]
    assert -result.F[0] == within.max()


def test_ax_is_told_that_an_error_is_not_known(goals, objective):
    client = Client(random_seed=0)
    client.configure_experiment(ax.parameters(goals))
    client.configure_optimization(ax.objective(goals), ax.outcome_constraints(goals))
    client.configure_generation_strategy(method="random_search")
    for index, chosen in client.get_next_trials(6).items():
        told = ax.evaluate(goals, chosen)
        row = ax.row_of(goals, chosen)[None]
        held = objective.kind == "table" and objective.covered(row)[0]
        assert np.isnan(told["latency"][1]) != held
        client.complete_trial(index, told)
    assert len(client.summarize()) == 6


def test_botorch_takes_what_has_no_deviation_as_a_function(objective):
    X = torch.tensor(ROWS, dtype=torch.float64)
    found = CostFunction(objective, inputs="choices").posterior(X).mean[:, 0]
    np.testing.assert_allclose(found, -objective(ROWS) / 0.005)
    with pytest.raises(OptionError, match="make no posterior; use CostFunction"):
        CostModel(objective, inputs="choices").posterior(X)
