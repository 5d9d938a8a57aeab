"""Predicted costs of distributions over architectures, and the gradients through them."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from hwprof import OptionError, spaces
from hwprof.predictors.fewshot import FewShotPredictor
from hwprof.predictors.pool import DevicePool
from hwprof.search import additive_table
from hwprof.search.adapters.torch import ExpectedCost, PredictedCost
from hwprof.search.architectures import Architectures
from hwprof.search.relaxed import Usage, relax
from tests.search.toys import WEIGHTS, Plain, Sum, Toy, every

SPACES = ("nasbench201", "mobilenetv3", "transformer")


def _devices(name, *, decades=False):
    """Two devices that a small synthetic pool of idealised machines knows nothing of."""
    space, rng = spaces.get(name), np.random.default_rng(0)
    rows = np.unique(space.sample(120, rng), axis=0)
    counted = space.analytic(rows)
    shares = rng.dirichlet(np.ones(counted.shape[1]), 6)
    cost = 1e-2 * ((counted / counted.mean(axis=0)) @ shares.T) ** (6 if decades else 1.1)
    cost *= np.exp(0.02 * rng.standard_normal(cost.shape))
    pool = DevicePool(space.encode(rows).astype(float), cost[:, :5], tuple("abcde"))
    predictor = FewShotPredictor.fit(pool, similarity=space.similarity())
    return [predictor.adapt(np.arange(k, k + 12), cost[k : k + 12, 5]) for k in (0, 12)]


@pytest.fixture(scope="module", params=SPACES)
def relaxed(request):
    """A space, two devices and their costs."""
    adapted = _devices(request.param)
    return spaces.get(request.param), adapted, PredictedCost(adapted, request.param)


def _one_hot(space, rows):
    weights = np.zeros((*rows.shape, int(space.sizes.max())))
    np.put_along_axis(weights, rows[..., None], 1.0, axis=-1)
    return torch.tensor(weights)


def _predicted(adapted, space, rows):
    features = space.encode(space.canonical(rows)).astype(float)
    return np.array([one.predict(features).mean for one in adapted])


def test_certain_choices_cost_what_is_predicted(relaxed):
    space, adapted, cost = relaxed
    # Choices at positions that are not used make no difference, as in the prediction.
    rows = np.random.default_rng(1).integers(0, space.sizes, (60, len(space.sizes)))
    found = cost.of_weights(_one_hot(space, rows)).numpy()
    assert found.shape == (2, 60)
    np.testing.assert_allclose(found, _predicted(adapted, space, rows), rtol=1e-5)


@settings(max_examples=5, deadline=None)
@given(st.integers(0, 2**31))
def test_is_the_mean_over_architectures(relaxed, seed):
    space, adapted, cost = relaxed
    rng = np.random.default_rng(seed)
    rows = rng.integers(0, space.sizes, (1, len(space.sizes)))
    weights = _one_hot(space, rows)[0].numpy()
    # Five positions hesitate between two choices each, 32 architectures in all; a depth among them.
    places = rng.permutation(len(space.sizes))[:5]
    owners = Usage.of(Architectures.of(space)).owner
    if (owners >= 0).any() and not np.isin(owners[owners >= 0], places).any():
        places[0] = owners[owners >= 0][0]
    other = (rows[0] + 1) % space.sizes
    share = rng.random(len(space.sizes))
    for place in places:
        weights[place, rows[0, place]] = share[place]
        weights[place, other[place]] = 1 - share[place]
    total = np.zeros(2)
    for moved in itertools.product((False, True), repeat=5):
        row = rows.copy()
        row[0, places] = np.where(moved, other[places], rows[0, places])
        chance = np.prod(np.where(moved, 1 - share[places], share[places]))
        total += chance * _predicted(adapted, space, row)[:, 0]
    np.testing.assert_allclose(cost.of_weights(torch.tensor(weights)), total, rtol=1e-5)


@settings(max_examples=5, deadline=None)
@given(st.integers(0, 2**31))
def test_gradients_equal_finite_differences(relaxed, seed):
    space, _, cost = relaxed
    shape = (len(space.sizes), int(space.sizes.max()))
    rng = np.random.default_rng(seed)
    alpha = torch.tensor(rng.standard_normal(shape), requires_grad=True)
    toward = torch.tensor(rng.standard_normal(shape))
    slope = torch.autograd.grad(cost(alpha, 0.7)[1] * 1e3, alpha)[0]
    step = 1e-5
    with torch.no_grad():
        up, down = (cost(alpha + sign * step * toward, 0.7)[1] * 1e3 for sign in (1, -1))
    assert float((slope * toward).sum()) == pytest.approx(
        float(up - down) / (2 * step), rel=1e-5, abs=1e-7
    )


def test_batches_units_precision_and_padding(relaxed):
    space, adapted, cost = relaxed
    shape = (len(space.sizes), int(space.sizes.max()))
    alpha = torch.tensor(np.random.default_rng(2).standard_normal((3, 2, *shape)))
    every_one = cost(alpha)
    assert every_one.shape == (2, 3, 2)
    torch.testing.assert_close(every_one[:, 1, 0], cost(alpha[1, 0]))
    alone = PredictedCost(adapted[1], space.name, unit=1e-3)
    torch.testing.assert_close(alone(alpha) * 1e-3, every_one[1])
    single = cost(alpha.float())
    assert single.dtype == torch.float32
    torch.testing.assert_close(single.double(), every_one, rtol=1e-5, atol=0)
    padded = alpha.clone()
    padded[..., torch.arange(shape[1]) >= torch.tensor(space.sizes)[:, None]] = 50.0
    torch.testing.assert_close(cost(padded), every_one)
    units = PredictedCost(dict(zip("xy", adapted, strict=True)), space, unit=[1.0, 1e-3])
    assert units.names == ("x", "y")
    torch.testing.assert_close(units(alpha)[1], alone(alpha))


def test_devices_share_functions_whatever_they_measured():
    space = spaces.get("mobilenetv3")
    first, _ = _devices("mobilenetv3")
    features = space.encode(space.sample(3, np.random.default_rng(9))).astype(float)
    other = first.update(features, [0.01, 0.011, 0.012])
    assert other.fitted is not first.fitted
    both, alone = relax([first, other], space), relax([first], space)
    assert len(both.products) == len(alone.products)
    rows = space.sample(20, np.random.default_rng(3))
    found = PredictedCost([first, other], space).of_weights(_one_hot(space, rows))
    np.testing.assert_allclose(found, _predicted([first, other], space, rows), rtol=1e-5)


def test_straight_through(relaxed):
    space, adapted, cost = relaxed
    shape = (len(space.sizes), int(space.sizes.max()))
    alpha = torch.tensor(np.random.default_rng(3).standard_normal(shape), requires_grad=True)
    hard, soft = cost(alpha, hard=True), cost(alpha)
    predicted = _predicted(adapted, space, cost.likeliest(alpha))[:, 0]
    np.testing.assert_allclose(hard.detach(), predicted, rtol=1e-5)
    assert not torch.allclose(hard, soft, rtol=1e-4)
    for each in zip(*(torch.autograd.grad(c.sum(), alpha) for c in (hard, soft)), strict=True):
        torch.testing.assert_close(*each)


def test_guidance_makes_limits_likelier(relaxed):
    space, adapted, cost = relaxed
    shape = (len(space.sizes), int(space.sizes.max()))
    alpha = torch.tensor(np.random.default_rng(4).standard_normal(shape))
    weights = torch.softmax(alpha + cost.expectation.padding, -1)
    limit = float(cost.of_weights(weights).max()) * 0.9
    before = cost.log_probability(weights, limit)
    assert before.shape == (2,)
    assert (before < 0).all()
    ascent = cost.guidance(weights, limit)
    assert ascent.shape == shape
    # Along the simplex, so that the step leads to a distribution.
    inside = cost.expectation.present.bool()
    mean = (ascent * inside).sum(-1, keepdim=True) / inside.sum(-1, keepdim=True)
    step = torch.where(inside, ascent - mean, 0.0)
    moved = weights + 1e-3 * weights[inside].min() * step / step.abs().max()
    assert cost.log_probability(moved, limit).sum() > before.sum()
    # The deviation is the predictor's own for the likeliest architecture, and does not move.
    row = cost.likeliest(weights)
    given = weights.clone().requires_grad_()
    means = cost.of_weights(given)
    std = np.array([one.predict(space.encode(row).astype(float)).std[0] for one in adapted])
    normal = torch.distributions.Normal(means, torch.tensor(std))
    by_hand = torch.autograd.grad(normal.cdf(torch.tensor(limit)).log().sum(), given)[0]
    torch.testing.assert_close(ascent, by_hand, rtol=1e-6, atol=1e-9)
    two = cost.log_probability(weights, [f"{limit * 1e3}ms", 10 * limit])
    torch.testing.assert_close(two[0], before[0])
    assert two[1] > before[1]


def test_shipped_fbnet_is_its_table(blocks):
    adapted = blocks.adapt([0, 1, 2, 3], [0.01, 0.011, 0.012, 0.013])
    alpha = torch.tensor(np.random.default_rng(0).standard_normal((2, 22, 9)))
    by_table = ExpectedCost.of(adapted, "fbnet", dtype=torch.float64)
    torch.testing.assert_close(PredictedCost(adapted, "fbnet")(alpha), by_table(alpha))


def test_any_predictor_in_a_small_space():
    adapted, rows = Sum(WEIGHTS, power=2.0), every(Toy())
    cost = PredictedCost(adapted, Toy())
    alpha = torch.tensor(np.random.default_rng(0).standard_normal((4, 4)), requires_grad=True)
    shares = [torch.softmax(alpha[i, :n], 0).detach().numpy() for i, n in enumerate((2, 3, 4, 2))]
    chance = np.prod([share[rows[:, i]] for i, share in enumerate(shares)], axis=0)
    expected = chance @ adapted.predict(Toy().encode(rows)).mean_s
    assert cost(alpha).item() == pytest.approx(expected)
    assert torch.autograd.gradcheck(lambda a: cost(a, 0.5) * 1e3, (alpha,))


def test_a_sum_in_a_large_space(monkeypatch):
    monkeypatch.setattr("hwprof.search.relaxed.making.SMALL", 10)
    cost = PredictedCost([Sum(WEIGHTS)], Plain())
    rows = every(Plain())
    table = additive_table(Sum(WEIGHTS), Plain())
    found = cost.of_weights(_one_hot(Architectures.of(Plain()), rows))
    np.testing.assert_allclose(found[0], table(rows))
    with pytest.raises(OptionError, match=r"need the few-shot predictor.*no sum over positions"):
        PredictedCost(Sum(WEIGHTS, power=2.0), Plain())


def test_what_has_no_gradients(raspi, cells):
    with pytest.raises(OptionError, match="spans decades"):
        PredictedCost(_devices("gpt", decades=True), "gpt")
    with pytest.raises(OptionError, match="fitted on 30 features"):
        relax([raspi], "fbnet")
    with pytest.raises(OptionError, match="must be predictors of devices, but has a str"):
        PredictedCost(["raspi4"], "nasbench201")
    with pytest.raises(OptionError, match="adapted is empty"):
        PredictedCost([], "nasbench201")
    with pytest.raises(OptionError, match="unit must be positive"):
        PredictedCost(Sum(WEIGHTS), Plain(), unit=0)
    cost = PredictedCost(Sum(WEIGHTS), Plain())
    with pytest.raises(OptionError, match=r"alpha must end in \[4, 4\]"):
        cost(torch.zeros(4, 3))
    with pytest.raises(OptionError, match="2 limits for 1 predictors"):
        cost.log_probability(torch.ones(4, 4), ["1ms", "2ms"])
    with pytest.raises(OptionError, match="limit"):
        cost.log_probability(torch.ones(4, 4), "fast")


def test_usage_that_several_positions_decide():
    class Tangled(Toy):
        def indices(self, archs):
            rows = np.array(archs, dtype=np.int64)
            last = np.where((rows[:, 0] == 0) | (rows[:, 1] == 2), 0, rows[:, 3])
            return np.column_stack([rows[:, :3], last])

    with pytest.raises(OptionError, match="used or not by what several others choose"):
        Usage.of(Architectures.of(Tangled()))
    usage = Usage.of(Architectures.of(Toy()))
    assert usage.owner.tolist() == [-1, -1, -1, 0]
    assert usage.used[3, :2].tolist() == [False, True]
