"""Several devices and metrics in one search: columns, names, and what is asked how often."""

from __future__ import annotations

import numpy as np
import pytest

from hwprof import Objective, OptionError
from hwprof.metrics import METRICS
from hwprof.predictors.baselines import RidgeRegression
from hwprof.predictors.pool import DevicePool
from hwprof.search import Goals
from tests.search.toys import WEIGHTS, Sum, Toy, every

ROWS = every(Toy())
PHONE, GPU = Sum(WEIGHTS), Sum(WEIGHTS[::-1], 2e-3)


@pytest.fixture(scope="module")
def memory():
    """A predictor that knows its metric, bytes."""
    values = Toy().encode(ROWS) @ np.outer(np.arange(1, 12), [1e5, 2e5, 3e5]) + 1e5
    pool = DevicePool(Toy().encode(ROWS), values, ["a", "b", "c"], metric="peak_memory")
    return RidgeRegression.fit(pool).adapt(np.arange(0, 48, 4), values[::4, 1] * 1.1)


def over(memory, **options):
    return Goals.over(
        Toy(),
        {"phone": {"latency": PHONE, "peak_memory": memory}, "gpu": GPU},
        **(
            {
                "minimise": [("phone", "latency")],
                "maximise": ["flops"],
                "limits": {("phone", "peak_memory"): "9MB", "gpu": "15ms", "flops": "60k"},
                "at_least": {"compute_intensity": "20", "flops": "20k"},
            }
            | options
        ),
    )


def test_columns_of_devices_and_metrics(memory):
    goals = over(memory)
    assert goals.names == ("phone latency", "flops")
    assert goals.constraint_names == (
        "phone peak_memory", "gpu latency", "flops", "compute_intensity"
    )  # fmt: skip
    found = goals.evaluate(ROWS)
    flops = Objective(metric="flops", space=Toy())(ROWS)
    space = Toy()
    np.testing.assert_array_equal(found.values[:, 1], flops)
    np.testing.assert_array_equal(found.losses[:, 1], -flops)
    expected = [
        Objective(memory, space=space)(ROWS) / 9e6 - 1,
        Objective(GPU, space=space)(ROWS) / 0.015 - 1,
        np.maximum(flops / 6e4 - 1, 1 - flops / 2e4),
        1 - Objective(metric="compute_intensity", space=space)(ROWS) / 20,
    ]
    np.testing.assert_allclose(found.violations, np.stack(expected, axis=1), atol=1e-12)
    np.testing.assert_array_equal(found.violations, goals.violations(ROWS))
    np.testing.assert_array_equal(found.feasible, (np.stack(expected) <= 0).all(axis=0))
    assert found.names == goals.names
    assert found.constraint_names == goals.constraint_names
    base = over(memory, relative=False).violations(ROWS)
    np.testing.assert_allclose(base[:, 0], (found.violations[:, 0]) * 9e6, rtol=1e-6)


def test_a_metric_of_the_predictor_comes_with_its_units(memory):
    goals = Goals.over(Toy(), {"board": memory}, minimise=["board"], limits={"board": "9MB"})
    (bounded,) = goals.limits
    assert bounded.metric is METRICS["peak_memory"]
    assert goals.names == goals.constraint_names == ("board peak_memory",)


def test_what_is_goal_and_limit_is_asked_once():
    device = Sum(WEIGHTS)
    goals = Goals.over(Toy(), {"a": device}, minimise=["a"], limits={"a": "9ms"})
    device.asked = 0
    goals.evaluate(ROWS)
    assert device.asked == len(ROWS)


def test_scores_of_ones_own(memory):
    goals = over(memory, scores={"accuracy": lambda rows: rows.sum(axis=1)}, maximise=())
    np.testing.assert_array_equal(goals.losses(ROWS)[:, 1], -Toy().indices(ROWS).sum(axis=1))


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"limits": {"tpu": "9ms"}}, r"'tpu' is no cost .*\('phone', 'latency'\).*'flops'"),
        ({"limits": {"phone": "9ms"}}, "'phone' is no cost that is known"),
        ({"minimise": [("gpu", "energy")]}, r"\('gpu', 'energy'\) is no cost"),
        ({"limits": {"gpu": "9ms", ("gpu", "latency"): "8ms"}}, "gpu latency is limited twice"),
        ({"limits": {"gpu": "9MB"}}, "must look like 15ms"),
        ({"minimise": ["flops"]}, "both minimised and maximised"),
        ({"maximise": ["flops"], "scores": {"flops": len}}, "'flops' is both a cost and a score"),
    ],
)
def test_pairs_that_cannot_be(memory, options, says):
    with pytest.raises(OptionError, match=says):
        over(memory, **options)


def test_limits_have_names():
    phone = Objective(PHONE, space=Toy(), limit="9ms")
    each = Objective.over({"a": PHONE, "b": GPU}, how="each", limits="9ms", space=Toy())

    class Own:
        def violation(self, archs):
            return np.full((len(archs), 2), -1.0)

    def names(limits):
        return Goals(Toy(), minimise={"x": phone}, limits=limits).constraint_names

    assert names([phone, phone, each]) == ("latency", "latency 2", "a latency", "b latency")
    assert names({"fast": phone, "all": each}) == ("fast", "a all", "b all")
    assert names(Own()) == ("limit", "limit 2")
    assert names({}) == names([]) == ()
    with pytest.raises(OptionError, match="says no share of itself"):
        Goals(Toy(), minimise={"x": phone}, limits=[Own()], relative=True)


def test_devices_of_several_metrics_are_kept_apart(memory):
    both = Objective.over({"a": PHONE, "m": memory}, how="each", limits={"m": "9MB"}, space=Toy())
    assert both(ROWS).shape == (len(ROWS), 2)
    with pytest.raises(OptionError, match="how='each'"):
        Objective.over({"a": PHONE, "m": memory}, space=Toy())
