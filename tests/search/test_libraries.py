"""Every adapter in the hands of its real library, on a space with depth and positions of their
own sizes, where the best feasible architecture is known."""

from __future__ import annotations

import itertools
import sys

import numpy as np
import optuna
import pytest
import torch
from ax.api.client import Client
from botorch.acquisition import qLogExpectedImprovement
from botorch.acquisition.objective import LinearMCObjective
from botorch.models import ModelList
from botorch.optim import optimize_acqf_discrete
from pymoo.algorithms.moo.nsga2 import NSGA2
from pymoo.algorithms.soo.nonconvex.ga import GA
from pymoo.optimize import minimize
from syne_tune import StoppingCriterion, Tuner
from syne_tune.backend.simulator_backend.simulator_callback import SimulatorCallback
from syne_tune.blackbox_repository import UserBlackboxBackend, add_surrogate
from syne_tune.optimizer.baselines import RandomSearch

from hwprof import Objective, OptionError
from hwprof.search import Goals, pareto_front
from hwprof.search.adapters import ax
from hwprof.search.adapters import optuna as optuna_
from hwprof.search.adapters.botorch import CostFunction, CostModel, cost_constraint
from hwprof.search.adapters.pymoo import ArchitectureProblem, operators
from hwprof.search.adapters.syne_tune import ELAPSED, ArchitectureBlackbox
from tests.search.toys import WEIGHTS, Sum, Toy, every

ROWS = np.unique(Toy().indices(every(Toy())), axis=0)
LATENCY = Objective(Sum(WEIGHTS), space=Toy(), limit="9ms")
FLOPS = Objective(metric="flops", space=Toy())
BEST = FLOPS(ROWS)[LATENCY.violation(ROWS) <= 0].max()


@pytest.fixture
def goals() -> Goals:
    return Goals(Toy(), maximise={"flops": FLOPS}, limits=LATENCY)


@pytest.fixture
def both() -> Goals:
    return Goals(Toy(), minimise={"latency": LATENCY}, maximise={"flops": FLOPS})


def test_goals(goals, both):
    assert both.names == ("latency", "flops")
    np.testing.assert_array_equal(both.losses(ROWS)[:, 1], -FLOPS(ROWS))
    assert (goals.constraints, both.constraints) == (1, 0)
    _, std = both.moments(ROWS)
    assert (std[:, 0] > 0).all()
    assert (std[:, 1] == 0).all()
    devices = Objective.over({"a": Sum(WEIGHTS), "b": Sum(WEIGHTS)}, how="each", limits=1.0,
                             space=Toy())  # fmt: skip
    assert Goals(Toy(), minimise={"x": FLOPS}, limits=[devices, LATENCY]).constraints == 3


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({}, "nothing to optimise"),
        ({"minimise": {"a": FLOPS}, "maximise": {"a": FLOPS}}, "choose one"),
        ({"minimise": {"a": FLOPS}, "limits": FLOPS}, "no limit"),
    ],
)
def test_goals_that_cannot_be(options, says):
    with pytest.raises(OptionError, match=says):
        Goals(Toy(), **options)


def test_a_score_of_the_wrong_shape():
    with pytest.raises(OptionError, match="one number per architecture"):
        Goals(Toy(), minimise={"a": lambda rows: rows}).values(ROWS)


def test_optuna_single(goals):
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    sampler = optuna.samplers.TPESampler(seed=0, n_startup_trials=15)
    study = optuna.create_study(directions=optuna_.directions(goals), sampler=sampler)
    study.optimize(optuna_.optuna_objective(goals), n_trials=60)
    for trial in study.trials:
        row = goals.space.row(trial.params)[None]
        assert trial.values == FLOPS(row)
        assert optuna_.constraints_func(trial) == tuple(LATENCY.violation(row))
        assert list(trial.constraints.values()) == [LATENCY.violation(row)[0]]
    assert study.best_value == BEST
    assert LATENCY(optuna_.architecture(study.best_trial, Toy()))[0] <= 0.009


