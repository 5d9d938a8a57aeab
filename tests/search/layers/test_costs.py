"""Costs of layers from kernels measured once: sums, what was measured, coefficients."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.optimize import Bounds, LinearConstraint, milp

from hwprof import OptionError, spaces
from hwprof.search.additive import linear_cost
from hwprof.search.layers import covering, layer_costs
from hwprof.search.layers.kernels import parts_of
from tests.profiler.results import result
from tests.search.layers.conftest import measured, truth

SPACES = ("fbnet", "nasbench201", "mobilenetv3", "transformer", "gpt", "resnet50")


@pytest.mark.parametrize("name", SPACES)
def test_kernels_are_led_to_their_layers(name):
    space, known = spaces.get(name), truth(name)
    row = space.sample(1, np.random.default_rng(3))[0]
    took = parts_of(measured(known, row, 0), space)
    expected = [
        values[tuple(row[list(part.positions)])]
        for part, values in zip(space.part_works, known.values, strict=True)
    ]
    np.testing.assert_allclose(took, expected, rtol=1e-9, atol=1e-15)


@pytest.mark.parametrize("name", SPACES)
def test_sums_are_the_latencies(name, filled):
    known, path, rows = filled(name, 60)
    costs = layer_costs([path], name)
    space = spaces.get(name)
    fresh = space.sample(200, np.random.default_rng(7))
    off = np.abs(costs(fresh) / known.latency_s(fresh) - 1).mean()
    # A hundred factors of choices are told from sixty architectures: not to the last digit.
    assert off < 0.07
    assert costs.profiled == costs.agreement.architectures == len(rows)
    assert costs.agreement.mape == pytest.approx(off, abs=0.03)
    assert costs.agreement.correlation > 0.9
    # A call is the sum of the parts, whatever the architectures are written as.
    total = costs.constant + sum(part.of(fresh) for part in costs.parts)
    np.testing.assert_allclose(costs(fresh), total)
    np.testing.assert_array_equal(costs(space.texts(fresh)), costs(fresh))
    assert np.all((costs.covered(fresh) >= 0) & (costs.covered(fresh) <= 1 + 1e-12))
    np.testing.assert_allclose(costs.covered(rows), 1.0)


def test_a_faster_machine_at_times_is_no_cost_of_a_layer(filled):
    known, path, _ = filled("mobilenetv3", 80, speeds=True)
    costs = layer_costs([path], "mobilenetv3")
    fresh = spaces.get("mobilenetv3").sample(200, np.random.default_rng(7))
    # Speeds vary by 10 %, and average out: a part of that is left.
    off = np.abs(costs(fresh) / known.latency_s(fresh) - 1).mean()
    assert off < 0.05 < costs.agreement.mape


def test_what_was_not_measured_is_named(write):
    known, space = truth("fbnet"), spaces.get("fbnet")
    rows = space.sample(60, np.random.default_rng(0))
    # Nobody chose k5_e6 in the first layer.
    rows[rows[:, 0] == space.operations.index("k5_e6"), 0] = 0
    path = write([measured(known, row, i) for i, row in enumerate(rows)])
    costs = layer_costs([path], "fbnet")
    assert costs.unmeasured == (("stage1.layer1", "k5_e6"),)
    row = rows[:1].copy()
    row[0, 0] = space.operations.index("k5_e6")
    part = next(part for part in costs.parts if part.positions == (0,))
    share = part.of(row)[0] / costs(row)[0]
    assert 0 < share < 1
    assert costs.covered(row)[0] == pytest.approx(1 - share)
    # It is estimated all the same, from its work and the layer's other choices.
    assert costs(row)[0] == pytest.approx(known.latency_s(row)[0], rel=0.05)


@pytest.mark.parametrize("name", ["fbnet", "nasbench201"])
def test_linear_is_the_sum(name, filled):
    _, path, _ = filled(name)
    costs = layer_costs([path], name)
    linear = costs.linear()
    rows = spaces.get(name).sample(50, np.random.default_rng(2))
    np.testing.assert_allclose(linear.table(rows), costs(rows))
    np.testing.assert_array_equal(linear.architectures(rows), rows)


def test_linear_of_layers_that_share_a_choice(filled):
    _, path, _ = filled("mobilenetv3", 60)
    costs = layer_costs([path], "mobilenetv3")
    with pytest.raises(OptionError, match=r"several layers share resolution, stage1\.depth"):
        costs.linear()
    with pytest.raises(OptionError, match="no position 'size' to fix"):
        costs.linear({"size": "3"})
    with pytest.raises(OptionError, match="no choice '225' at resolution"):
        costs.linear({"resolution": "225"})
    fixed = {"resolution": "192", **{f"stage{i}.depth": "3" for i in range(1, 6)}}
    linear = costs.linear(fixed)
    assert len(linear.table.sizes) == 20
    choices = np.random.default_rng(2).integers(0, linear.table.sizes, (50, 20))
    rows = linear.architectures(choices)
    texts = spaces.get("mobilenetv3").texts(rows)
    assert all("r=192" in text and "d5=3" in text for text in texts)
    np.testing.assert_allclose(linear.table(choices), costs(texts))


@pytest.mark.parametrize(
    ("name", "fixed", "layers"),
    [
        ("mobilenetv3", {"resolution": "160"}, 20),
        ("gpt", {"embed": "384", "bias": "on"}, 12),
        ("transformer", {"encoder.embed": "640", "decoder.embed": "512"}, 12),
    ],
)
def test_bilinear_is_the_sum(name, fixed, layers, filled):
    _, path, _ = filled(name, 60)
    costs = layer_costs([path], name)
    choices, cost = costs.bilinear(fixed)
    space, rng = spaces.get(name), np.random.default_rng(4)
    places = [position.name for position in space.positions]
    sizes = choices.table.sizes
    assert len(sizes) == layers
    ends = np.cumsum([len(options) for options in cost.depths])
    for _ in range(5):
        picked = rng.integers(0, sizes)
        x = np.zeros(int(sizes.sum()))
        x[np.cumsum([0, *sizes[:-1]]) + picked] = 1
        kept = [int(rng.integers(len(options))) for options in cost.depths]
        depths = np.zeros(int(ends[-1]))
        depths[np.array([0, *ends[:-1]]) + kept] = 1
        row = choices.architectures(picked[None])[0]
        depth_places = [
            i for i, n in enumerate(places) if n.endswith(("depth", "layers")) and "cross" not in n
        ]
        for place, which in zip(depth_places, kept, strict=False):
            row[place] = which
        found = costs(space.texts(space.indices(row[None])))[0]
        assert cost(x, depths) == pytest.approx(found)
    with pytest.raises(OptionError, match="fix a choice there"):
        costs.bilinear({})


def test_the_best_under_a_limit_is_found_by_a_programme(filled):
    known, path, _ = filled("fbnet", 60)
    costs = layer_costs([path], "fbnet")
    rows = spaces.get("fbnet").sample(300, np.random.default_rng(5))
    limit = float(np.quantile(costs(rows), 0.3))
    linear = linear_cost(costs.linear().table)
    gain = np.random.default_rng(6).random(len(linear.c))
    upper, bound = linear.bound(limit)
    rules = [LinearConstraint(linear.A_eq, linear.b_eq, linear.b_eq)]
    rules.append(LinearConstraint(upper, -np.inf, bound))
    ones = np.ones(len(gain))
    found = milp(-gain, constraints=rules, bounds=Bounds(0, 1), integrality=ones)
    best = linear.rows(found.x)
    assert costs(best)[0] <= limit * (1 + 1e-6)
    feasible = rows[costs(rows) <= limit]
    gains = gain[feasible + np.arange(22) * 9].sum(axis=1)
    assert gain @ found.x >= gains.max()
    assert known.latency_s(best)[0] <= 1.1 * limit


def test_tables_that_tell_too_little(write, filled):
    known = truth("fbnet")
    rows = spaces.get("fbnet").sample(10, np.random.default_rng(0))
    made = [measured(known, row, i) for i, row in enumerate(rows)]
    few = write(made[:5], "few.db")
    with pytest.raises(OptionError, match=r"kernels of 5 architectures.*at least 8.*--plan"):
        layer_costs([few], "fbnet")
    bare = write([_without(each) for each in made], "bare.db")
    with pytest.raises(OptionError, match=r"kernels of 0 architectures.*--no-per-op"):
        layer_costs([bare], "fbnet")
    other = write([result()], "other.db")
    with pytest.raises(OptionError):
        layer_costs([other], "fbnet")
    with pytest.raises(OptionError, match="search space"):
        layer_costs([few], "imagenet")


def test_the_architectures_to_measure():
    for name in ("fbnet", "mobilenetv3", "gpt"):
        archs = covering(name)
        space = spaces.get(name)
        rows = space.indices(archs)
        assert 20 <= len(archs) == len(set(archs)) <= 60
        for i, position in enumerate(space.positions):
            if position.name == "resolution":
                continue  # sides are told from one another
            free = {"skip"} & set(position.choices)  # where it does nothing, nothing is measured
            made = {position.choices[choice] for choice in rows[:, i]}
            assert made | free == set(position.choices), position.name
    assert covering("fbnet", least=50, seed=1) == covering("fbnet", least=50, seed=1)
    assert len(covering("fbnet", least=50)) >= 50 > len(covering("fbnet"))
    with pytest.raises(OptionError, match="least must be 1 or more"):
        covering("fbnet", least=0)


def test_measuring_the_plan_covers_everything(write):
    known, space = truth("fbnet"), spaces.get("fbnet")
    rows = space.indices(covering("fbnet"))
    costs = layer_costs([write([measured(known, r, i) for i, r in enumerate(rows)])], "fbnet")
    assert costs.unmeasured == ()


def _without(measurement):
    return replace(measurement, profile=None)
