"""Several devices, and preferences over what they cost."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from hwprof import Objective, OptionError
from hwprof.predictors import pools
from hwprof.search import PreferenceObjective, pareto_front
from tests.search.toys import WEIGHTS, Sum, Toy, every

ROWS = every(Toy())
DEVICES = {"phone": Sum(WEIGHTS), "gpu": Sum(WEIGHTS[::-1], 2e-3)}


def test_worst_weighted_and_each():
    each = Objective.over(DEVICES, how="each", space=Toy())(ROWS)
    alone = [Objective(one, space=Toy())(ROWS) for one in DEVICES.values()]
    np.testing.assert_array_equal(each, np.stack(alone, axis=1))
    worst = Objective.over(DEVICES, space=Toy())(ROWS)
    np.testing.assert_array_equal(worst, each.max(axis=1))
    weights = {"gpu": 3.0, "phone": 1.0}
    weighted = Objective.over(DEVICES, how="weighted", weights=weights, space=Toy())(ROWS)
    np.testing.assert_allclose(weighted, each @ [1.0, 3.0])


def test_limits_by_device():
    limits = {"phone": "9ms", "gpu": 0.01}
    each = Objective.over(DEVICES, how="each", limits=limits, space=Toy())
    worst = Objective.over(DEVICES, limits=limits, space=Toy())
    np.testing.assert_allclose(each.violation(ROWS), each(ROWS) - [0.009, 0.01], atol=1e-15)
    np.testing.assert_array_equal(worst.violation(ROWS), each.violation(ROWS).max(axis=1))
    both = each.probability(ROWS)
    np.testing.assert_array_equal(each.feasible(ROWS, 0.8), (both >= 0.8).all(axis=1))
    one = Objective.over(DEVICES, limits={"gpu": "10ms"}, space=Toy())
    assert one.bounded == ("gpu",)
    np.testing.assert_array_equal(one.violation(ROWS), one.device("gpu").violation(ROWS))
    assert Objective.over(DEVICES, limits="9ms", space=Toy()).bounded == ("phone", "gpu")


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"how": "best"}, "worst, weighted, each"),
        ({"limits": {"tpu": 1.0}}, "choose among phone, gpu"),
        ({"weights": {"phone": 1.0}}, "leave them out"),
        ({"how": "weighted"}, "one per device"),
        ({"how": "weighted", "weights": {"phone": 1.0}}, "lacks gpu"),
        ({"how": "weighted", "weights": {"phone": 1.0, "tpu": 1}}, "no device 'tpu'"),
        ({"how": "weighted", "weights": {"phone": 0.0, "gpu": -1}}, "0 or more"),
    ],
)
def test_devices_that_cannot_be(options, says):
    with pytest.raises(OptionError, match=says):
        Objective.over(DEVICES, **options)


def test_unknown_devices_are_named():
    both = Objective.over(DEVICES)
    with pytest.raises(OptionError, match="'tpu'; choose among phone, gpu"):
        both.device("tpu")
    with pytest.raises(OptionError, match="no device has a limit"):
        both.violation([1])
    with pytest.raises(OptionError, match="is empty"):
        Objective.over({})


@pytest.fixture(scope="module")
def adapted(cells):
    pool, chosen = pools.load("nasbench201"), np.arange(1000, 1010)
    return {
        name: cells.adapt(chosen, pool.latency_s[chosen, pool.devices.index(name)])
        for name in ("raspi4", "gold_6226", "titan_rtx_256")
    }


def test_preferences_over_devices(adapted, rng):
    rows = rng.integers(0, 5, (40, 6))

    def work(archs):
        return -(archs == 3).sum(axis=1)

    goal = PreferenceObjective(adapted, {"work": work}, space="nasbench201", reference=rows)
    assert goal.names == ("latency", "work")
    wanted = goal.preferences(5, rng)
    np.testing.assert_allclose(wanted.sum(axis=1), 1)
    values = goal(rows, wanted)
    assert values.shape == (40, 3, 5)
    assert values.min() >= 0
    assert values.max() <= 1 + 1e-9
    # All preference on one objective is that objective, on the scale of the reference.
    latency = goal.values(rows)[:, :, 0]
    only = goal(rows, [1.0, 0.0])[:, :, 0]
    np.testing.assert_array_equal(only.argsort(axis=0), latency.argsort(axis=0))
    hollow = PreferenceObjective(
        adapted, {"work": work}, space="nasbench201", reference=rows, scalarise="chebyshev"
    )
    assert (hollow(rows, wanted) <= values + 1e-12).all()
    assert goal.embeddings.shape == (3, len(adapted["raspi4"].fitted.devices))
    np.testing.assert_array_equal(goal.embedding("gold_6226"), goal.embeddings[1])
    best = goal(rows, wanted)[:, 0].argmin(axis=0)
    front = goal.front(rows, "raspi4")
    ties = goal.values(rows)[:, 0]
    for choice in best:
        assert (ties[front] == ties[choice]).all(axis=1).any()


def test_preferences_that_cannot_be(adapted, rng):
    goal = PreferenceObjective(adapted, space="nasbench201")
    with pytest.raises(OptionError, match="use preferences"):
        goal(np.zeros((1, 6), int), [0.5, 0.5])
    with pytest.raises(OptionError, match="alpha"):
        goal.preferences(2, rng, alpha=0)
    with pytest.raises(OptionError, match="'tpu'"):
        goal.embedding("tpu")
    with pytest.raises(OptionError, match="no embedding"):
        PreferenceObjective({"toy": Sum(WEIGHTS)})
    with pytest.raises(OptionError, match="linear or chebyshev"):
        PreferenceObjective(adapted, scalarise="sum")


@given(arrays(np.float64, st.tuples(st.integers(0, 30), st.integers(1, 4)),
              elements=st.integers(0, 4).map(float)))  # fmt: skip
def test_the_front_by_its_definition(values):
    expected = [
        i
        for i, one in enumerate(values)
        if not any((other <= one).all() and (other < one).any() for other in values)
    ]
    assert pareto_front(values).tolist() == expected


def test_fronts_of_what_is_no_matrix():
    for values in ([1.0, 2.0], [[float("nan")]]):
        with pytest.raises(OptionError, match="one column per objective"):
            pareto_front(values)