def test_optuna_with_constraints_func_of_samplers(goals):
    with pytest.warns(FutureWarning, match="constraints_func"):
        sampler = optuna.samplers.NSGAIISampler(
            seed=0, population_size=10, constraints_func=optuna_.constraints_func
        )
    study = optuna.create_study(direction="maximize", sampler=sampler)
    study.optimize(optuna_.optuna_objective(goals), n_trials=30)
    assert len(study.trials) == 30


def test_optuna_two_goals(both):
    sampler = optuna.samplers.RandomSampler(seed=0)
    study = optuna.create_study(directions=optuna_.directions(both), sampler=sampler)
    study.optimize(optuna_.optuna_objective(both), n_trials=20)
    assert {len(trial.values) for trial in study.best_trials} == {2}


def test_pymoo_single(goals):
    result = minimize(
        ArchitectureProblem(goals), GA(pop_size=20, **operators(goals)), ("n_gen", 12), seed=0
    )
    assert -result.F[0] == BEST
    assert result.G[0] <= 0


def test_pymoo_front(both):
    problem = ArchitectureProblem(both)
    result = minimize(problem, NSGA2(pop_size=40, **operators(both)), ("n_gen", 25), seed=1)
    rows = problem.rows(result.X)
    np.testing.assert_array_equal(Toy().indices(rows), rows)
    losses = both.losses(ROWS)
    truth = np.unique(losses[pareto_front(losses)], axis=0)
    np.testing.assert_allclose(np.unique(result.F, axis=0), truth)


def test_pymoo_with_operators_of_its_own(goals):
    result = minimize(ArchitectureProblem(goals), GA(pop_size=20), ("n_gen", 5), seed=0)
    assert result.F is None or -result.F[0] <= BEST


def test_botorch_posterior():
    model = CostModel(LATENCY)
    X = torch.tensor(Toy().encode(ROWS), dtype=torch.float64)
    posterior = model.posterior(X)
    assert posterior.mean.shape == (len(ROWS), 1)
    mean, std = LATENCY.moments(ROWS)
    np.testing.assert_allclose(posterior.mean[:, 0], -mean / 0.009, rtol=1e-6)
    np.testing.assert_allclose(posterior.variance[:, 0], (std / 0.009) ** 2, rtol=1e-6)
    batched = model.posterior(X[:6].reshape(3, 2, -1))
    assert batched.mean.shape == (3, 2, 1)
    assert batched.rsample(torch.Size([5])).shape == (5, 3, 2, 1)
    choices = CostModel(LATENCY, inputs="choices", unit=1.0)
    found = choices.posterior(torch.tensor(ROWS, dtype=torch.float64)).mean
    np.testing.assert_allclose(found[:, 0], -mean)
    high = CostFunction(Objective(Sum(WEIGHTS), statistic=0.9, limit="9ms", space=Toy()))
    assert (high.posterior(X).mean < posterior.mean).all()
    violated = cost_constraint(model)(posterior.mean) > 0
    np.testing.assert_array_equal(violated, LATENCY.violation(ROWS) > 0)
    with pytest.raises(OptionError, match="CostFunction"):
        CostModel(Objective(Sum(WEIGHTS), statistic=0.9))
    with pytest.raises(OptionError, match="unit"):
        CostModel(LATENCY, unit=-1.0)


@pytest.mark.parametrize("kind", [CostModel, CostFunction])
def test_botorch_acquisition_heeds_the_constraint(kind):
    score = CostFunction(FLOPS, inputs="choices", unit=1e5)
    cost = kind(LATENCY, inputs="choices")
    choices = torch.tensor(ROWS, dtype=torch.float64)
    torch.manual_seed(0)
    improvement = qLogExpectedImprovement(
        ModelList(score, cost),
        best_f=-1.0,
        objective=LinearMCObjective(torch.tensor([-1.0, 0.0], dtype=torch.float64)),
        constraints=[cost_constraint(cost, output=1)],
    )
    found, _ = optimize_acqf_discrete(improvement, q=1, choices=choices)
    row = found.numpy().astype(int)
    assert LATENCY.violation(row)[0] <= 0
    assert FLOPS(row)[0] >= 0.8 * BEST


