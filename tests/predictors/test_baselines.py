"""What each baseline knows, and what it must not claim."""

import numpy as np
import pytest

from hwprof import spaces
from hwprof.errors import OptionError
from hwprof.predictors.baselines import (
    BoostedTrees,
    DeviceMixture,
    LutSum,
    NearestDevice,
    ProxyPredictor,
    RidgeRegression,
)
from hwprof.predictors.baselines.base import spread_out
from hwprof.predictors.baselines.prediction import Spread, StudentPrediction
from hwprof.predictors.pool import DevicePool
from tests.predictors.pools import latencies, one_hot, small_pool

EVERY = np.arange(120)


def relative_error(prediction, truth):
    return float(np.median(np.abs(prediction.mean_s / truth - 1)))


def test_a_scaled_pool_device_is_found_again():
    pool, _ = small_pool()
    truth = 7 * pool.latency_s[:, 2]
    rows = np.arange(0, 120, 20)
    for kind in (NearestDevice, DeviceMixture):
        adapted = kind.fit(pool).adapt(rows, truth[rows])
        assert relative_error(adapted.predict(EVERY), truth) < 0.05
        grown = adapted.update([1], truth[[1]])
        assert grown.device is None
        assert len(grown.measured.indices) == len(rows) + 1


def test_a_sum_of_pool_devices_is_a_mixture():
    pool, _ = small_pool()
    truth = pool.latency_s[:, 1] * 2 + pool.latency_s[:, 4]
    rows = DeviceMixture.fit(pool).select(12)
    adapted = DeviceMixture.fit(pool).adapt(rows, truth[rows])
    assert relative_error(adapted.predict(EVERY), truth) < 0.05


def test_one_measurement_scales_the_mean_device():
    pool, target = small_pool()
    for kind in (NearestDevice, DeviceMixture):
        adapted = kind.fit(pool).adapt([3], target[[3]])
        assert adapted.predict([3]).mean_s == pytest.approx(target[[3]], rel=0.02)
        assert relative_error(adapted.predict(EVERY), target) < 1
        assert (adapted.predict(EVERY).std_s > 0.01 * target.min()).all()


def test_a_table_is_recovered_from_enough_measurements():
    x = one_hot(400)
    table = np.random.default_rng(0).gamma(2, 1e-3, x.shape[1])
    y = np.stack([x @ table, x @ table[::-1]], axis=1)
    adapted = LutSum.fit(DevicePool(x, y, ["a", "b"])).adapt(np.arange(100), y[:100, 0])
    assert relative_error(adapted.predict(np.arange(400)), y[:, 0]) < 0.01


def test_an_operation_that_was_not_measured_is_not_free():
    pool, target = small_pool()
    rows = np.flatnonzero(pool.features[:, 0] == 0)[:20]
    table = LutSum.fit(pool).adapt(rows, target[rows])
    unseen = np.zeros((1, pool.width))
    unseen[0, 0] = 1
    assert table.predict(unseen).mean_s[0] == pytest.approx(target[rows].mean() / 5, rel=0.3)


def test_ridge_learns_a_line_from_measurements_alone():
    pool, target = small_pool()
    rows = np.arange(60)
    adapted = RidgeRegression.fit(pool).adapt(rows, target[rows])
    assert relative_error(adapted.predict(EVERY), target) < 0.05


def test_trees_order_what_they_have_seen():
    pytest.importorskip("lightgbm")
    pool, target = small_pool()
    rows = np.arange(80)
    mean = BoostedTrees.fit(pool).adapt(rows, target[rows]).predict(EVERY).mean_s
    assert np.corrcoef(mean, target)[0, 1] > 0.8
    assert mean.max() <= target[rows].max() * 1.01


def test_a_missing_lightgbm_names_the_extra(monkeypatch):
    monkeypatch.setattr("hwprof.predictors.baselines.boosting.find_spec", lambda name: None)
    pool, _ = small_pool()
    with pytest.raises(OptionError, match=r"hwprof\[lightgbm\]"):
        BoostedTrees.fit(pool)


@pytest.mark.parametrize("name", ["nasbench201", "fbnet"])
def test_multiply_adds_are_the_proxy_of_known_spaces(name):
    space = spaces.get(name)
    light, heavy = {
        "nasbench201": ("avg_pool_3x3", "nor_conv_3x3"),
        "fbnet": ("k3_e1_g2", "k5_e6"),
    }[name]
    archs = [space.format([op] * len(space.positions)) for op in space.operations]
    x = space.encode(archs * 3)
    pool = DevicePool(x, latencies(np.asarray(x, dtype=float), 2), ["a", "b"])
    proxy = ProxyPredictor.fit(pool, similarity=space.similarity())
    order = [space.operations.index(op) for op in (light, heavy)]
    mean = proxy.adapt([0, 1], pool.latency_s[:2, 0]).predict(np.array(order)).mean_s
    assert mean[0] < mean[1]


