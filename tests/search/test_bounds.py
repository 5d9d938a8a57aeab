"""Limits from below and above: in objectives, over devices, in filters, and in every library."""

from __future__ import annotations

import numpy as np
import optuna
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from pymoo.algorithms.soo.nonconvex.ga import GA
from pymoo.optimize import minimize

from hwprof import Objective, OptionError, spaces
from hwprof.metrics import LATENCY, METRICS
from hwprof.search import Bounds, Goals, RejectionFilter
from hwprof.search.adapters import ax
from hwprof.search.adapters import optuna as optuna_
from hwprof.search.adapters.botorch import CostFunction, CostModel, GoalFunction, cost_constraint
from hwprof.search.adapters.pymoo import ArchitectureProblem, operators
from hwprof.search.adapters.syne_tune import ArchitectureBlackbox
from hwprof.spaces.base import Costs
from tests.search.toys import WEIGHTS, Sum, Toy, every

ROWS = every(Toy())
SUM = Sum(WEIGHTS)
MEAN = Objective(SUM, space=Toy())(ROWS)


def between(**options):
    return Objective(SUM, space=Toy(), limit="9ms", at_least="5ms", **options)


def test_a_violation_is_the_worse_of_two_sides():
    low, high = Objective(SUM, space=Toy(), at_least="5ms"), between()
    np.testing.assert_allclose(low.violation(ROWS), 0.005 - MEAN, atol=1e-12)
    expected = np.maximum(0.005 - MEAN, MEAN - 0.009)
    np.testing.assert_allclose(high.violation(ROWS), expected, atol=1e-12)
    within = high.violation(ROWS) <= 0
    np.testing.assert_array_equal(within, (MEAN >= 0.005) & (MEAN <= 9 * 1e-3))
    assert 0 < within.sum() == high.check_reachable(ROWS) < len(ROWS)
    shares = high.violation(ROWS, relative=True)
    expected = np.maximum(1 - MEAN / 0.005, MEAN / 0.009 - 1)
    np.testing.assert_allclose(shares, expected, atol=1e-12)


def test_probabilities_are_of_both_sides():
    low, high = (Objective(SUM, space=Toy(), limit=s) for s in ("5ms", "9ms"))
    expected = high.probability(ROWS) - low.probability(ROWS)
    np.testing.assert_allclose(between().probability(ROWS), expected)
    np.testing.assert_allclose(
        Objective(SUM, space=Toy(), at_least="5ms").probability(ROWS), 1 - low.probability(ROWS)
    )
    flops = Objective(metric="flops", space=Toy(), limit="40k", at_least="20k")
    np.testing.assert_array_equal(flops.probability(ROWS) == 1, flops.violation(ROWS) <= 0)
    assert set(flops.probability(ROWS)) == {0.0, 1.0}


def test_a_quantile_errs_on_the_safe_side_of_either_limit():
    mean = Objective(SUM, space=Toy(), at_least="5ms")
    safe = Objective(SUM, space=Toy(), at_least="5ms", statistic=0.9)
    assert (safe.violation(ROWS) > mean.violation(ROWS)).all()
    np.testing.assert_array_equal(safe.violation(ROWS) <= 0, mean.feasible(ROWS, 0.9))
    assert not np.array_equal(safe.violation(ROWS) <= 0, mean.violation(ROWS) <= 0)


def test_what_cannot_be_met_names_the_best():
    with pytest.raises(OptionError, match=r"limit of at least 50ms: the best is 14ms \(.*lower"):
        Objective(SUM, space=Toy(), at_least="50ms").check_reachable(ROWS)
    with pytest.raises(OptionError, match=r"at least 5.1ms and at most 5.2ms: .*widen the limits"):
        Objective(SUM, space=Toy(), limit="5.2ms", at_least="5.1ms").check_reachable(ROWS)
    with pytest.raises(OptionError, match="cannot be at least 9ms and at most 5ms; exchange"):
        Objective(SUM, limit="5ms", at_least="9ms")
    with pytest.raises(OptionError, match=r"no limit; give one, .*at_least='15ms'"):
        Objective(SUM).violation([1])
    with pytest.raises(OptionError, match="must look like 15ms"):
        Objective(SUM, at_least="2mJ")


def test_the_same_objective_within_other_limits():
    first = Objective(SUM, space=Toy(), limit="9ms")
    other = first.within(at_least="5ms")
    assert first.limit == pytest.approx(9e-3)
    assert other.at_least == pytest.approx(5e-3)
    assert first.at_least is other.limit is None
    np.testing.assert_array_equal(first(ROWS), other(ROWS))
    with pytest.raises(OptionError, match="no limit"):
        other.need_limit()


@given(st.floats(1e-3, 1.0), st.floats(1e-3, 1.0), st.lists(st.floats(0, 2), min_size=1))
def test_violations_by_their_definition(one, two, costs):
    low, high = sorted((one, two))
    bounds, cost = Bounds.of(LATENCY, high, low), np.array(costs)
    inside = (cost >= low) & (cost <= high)
    np.testing.assert_array_equal(bounds.violation(cost) <= 0, inside)
    np.testing.assert_array_equal(bounds.violation(cost, relative=True) <= 0, inside)
    np.testing.assert_array_equal(bounds.holds(cost), inside)