def test_syne_tune_simulates(goals, tmp_path, monkeypatch):
    monkeypatch.setenv("SYNETUNE_FOLDER", str(tmp_path))
    box = ArchitectureBlackbox(goals, seconds=30)
    scheduler = RandomSearch(box.configuration_space, ["flops"], do_minimize=False, random_seed=0)
    tuner = Tuner(
        UserBlackboxBackend(box, elapsed_time_attr=ELAPSED),
        scheduler,
        StoppingCriterion(max_num_trials_finished=10),
        2,
        sleep_time=0,
        callbacks=[SimulatorCallback()],
        save_tuner=False,
    )
    tuner.run()
    trial = goals.space.row(tuner.best_config()[1])[None]
    assert FLOPS(trial)[0] > 0


# Syne Tune's table sets an index in place, which pandas will drop.
@pytest.mark.filterwarnings("ignore:The inplace keyword")
def test_syne_tune_blackboxes(goals, both):
    box = ArchitectureBlackbox(goals)
    config = {"depth": "long", "kernel": "5", "width.a": "64", "width.b": "32"}
    found = box(config, fidelity=1)
    row = goals.space.row(config)[None]
    assert found == {
        "flops": FLOPS(row)[0],
        "violation": LATENCY.violation(row)[0],
        ELAPSED: 1.0,
    }
    np.testing.assert_array_equal(box(config), [list(found.values())])
    table = box.tabular(np.concatenate([ROWS, ROWS]))
    assert table(config, fidelity=1, seed=0) == found
    for smooth in (add_surrogate(table), add_surrogate(box)):
        answer = smooth.objective_function(config, fidelity={"step": 1})
        assert np.isfinite(np.concatenate([np.ravel(value) for value in answer.values()])).all()
    assert ArchitectureBlackbox(both).objectives_names == ["latency", "flops", ELAPSED]
    frame, objectives = box.hyperparameter_objectives_values()
    assert len(frame) == len(objectives) == 1000
    with pytest.raises(OptionError, match="seconds"):
        ArchitectureBlackbox(goals, seconds=0)


def test_ax_search(goals):
    client = Client(random_seed=0)
    client.configure_experiment(ax.parameters(goals))
    client.configure_optimization(ax.objective(goals), ax.outcome_constraints(goals))
    client.configure_generation_strategy(method="random_search")
    for index, chosen in itertools.chain.from_iterable(
        client.get_next_trials(5).items() for _ in range(3)
    ):
        client.complete_trial(index, ax.evaluate(goals, chosen))
    chosen, *_ = client.get_best_parameterization(use_model_predictions=False)
    assert LATENCY.violation(ax.architecture(goals, chosen))[0] <= 0


def test_ax_words(goals, both):
    assert ax.objective(both) == "-latency, flops"
    assert ax.outcome_constraints(goals) == ["violation0 <= 0.0"]
    chosen = {"depth": "short", "kernel": "3", "width_a": "16", "width_b": "16"}
    (mean, error) = ax.evaluate(both, chosen)["latency"]
    assert mean == pytest.approx(0.003)
    assert error > 0
    assert ax.evaluate(goals, chosen)["violation0"] == (pytest.approx(-0.006), 0.0)
    with pytest.raises(OptionError, match="cannot name"):
        ax.objective(Goals(Toy(), minimise={"a+b": FLOPS}))


@pytest.mark.parametrize(
    ("library", "module", "extra"),
    [
        ("optuna.trial", "optuna", "optuna"),
        ("pymoo.core.problem", "pymoo", "pymoo"),
        ("botorch.models.model", "botorch", "botorch"),
        ("syne_tune.config_space", "syne_tune", "syne-tune"),
        ("ax.api.configs", "ax", "ax"),
        ("torch", "torch", "torch"),
    ],
)
def test_a_missing_library_says_what_to_install(library, module, extra, monkeypatch):
    monkeypatch.setitem(sys.modules, library, None)
    name = f"hwprof.search.adapters.{module}"
    monkeypatch.delitem(sys.modules, name, raising=False)
    with pytest.raises(OptionError, match=rf"pip install 'hwprof\[{extra}\]'"):
        __import__(name)