def test_a_proxy_is_given_by_column_or_by_weights():
    pool, target = small_pool()
    by_column = ProxyPredictor.fit(pool, proxy=3)
    by_weight = ProxyPredictor.fit(pool, proxy=np.eye(pool.width)[3])
    rows = [0, 5, 9]
    first, second = (
        p.adapt(rows, target[rows]).predict(EVERY).mean_s for p in (by_column, by_weight)
    )
    assert (first == second).all()
    for wrong in (pool.width, -1, 0.5, [1.0], np.full(pool.width, np.nan)):
        with pytest.raises(OptionError, match="proxy must"):
            ProxyPredictor.fit(pool, proxy=wrong)


def test_measurements_against_the_proxy_keep_its_order():
    pool, _ = small_pool()
    proxy = pool.features[:, 3]
    slow = np.where(proxy > 0, 1e-3, 2e-3)
    mean = ProxyPredictor.fit(pool, proxy=3).adapt(EVERY[:20], slow[:20]).predict(EVERY).mean_s
    assert mean[proxy > 0].min() > mean[proxy == 0].max()


def test_a_table_refuses_features_that_are_no_counts():
    x = np.random.default_rng(0).standard_normal((20, 3))
    pool = DevicePool(x, np.ones((20, 2)), ["a", "b"])
    with pytest.raises(OptionError, match="choose another predictor"):
        LutSum.fit(pool)


def test_a_wrong_unit_is_named_unless_it_is_meant():
    pool, _ = small_pool()
    predictor = DeviceMixture.fit(pool)
    slow = 1e3 * pool.latency_s.max(axis=1)
    with pytest.raises(OptionError, match="milliseconds"):
        predictor.adapt([0, 1], slow[:2])
    assert predictor.adapt([0, 1], slow[:2], check_units=False).predict([0]).mean_s[0] > 1


def test_kernels_of_another_kind_are_refused():
    pool, _ = small_pool()
    for kind in (NearestDevice, RidgeRegression, ProxyPredictor):
        with pytest.raises(OptionError, match="similarity must be"):
            kind.fit(pool, similarity="nasbench201")


def test_noisy_measurements_count_less():
    pool, _ = small_pool()
    truth = pool.latency_s[:, 0]
    rows = np.arange(12)
    wrong = truth[rows].copy()
    wrong[0] *= 4
    error = np.where(rows == 0, 3 * truth[rows], 1e-3 * truth[rows])
    predictor = DeviceMixture.fit(pool)
    told = predictor.adapt(rows, wrong, std_error_s=error).predict(EVERY)
    blind = predictor.adapt(rows, wrong).predict(EVERY)
    assert relative_error(told, truth) < relative_error(blind, truth)


@pytest.mark.parametrize("k", [1, 3, 10, 30])
def test_intervals_of_a_fitting_model_hold_what_they_promise(k):
    # A device of the pool: the model is right, and only noise is left to cover. Few measurements
    # may all lie close to the model by chance, so it is the mean over many draws that must hold.
    x = one_hot(200)
    y = latencies(x, 4, noise=0.05)
    predictor = DeviceMixture.fit(DevicePool(x, y, list("abcd")))
    covered = []
    for seed in range(40):
        rows = np.random.default_rng(seed).choice(200, k, replace=False)
        low, high = predictor.adapt(rows, y[rows, 1]).predict(np.arange(200)).interval(0.99)
        covered.append(np.mean((y[:, 1] >= low) & (y[:, 1] <= high)))
    assert np.mean(covered) > 0.9


def test_more_residuals_are_believed_more():
    few, many = (Spread.of(0.5, np.full(n, 0.1), 1.0) for n in (2, 50))
    assert few.relative > many.relative == pytest.approx(0.1, rel=0.01)
    assert Spread.of(0.5, np.zeros(0), 1.0).relative == 0.5


def test_quantiles_stay_above_zero():
    wide = StudentPrediction(np.ones(1), np.full(1, 10.0), 3.0)
    assert wide.quantile(0.01)[0] == pytest.approx(1e-3)
    assert wide.quantile(0.5)[0] == pytest.approx(1)


def test_selection_spreads_out():
    x = np.array([[0.0], [0.1], [0.0], [10.0], [-10.0]])
    assert set(spread_out(x, 2).tolist()) == {3, 4}
    assert sorted(spread_out(x, 5).tolist()) == [0, 1, 2, 3, 4]