def test_devices_with_limits_of_either_kind():
    devices = {"phone": SUM, "gpu": Sum(WEIGHTS[::-1], 2e-3)}
    both = Objective.over(
        devices, how="each", limits={"phone": "9ms"}, at_least={"gpu": "12ms"}, space=Toy()
    )
    assert both.bounded == ("phone", "gpu")
    cost = both(ROWS)
    np.testing.assert_allclose(
        both.violation(ROWS), np.stack([cost[:, 0] - 0.009, 0.012 - cost[:, 1]], axis=1), atol=1e-12
    )
    worst = Objective.over(devices, at_least="5ms", space=Toy())
    np.testing.assert_allclose(worst.violation(ROWS), (0.005 - cost).max(axis=1), atol=1e-12)
    relative = both.violation(ROWS, relative=True)
    np.testing.assert_allclose(relative * [0.009, 0.012], both.violation(ROWS), atol=1e-12)


def test_a_filter_keeps_what_lies_between():
    kept = RejectionFilter(between())(ROWS).feasible
    np.testing.assert_array_equal(kept, between().violation(ROWS) <= 0)
    given_here = RejectionFilter(Objective(SUM, space=Toy()), "9ms", at_least="5ms")
    np.testing.assert_array_equal(given_here(ROWS).feasible, kept)
    likely = RejectionFilter(between(), level=0.8)(ROWS).feasible
    np.testing.assert_array_equal(likely, between().feasible(ROWS, 0.8))
    devices = Objective.over(
        {"a": SUM, "b": Sum(WEIGHTS, 2e-3)}, how="each", limits={"b": "9ms"}, at_least={"a": "5ms"},
        space=Toy(),
    )  # fmt: skip
    np.testing.assert_array_equal(
        RejectionFilter(devices)(ROWS).feasible, (devices.violation(ROWS) <= 0).all(axis=1)
    )
    with pytest.raises(OptionError, match="limits of their own"):
        RejectionFilter(devices, "9ms")
    with pytest.raises(OptionError, match="the batch is empty"):
        RejectionFilter(devices)([])


def test_compute_intensity_is_told_by_every_space():
    metric = METRICS["compute_intensity"]
    assert (metric.of_space, metric.show(100.0)) == (True, "100FLOPs/B")
    assert Costs(800, 25, 50).compute_intensity == 800 / (2 * 50 + 4 * 25)
    with pytest.raises(OptionError, match="moves no bytes"):
        _ = Costs(1, 0, 0).compute_intensity
    for name in spaces.names():
        space = spaces.get(name)
        rows = space.sample(3, np.random.default_rng(0))
        objective = Objective(metric="compute_intensity", space=name, at_least="3")
        costs = [space.costs(row) for row in rows]
        expected = [c.flops / (2 * c.activation_bytes + 4 * c.parameters) for c in costs]
        np.testing.assert_allclose(objective(rows), expected)
        np.testing.assert_allclose(space.compute_intensity(rows), expected)
        np.testing.assert_allclose(objective.violation(rows), 3 - np.array(expected))
    # A space that tells the three totals alone tells this too.
    toy = Objective(metric="compute_intensity", space=Toy())(ROWS[:1])
    assert toy[0] == pytest.approx(1000 / (2 * 4 + 4 * 10))


# What each library is told, on the same goals: the most FLOPs at 5 to 9 ms.
FLOPS = Objective(metric="flops", space=Toy())
LATER = Objective(SUM, space=Toy(), at_least="10ms")
GOALS = Goals(Toy(), minimise={"flops": FLOPS}, limits=LATER)
BEST = FLOPS(ROWS)[MEAN >= 0.01].min()


def test_optuna_heeds_a_lower_limit():
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    sampler = optuna.samplers.TPESampler(seed=0, n_startup_trials=15)
    study = optuna.create_study(directions=optuna_.directions(GOALS), sampler=sampler)
    study.optimize(optuna_.optuna_objective(GOALS), n_trials=80)
    assert study.best_value == BEST
    assert study.best_trial.constraints["latency"] <= 0


def test_pymoo_heeds_a_lower_limit():
    algorithm = GA(pop_size=20, **operators(GOALS))
    result = minimize(ArchitectureProblem(GOALS), algorithm, ("n_gen", 12), seed=0)
    assert result.F[0] == BEST


def test_ax_and_syne_tune_are_told_of_a_lower_limit():
    chosen = {"depth": "short", "kernel": "3", "width_a": "16", "width_b": "16"}
    assert ax.evaluate(GOALS, chosen)["violation0"] == (pytest.approx(0.007), 0.0)
    found = ArchitectureBlackbox(GOALS).evaluate(ROWS)
    np.testing.assert_allclose(found[:, 1], LATER.violation(ROWS))


def test_botorch_heeds_limits_from_below():
    features = torch.tensor(Toy().encode(ROWS), dtype=torch.float64)
    for objective in (LATER, between()):
        model = CostModel(objective)
        outside = cost_constraint(model)(model.posterior(features).mean)
        np.testing.assert_allclose(outside * model.unit, objective.violation(ROWS), atol=1e-9)
    model = CostModel(Objective(SUM, space=Toy()))
    outside = cost_constraint(model, at_least=0.005)(model.posterior(features).mean)
    np.testing.assert_allclose(outside, 0.005 - MEAN, atol=1e-9)
    with pytest.raises(OptionError, match=r"held against the quantile 0.1"):
        cost_constraint(CostFunction(between(statistic=0.9)))
    goals = Goals(Toy(), maximise={"flops": FLOPS}, limits=[LATER, between()], relative=True)
    function = GoalFunction(goals)
    choices = torch.tensor(ROWS, dtype=torch.float64)
    samples = function.posterior(choices).mean
    assert samples.shape == (len(ROWS), 3)
    told = np.stack([one(samples) for one in function.constraints()], axis=1)
    np.testing.assert_allclose(told, goals.violations(ROWS))
    np.testing.assert_array_equal(samples[:, 0], FLOPS(ROWS))
