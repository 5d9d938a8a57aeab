"""Tables, linear programmes, the differentiable expected cost, rejection."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import Bounds, LinearConstraint, linprog, milp

from hwprof import Objective, OptionError
from hwprof.predictors import pools
from hwprof.search import (
    AdditiveTable,
    RejectionFilter,
    additive_table,
    hard_constrained,
)
from hwprof.search.adapters.torch import ExpectedCost
from tests.search.toys import WEIGHTS, Plain, Position, Sum, Toy, every

ROWS = every(Plain())
POSITIONS, CHOICES = 5, 4
RAGGED = [[0.0, 1, 2], [5.0, 3], [1.0, 4, 0, 2]]


class Small(Plain):
    """Five positions of four choices each."""

    positions = tuple(Position(f"p{i}", tuple(map(str, range(CHOICES)))) for i in range(POSITIONS))


@pytest.fixture(scope="module")
def pixel(blocks):
    pool = pools.load("fbnet")
    chosen = blocks.select(10)
    return blocks.adapt(chosen, pool.latency_s[chosen, pool.devices.index("pixel2")])


def test_fbnet_gives_its_table_exactly(pixel):
    table = additive_table(pixel, "fbnet")
    assert table.table.shape == (22, 9)
    rows = np.random.default_rng(0).integers(0, 9, (200, 22))
    predicted = Objective(pixel, space="fbnet")(rows)
    np.testing.assert_allclose(table(rows), predicted, rtol=1e-9)
    certain = torch.full((22, 9), -1e3, dtype=torch.float64)
    certain[np.arange(22), rows[0]] = 0
    expected = ExpectedCost.of(pixel, "fbnet", dtype=torch.float64)(certain)
    assert float(expected) == pytest.approx(predicted[0])


def test_any_sum_gives_its_table():
    table = additive_table(Sum(WEIGHTS), Plain())
    np.testing.assert_allclose(table(ROWS), Plain().encode(ROWS) @ WEIGHTS + 1e-3, rtol=1e-6)
    assert len(table.flat) == len(WEIGHTS)


def test_what_is_no_sum(raspi, pixel):
    with pytest.raises(OptionError, match="no sum over positions"):
        additive_table(Sum(WEIGHTS, power=2.0), Plain())
    with pytest.raises(OptionError, match="no sum over positions"):
        additive_table(raspi, "nasbench201")
    with pytest.raises(OptionError, match="fitted on 198 features"):
        additive_table(pixel, Plain())
    with pytest.raises(OptionError, match="no sum over positions"):
        additive_table(Sum(WEIGHTS * [1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 9]), Toy())
    for wrong in ([], [[1.0], []], [["a"]], [[np.inf]], 3.0):
        with pytest.raises(OptionError, match="table must hold"):
            AdditiveTable.of(wrong)


def test_the_closest_sum_and_its_error(raspi):
    near = additive_table(raspi, "nasbench201", approximate=True)
    rows = np.random.default_rng(5).integers(0, 5, (3000, 6))
    objective = Objective(raspi, space="nasbench201")
    predicted = objective(rows)
    told = np.abs(near(rows) / predicted - 1).mean()
    assert near.error == pytest.approx(told, rel=0.35)
    assert 0.001 < near.error < 0.5
    low, high = np.quantile(predicted, [0.3, 0.7])
    within = additive_table(raspi, "nasbench201", approximate=True, between=(low, f"{high}s"))
    inside = (predicted >= low) & (predicted <= high)
    off = [np.abs(t(rows[inside]) / predicted[inside] - 1).mean() for t in (near, within)]
    assert off[1] < off[0]
    assert within.error == pytest.approx(off[1], rel=0.35)
    # The refusal names what there is, with the error that it has.
    refused = f"approximate=True gives the closest sum, {100 * near.error:.2g} % off"
    with pytest.raises(OptionError, match=refused):
        additive_table(raspi, "nasbench201")


def test_a_sum_is_its_own_closest_sum():
    near = additive_table(Sum(WEIGHTS), Plain(), approximate=True)
    exact = additive_table(Sum(WEIGHTS), Plain())
    np.testing.assert_allclose(near(ROWS), exact(ROWS), rtol=1e-5)
    assert near.error < 1e-5
    assert exact.error is None


def test_closest_sums_that_cannot_be(raspi):
    with pytest.raises(OptionError, match="between goes with approximate=True"):
        additive_table(raspi, "nasbench201", between=(1e-3, 2e-3))
    with pytest.raises(OptionError, match=r"only 0 of 6,000 architectures.*widen the limits"):
        additive_table(raspi, "nasbench201", approximate=True, between=("1us", "2us"))
    with pytest.raises(OptionError, match="limit"):
        additive_table(raspi, "nasbench201", approximate=True, between=("1us", "soon"))


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**31), st.floats(0.2, 5), st.booleans())
def test_gradients_equal_finite_differences(seed, tau, ragged):
    rng = np.random.default_rng(seed)
    table = RAGGED if ragged else rng.random((4, 5))
    cost = ExpectedCost(table, 0.5, unit=1e-1, dtype=torch.float64)
    alpha = torch.tensor(rng.standard_normal(cost.table.shape), requires_grad=True)
    assert torch.autograd.gradcheck(lambda a: cost(a, tau), (alpha,))
    batch = torch.stack([alpha, 2 * alpha])
    np.testing.assert_allclose(cost(batch, tau)[0].item(), cost(alpha, tau).item())


def test_expected_cost_is_the_mean_over_samples():
    cost = ExpectedCost(RAGGED, 1.0, dtype=torch.float64)
    alpha = torch.tensor(np.random.default_rng(1).standard_normal((3, 4)))
    shares = [torch.softmax(alpha[i, : len(row)], 0).numpy() for i, row in enumerate(RAGGED)]
    every_cost = sum(
        np.prod([shares[i][c] for i, c in enumerate(choice)])
        * (1 + sum(RAGGED[i][c] for i, c in enumerate(choice)))
        for choice in itertools.product(*(range(len(row)) for row in RAGGED))
    )
    assert float(cost(alpha)) == pytest.approx(every_cost)
    assert "table" in cost.state_dict()
    assert not list(cost.parameters())
    with pytest.raises(OptionError, match="unit"):
        ExpectedCost(RAGGED, unit=0)


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 2**31))
def test_the_best_under_a_limit_by_milp(seed):
    rng = np.random.default_rng(seed)
    costs, gains = rng.random((4, 3)), rng.random((4, 3))
    linear = hard_constrained(AdditiveTable.of(costs, 0.25))
    rows = np.array(list(itertools.product(range(3), repeat=4)))
    cost = costs[np.arange(4), rows].sum(axis=1) + 0.25
    gain = gains[np.arange(4), rows].sum(axis=1)
    limit = float(np.quantile(cost, 0.3))
    upper, bound = linear.bound(limit + 1e-9)
    rules = [LinearConstraint(linear.A_eq, linear.b_eq, linear.b_eq)]
    rules.append(LinearConstraint(upper, -np.inf, bound))
    found = milp(-gains.ravel(), constraints=rules, bounds=Bounds(0, 1), integrality=np.ones(12))
    best = gain[cost <= limit + 1e-9].max()
    assert -found.fun == pytest.approx(best)
    row = linear.rows(found.x)
    assert gains[np.arange(4), row[0]].sum() == pytest.approx(best)
    relaxed = linprog(
        -gains.ravel(), A_ub=upper, b_ub=bound, A_eq=linear.A_eq, b_eq=linear.b_eq, bounds=(0, 1)
    )
    assert -relaxed.fun >= best - 1e-9


def test_depth_is_bilinear():
    rng = np.random.default_rng(3)
    costs, gains = rng.random((5, 3)), rng.random((5, 3))
    cost = hard_constrained(costs, stages=(3, 2), least=(1, 2))
    assert cost.depths == ((1, 2, 3), (2,))
    present = {depth: [i < depth for i in range(3)] + [True, True] for depth in (1, 2, 3)}

    def total(table, row, depth):
        return sum(table[i, c] for i, c in enumerate(row) if present[depth][i])

    rows = list(itertools.product(range(3), repeat=5))
    limit = 1.4
    best = max(
        total(gains, row, depth)
        for depth in present
        for row in rows
        if total(costs, row, depth) <= limit
    )
    gain, found = hard_constrained(gains, stages=(3, 2), least=(1, 2)), []
    linear = cost.choices
    for depth in present:
        d = np.array([*(float(depth == n) for n in (1, 2, 3)), 1.0])
        np.testing.assert_array_equal(cost.depth_eq @ d, [1, 1])
        x = np.eye(3)[list(rows[77])].ravel()
        assert cost(x, d) == pytest.approx(total(costs, rows[77], depth))
        assert cost.given_choices(x) @ d == pytest.approx(cost(x, d))
        rules = [LinearConstraint(linear.A_eq, 1, 1)]
        rules.append(LinearConstraint(cost.given_depths(d)[None], -np.inf, limit))
        solved = milp(-gain.given_depths(d), constraints=rules, bounds=Bounds(0, 1),
                      integrality=np.ones(15))  # fmt: skip
        found.append(-solved.fun if solved.success else -np.inf)
    assert max(found) == pytest.approx(best)
    with pytest.raises(OptionError, match="sum to the 5 positions"):
        hard_constrained(costs, stages=(3, 3))
    with pytest.raises(OptionError, match="least"):
        hard_constrained(costs, stages=(3, 2), least=(4, 1))


def _log_p(logits: torch.Tensor, rows: np.ndarray) -> torch.Tensor:
    log = torch.log_softmax(logits, -1)
    return sum(log[i, rows[:, i]] for i in range(rows.shape[1]))


def test_rejection_has_the_gradient_of_the_conditional_reward():
    space, rows = Small(), every(Small())
    filter_ = RejectionFilter(Objective(Sum(np.arange(20.0)), space=space), "47s")
    rng = np.random.default_rng(0)
    logits = torch.tensor(rng.standard_normal((POSITIONS, CHOICES)), requires_grad=True)
    reward = torch.tensor(rng.random(len(rows)))
    # All architectures, drawn uniformly: the estimates become sums over the whole space.
    log_p = _log_p(logits, rows)
    uniform = np.full(len(rows), -np.log(len(rows)))
    judged = filter_(rows, log_p.detach().numpy(), uniform)
    feasible = torch.tensor(judged.feasible)
    exact = log_p.exp()[feasible].sum()
    assert judged.probability == pytest.approx(exact.item())
    kept = log_p.detach().numpy()[judged.kept] - np.log(exact.item())
    np.testing.assert_allclose(judged.conditional(log_p.detach().numpy()), kept)
    # The surrogate: mean over kept samples of reward * (log p - log P).
    mean = (reward[feasible] * (log_p[feasible] - exact.log())).mean()
    (expected,) = torch.autograd.grad(mean, logits, retain_graph=True)
    weights = torch.tensor(judged.coefficients(reward.numpy()))
    (found,) = torch.autograd.grad((weights * log_p).sum(), logits)
    np.testing.assert_allclose(found, expected, atol=1e-12)


def test_acceptance_of_a_plain_batch(toy):
    objective = Objective(toy, space=Plain(), limit="8ms")
    sampled = ROWS[np.random.default_rng(0).integers(0, len(ROWS), 2000)]
    judged = RejectionFilter(objective)(sampled)
    truth = (objective(ROWS) <= 0.008).mean()
    assert abs(judged.probability - truth) < 5 * judged.std_error
    assert (objective(sampled[judged.kept]) <= 0.008).all()
    sure = RejectionFilter(objective, level=0.95)(sampled)
    assert set(sure.kept) <= set(judged.kept)
    none = RejectionFilter(objective, "1us")(sampled)
    assert none.probability == 0 < none.std_error
    assert not none.coefficients(np.ones(2000)).any()
    assert none.conditional(np.zeros(2000)).shape == (0,)


def test_rejections_that_cannot_be(toy):
    objective = Objective(toy, space=Plain(), limit="8ms")
    with pytest.raises(OptionError, match="no limit"):
        RejectionFilter(Objective(toy))
    with pytest.raises(OptionError, match="give the limit to the Objective"):
        RejectionFilter(objective, "9ms", level=0.9)
    with pytest.raises(OptionError, match="go together"):
        RejectionFilter(objective)(ROWS, log_p=np.zeros(len(ROWS)))
    with pytest.raises(OptionError, match="one per sample"):
        RejectionFilter(objective)(ROWS, np.zeros(2), np.zeros(2))
    with pytest.raises(OptionError, match="empty"):
        RejectionFilter(objective)([])
