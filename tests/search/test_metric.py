"""Objectives of energy and of metrics of one's own: name, units and limits are the predictor's."""

from __future__ import annotations

import numpy as np
import pytest

from hwprof import Objective, OptionError
from hwprof.metrics import METRICS, Metric
from hwprof.predictors.baselines import RidgeRegression
from hwprof.predictors.pool import DevicePool
from hwprof.search import Goals, LimitedSearch, RejectionFilter
from hwprof.search.preferences import PreferenceObjective
from tests.predictors.pools import small_pool
from tests.search.toys import WEIGHTS, Sum, Toy

LATENCIES, NEW = small_pool()
ROWS = np.arange(0, 120, 12)


def adapted(metric):
    pool = DevicePool(LATENCIES.features, LATENCIES.values, LATENCIES.devices, metric=metric)
    return RidgeRegression.fit(pool).adapt(ROWS, NEW[ROWS])


@pytest.fixture(scope="module")
def energy():
    return adapted("energy")


def test_a_predictor_brings_its_metric(energy):
    middle = float(np.median(NEW))
    objective = Objective(energy, limit=f"{middle * 1e3}mJ")
    assert objective.metric is METRICS["energy"]
    assert objective.limit == pytest.approx(middle)
    mean = energy.predict(np.arange(120)).mean
    np.testing.assert_array_equal(objective(np.arange(120)), mean)
    np.testing.assert_allclose(objective.violation(np.arange(120)), mean - middle)
    assert 0 < objective.check_reachable(np.arange(120)) < 120
    np.testing.assert_array_equal(objective.moments([3])[0], mean[[3]])
    assert (objective.probability(np.arange(120)) <= 1).all()
    kept = RejectionFilter(Objective(energy), limit=f"{middle}J")(np.arange(120))
    np.testing.assert_array_equal(kept.feasible, mean <= middle)
    with pytest.raises(OptionError, match=r"the energy limit of 1uJ: the best is .*J \(row"):
        Objective(energy, limit="1uJ").check_reachable(np.arange(120))
    with pytest.raises(OptionError, match="a limit on energy must look like 2mJ"):
        Objective(energy, limit="15ms")
    with pytest.raises(OptionError, match="limit='2mJ'"):
        Objective(energy).violation([1])


def test_units_of_ones_own_come_along():
    carbon = adapted(Metric("carbon", {"g": 1.0, "mg": 1e-3}, "3mg"))
    for objective in (
        Objective(carbon, limit="5mg"),
        Objective(carbon, metric="carbon", limit="5mg"),
        Objective({"carbon": carbon}, metric="carbon", limit="5mg"),
    ):
        assert objective.limit == pytest.approx(5e-3)
        assert objective.metric.show(0.002) == "2mg"


def test_names_that_disagree_are_refused(energy):
    latency = Sum(WEIGHTS)
    for predictor, metric in (
        (energy, "latency"),
        ({"latency": energy}, None),
        ({"memory": energy}, "memory"),
    ):
        with pytest.raises(OptionError, match="the predictor is of energy in joules, but") as error:
            Objective(predictor, metric=metric)
        assert "\n" not in str(error.value)
    with pytest.raises(OptionError, match=r"is of latency, but energy is asked; .*'energy': pred"):
        Objective(latency, metric="energy")
    # One that does not know metrics is believed to be what it is called.
    assert Objective({"energy": latency}, metric="energy").metric is METRICS["energy"]


def test_costs_of_the_space_stay_those_of_the_space(energy):
    assert Objective(energy, metric="flops", space=Toy())("short-3-16-16")[0] == 10_000
    own = Objective(adapted("flops"), limit="3M")
    np.testing.assert_array_equal(own([1, 2]), own.predictor.predict([1, 2]).mean)


def test_several_devices_are_of_one_metric(energy):
    both = Objective.over({"a": energy, "b": energy}, how="each", limits={"a": "20mJ"})
    assert both.device("a").limit == pytest.approx(0.02)
    assert both([1, 2, 3]).shape == (3, 2)
    with pytest.raises(OptionError, match=r"different metrics \(energy, latency\)"):
        Objective.over({"a": energy, "b": Sum(WEIGHTS)})


def test_goals_and_limits_take_joules():
    space = Toy()
    pool = np.array(np.meshgrid(*[range(len(p.choices)) for p in space.positions], indexing="ij"))
    rows = pool.reshape(4, -1).T
    features = space.encode(rows).astype(float)
    values = features @ np.arange(1, 12)[:, None] * [1e-3, 2e-3, 5e-3] + 1e-3
    known = DevicePool(features, values, ["a", "b", "c"], metric="energy")
    mine = RidgeRegression.fit(known).adapt(
        np.arange(0, 48, 4)[:12] % len(rows), values[::4][:12, 0]
    )
    bounded = Objective(mine, space=space, limit="20mJ")
    goals = Goals(space, minimise={bounded.metric.name: bounded}, limits=bounded)
    assert goals.names == ("energy",)
    np.testing.assert_allclose(goals.violations(rows)[:, 0], bounded(rows) - 0.02)
    mean, deviation = goals.moments(rows)
    np.testing.assert_array_equal(mean[:, 0], bounded(rows))
    assert (deviation > 0).all()


def test_a_limited_search_reads_its_limit_in_the_metric(energy):
    search = LimitedSearch.start(energy, np.arange(20), np.ones(20), "20mJ")
    assert search.limit == pytest.approx(0.02)
    told = search.tell(3, 0.001)
    assert told.adapted.metric is METRICS["energy"]
    with pytest.raises(OptionError, match="a limit on energy must look like 2mJ"):
        LimitedSearch.start(energy, [0], [1.0], "20ms")


def test_preferences_name_the_metric(raspi, monkeypatch):
    monkeypatch.setattr(type(raspi), "metric", METRICS["energy"])
    assert PreferenceObjective({"a": raspi}).names == ("energy",)
