"""The Bayesian few-shot predictor on devices whose truth is known."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hwprof import spaces
from hwprof.errors import OptionError
from hwprof.predictors.fewshot import FewShotPredictor
from hwprof.predictors.pool import DevicePool

SPEED = np.array([1e-3, 3e-3, 8e-3, 2e-3, 5e-3])
NAMES = tuple("abcde")


def costs(features, rng, devices):
    """Costs per feature that devices share in part, `[d, devices]`."""
    shared = rng.gamma(2.0, 1.0, (features.shape[1], 2))
    own = rng.gamma(2.0, 1.0, (features.shape[1], devices))
    return shared @ rng.gamma(1.0, 1.0, (2, devices)) + 0.1 * own


def make(rows=160, width=6, devices=5, noise=0.01, seed=0):
    """A pool of count-like features, and an unseen device on it, seconds `[n]`."""
    rng = np.random.default_rng(seed)
    features = rng.integers(0, 5, (rows, width)).astype(float)
    clean = 2.0 + features @ costs(features, rng, devices + 1)
    clean *= np.resize(SPEED, devices + 1)
    latency = clean * np.exp(noise * rng.standard_normal(clean.shape))
    names = [f"d{j}" for j in range(devices)]
    return DevicePool(features, latency[:, :-1], names), latency[:, -1]


@pytest.fixture(scope="module")
def known():
    pool, y = make()
    return FewShotPredictor.fit(pool), pool, y


def correlation(a, b):
    return float(np.corrcoef(a, b)[0, 1])


def test_ten_measurements_predict_the_rest(known):
    predictor, _, y = known
    rows = predictor.select(10)
    prediction = predictor.adapt(rows, y[rows]).predict(np.arange(len(y)))
    assert correlation(prediction.mean_s, y) > 0.97
    low, high = prediction.interval(0.9)
    assert 0.8 <= np.mean((low <= y) & (y <= high)) <= 1.0
    assert (prediction.std_s > 0).all()


def test_more_measurements_are_more_certain(known):
    predictor, _, y = known
    rows = predictor.select(30)
    widths = [
        predictor.adapt(rows[:k], y[rows[:k]]).predict(np.arange(len(y))).std_s.mean()
        for k in (1, 5, 30)
    ]
    assert widths[0] > widths[1] > widths[2]


def test_one_measurement_sets_the_speed(known):
    predictor, _, y = known
    row = predictor.select(1)
    prediction = predictor.adapt(row, y[row]).predict(row)
    assert prediction.mean_s == pytest.approx(y[row], rel=0.15)


def test_nothing_measured_is_wide_and_honest(known):
    predictor, pool, y = known
    prediction = predictor.before_measuring(np.arange(len(y)))
    low, high = prediction.interval(0.9)
    truth = pool.latency_s
    assert np.mean((low[:, None] <= truth) & (truth <= high[:, None])) > 0.7
    measured = predictor.adapt([0], y[:1]).predict(np.arange(len(y)))
    assert prediction.std_s.mean() > 0
    assert correlation(prediction.mean_s, measured.mean_s) > 0.9


def test_many_measurements_narrow_the_grid(known):
    predictor, _, y = known
    rows = np.arange(60)
    prediction = predictor.adapt(rows, y[rows]).predict(np.arange(len(y)))
    assert correlation(prediction.mean_s, y) > 0.99


@settings(max_examples=15, deadline=None)
@given(st.permutations(range(8)), st.integers(1, 7))
def test_order_does_not_matter_and_update_equals_adapt(known, order, cut):
    predictor, _, y = known
    rows = np.arange(0, 80, 10)
    whole = predictor.adapt(rows, y[rows]).predict(np.arange(50))
    turned = rows[list(order)]
    grown = predictor.adapt(turned[:cut], y[turned[:cut]]).update(turned[cut:], y[turned[cut:]])
    other = grown.predict(np.arange(50))
    assert np.array_equal(whole.mean_s, other.mean_s)
    assert np.array_equal(whole.std_s, other.std_s)


@settings(max_examples=15, deadline=None)
@given(st.floats(0.3, 5), st.integers(1, 12))
def test_a_slower_device_scales_everything(known, factor, count):
    predictor, _, y = known
    rows = predictor.select(count)
    one = predictor.adapt(rows, y[rows]).predict(np.arange(50))
    other = predictor.adapt(rows, factor * y[rows]).predict(np.arange(50))
    np.testing.assert_allclose(other.mean_s, factor * one.mean_s, rtol=1e-5)
    np.testing.assert_allclose(other.std_s, factor * one.std_s, rtol=1e-5)
    np.testing.assert_allclose(other.quantile(0.3), factor * one.quantile(0.3), rtol=1e-5)


def test_fit_is_deterministic(known):
    predictor, pool, y = known
    again = FewShotPredictor.fit(pool)
    rows = again.select(6)
    assert np.array_equal(rows, predictor.select(6))
    one, two = (p.adapt(rows, y[rows]).predict(np.arange(20)) for p in (predictor, again))
    assert np.array_equal(one.mean_s, two.mean_s)
    assert np.array_equal(one.quantile(0.9), two.quantile(0.9))


def test_rows_and_features_agree(known):
    predictor, pool, y = known
    adapted = predictor.adapt(range(8), y[:8])
    rows = np.array([5, 100, 5, 0])
    by_row, by_feature = adapted.predict(rows), adapted.predict(pool.features[rows])
    np.testing.assert_allclose(by_row.mean_s, by_feature.mean_s, rtol=1e-5)
    np.testing.assert_allclose(by_row.std_s, by_feature.std_s, rtol=1e-9)
    assert adapted.predict(np.zeros((0, pool.width))).mean_s.shape == (0,)
    assert adapted.predict([]).interval()[0].shape == (0,)


def test_quantiles_rise_and_stay_positive(known):
    predictor, _, y = known
    prediction = predictor.adapt([3], y[[3]]).predict(np.arange(30))
    values = np.stack([prediction.quantile(q) for q in (0.001, 0.1, 0.5, 0.9, 0.999)])
    assert (np.diff(values, axis=0) >= 0).all()
    assert (values > 0).all()
    for q in (0.0, 1.0, -1.0, np.nan):
        with pytest.raises(OptionError, match="between 0 and 1"):
            prediction.quantile(q)


def test_repeats_and_standard_errors(known):
    predictor, _, y = known
    rows = np.arange(0, 60, 6)
    noisy = y[rows].copy()
    noisy[4] *= 1.6
    plain = predictor.adapt(rows, noisy).predict(np.arange(len(y)))
    errors = 0.001 * noisy
    errors[4] = noisy[4]
    told = predictor.adapt(rows, noisy, std_error_s=errors).predict(np.arange(len(y)))
    truth = predictor.adapt(rows, y[rows]).predict(np.arange(len(y)))
    assert np.abs(told.mean_s - truth.mean_s).mean() < np.abs(plain.mean_s - truth.mean_s).mean()
    repeated = predictor.adapt(rows, y[rows]).update(rows[:3], y[rows[:3]])
    same = repeated.predict(np.arange(len(y))).mean_s
    np.testing.assert_allclose(same, truth.mean_s, rtol=1e-6)
    twice = predictor.adapt([1, 1, 2], y[[1, 1, 2]], std_error_s=0.01 * y[[1, 1, 2]])
    assert len(twice.measured.indices) == 3


def test_an_outlier_is_found():
    pool, y = make(noise=0.002, rows=300, seed=3)
    predictor = FewShotPredictor.fit(pool)
    rows = predictor.select(20)
    broken = y[rows].copy()
    broken[7] *= 3
    adapted = predictor.adapt(rows, broken)
    assert adapted.outliers.tolist() == [rows[7]]
    prediction = adapted.predict(np.arange(len(y))).mean_s
    assert correlation(prediction, y) > 0.95


def test_ties_of_a_deterministic_device_come_back():
    space = spaces.get("nasbench201")
    rng = np.random.default_rng(0)
    chosen = np.array(space.operations)[rng.integers(0, 5, (400, 6))]
    features = space.encode([space.format(row) for row in chosen])
    counts = features.reshape(400, 6, 5).sum(1)
    devices = np.stack([counts @ rng.gamma(2, 1, 5) + 1 for _ in range(6)], 1) * 1e-3
    noise = np.exp(0.02 * rng.standard_normal((400, 4)))
    pool = DevicePool(features, devices[:, :4] * noise, tuple("abcd"))
    predictor = FewShotPredictor.fit(pool, similarity=space.similarity())
    rows = predictor.select(12)
    adapted = predictor.adapt(rows, devices[rows, 5])
    assert adapted.deterministic
    found = adapted.predict(np.arange(400)).mean_s
    assert len(np.unique(found)) <= len(np.unique(np.round(devices[:, 5], 9)))
    noisy = predictor.adapt(rows, devices[rows, 5] * np.exp(0.05 * rng.standard_normal(12)))
    assert not noisy.deterministic


def test_embedding_finds_the_sibling():
    pool, _ = make(rows=200)
    predictor = FewShotPredictor.fit(pool)
    rows = predictor.select(20)
    for j in (0, 3):
        embedding = predictor.adapt(rows, 1.7 * pool.latency_s[rows, j]).embedding
        name, probability = embedding.resembles()[0]
        assert name == pool.devices[j]
        assert probability > 0.5
        assert embedding.nearest.sum() == pytest.approx(1)
        assert embedding.similarity[j] == embedding.similarity.max()
        assert (embedding.std > 0).all()
        assert embedding.covariance.shape == (5, 5)
    few = predictor.adapt(rows[:1], pool.latency_s[rows[:1], 0]).embedding
    assert few.std.mean() > embedding.std.mean()


def test_select_keeps_to_the_rows_allowed(known):
    predictor, _, y = known
    chosen = predictor.select(5, candidates=range(0, 40, 2), exclude=[0, 2])
    assert len(set(chosen.tolist())) == 5
    assert set(chosen.tolist()) <= set(range(4, 40, 2))
    assert np.array_equal(predictor.select(3), predictor.select(6)[:3])
    for k, message in ((0, "between 1"), (len(y) + 1, "between 1")):
        with pytest.raises(OptionError, match=message):
            predictor.select(k)
    with pytest.raises(OptionError, match="duplicates"):
        predictor.select(1, candidates=[1, 1])


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 0.0, -1e-3])
def test_refuses_what_is_no_latency(known, value):
    predictor, _, y = known
    with pytest.raises(OptionError, match="row 4"):
        predictor.adapt([3, 4], [y[3], value])


def test_refuses_measurements_that_do_not_fit(known):
    predictor, pool, y = known
    for indices, latency, message in (
        ([], [], "at least 1 measurement"),
        ([1, 2], y[:1], "one value per index"),
        ([1, 1], y[:2], "duplicates"),
        ([len(y)], y[:1], "rows of the pool"),
        ([-1], y[:1], "rows of the pool"),
        ([0.5], y[:1], "integers"),
        ([[1]], [y[:1]], "1-d"),
        ([1], ["fast"], "numbers"),
    ):
        with pytest.raises(OptionError, match=message):
            predictor.adapt(indices, latency)
    with pytest.raises(OptionError, match="std_error_s"):
        predictor.adapt([1], y[:1], std_error_s=[-1.0])
    adapted = predictor.adapt([1], y[1:2])
    for architectures, message in (
        (pool.features[:, :-1], "6 wide"),
        (np.full((1, 6), np.nan), "finite"),
        ([len(y)], "rows of the pool"),
        (np.zeros((1, 1, 1)), "shape"),
    ):
        with pytest.raises(OptionError, match=message):
            adapted.predict(architectures)
    with pytest.raises(OptionError, match="Similarity"):
        FewShotPredictor.fit(pool, similarity="nasbench201")


def typical(predictor, y):
    """The same device, as fast as the pool's typical one."""
    return y * np.exp(np.log(predictor.fitted.scale_s).mean()) / y.mean()


def test_a_wrong_unit_is_named(known):
    predictor, _, y = known
    y = typical(predictor, y)
    rows = predictor.select(6)
    with pytest.raises(OptionError, match="milliseconds given as seconds"):
        predictor.adapt(rows, 1e3 * y[rows])
    with pytest.raises(OptionError, match="wrong unit"):
        predictor.adapt(rows, 1e-3 * y[rows])
    mixed = y[rows].copy()
    mixed[2] *= 1e3
    with pytest.raises(OptionError, match=f"row {rows[2]} is over"):
        predictor.adapt(rows, mixed)
    slow = predictor.adapt(rows, 1e3 * y[rows], check_units=False)
    assert slow.update([rows[0]], [1e3 * y[rows[0]]]).predict([0]).mean_s > 0.1


def test_a_device_a_hundred_times_slower_is_taken_and_told(known):
    predictor, _, y = known
    y = typical(predictor, y)
    rows = predictor.select(6)
    for factor, told in ((100, "times beyond the slowest"), (0.01, "times below the fastest")):
        adapted = predictor.adapt(rows, factor * y[rows])
        assert any(told in warning for warning in adapted.warnings)
        near = predictor.adapt(rows, y[rows])
        assert not any("times" in warning for warning in near.warnings)
        np.testing.assert_allclose(
            adapted.predict(rows).mean_s, factor * near.predict(rows).mean_s, rtol=1e-6
        )


def test_devices_that_share_no_architecture():
    pool, y = make(rows=240)
    apart = np.full(pool.latency_s.shape, np.nan)
    for j in range(5):
        apart[j::5, j] = pool.latency_s[j::5, j]
    predictor = FewShotPredictor.fit(DevicePool(pool.features, apart, pool.devices))
    rows = predictor.select(10)
    prediction = predictor.adapt(rows, y[rows]).predict(np.arange(240))
    assert correlation(prediction.mean_s, y) > 0.95


@pytest.mark.parametrize(
    ("rows", "width", "devices"), [(50, 10, 3), (60, 120, 2), (400, 40, 12), (1500, 10, 3)]
)
def test_any_plain_matrix(rows, width, devices):
    pool, y = make(rows, width, devices)
    predictor = FewShotPredictor.fit(pool)
    chosen = predictor.select(10)
    prediction = predictor.adapt(chosen, y[chosen]).predict(np.arange(rows))
    assert np.isfinite(prediction.mean_s).all()
    # Ten numbers cannot tell 120 costs apart: the speed must be right all the same.
    assert np.median(np.abs(prediction.mean_s / y - 1)) < 0.25


def test_features_that_never_vary_are_harmless():
    pool, y = make()
    constant = np.concatenate([pool.features, np.full((len(y), 3), 7.0)], axis=1)
    predictor = FewShotPredictor.fit(DevicePool(constant, pool.latency_s, pool.devices))
    rows = predictor.select(10)
    assert correlation(predictor.adapt(rows, y[rows]).predict(np.arange(len(y))).mean_s, y) > 0.95


def test_devices_that_are_all_alike():
    pool, y = make()
    same = np.tile(pool.latency_s[:, :1], (1, 3))
    predictor = FewShotPredictor.fit(DevicePool(pool.features, same, tuple("abc")))
    prediction = predictor.adapt([0, 1, 2], same[:3, 0]).predict(np.arange(len(y)))
    np.testing.assert_allclose(prediction.mean_s, same[:, 0], rtol=0.1)


@pytest.mark.parametrize("name", ["nasbench201", "fbnet"])
def test_kernels_of_the_spaces(name):
    space = spaces.get(name)
    rng = np.random.default_rng(1)
    shape = (300, len(space.positions))
    chosen = np.array(space.operations)[rng.integers(0, len(space.operations), shape)]
    features = space.encode([space.format(row) for row in chosen]).astype(float)
    latency = (1.0 + features @ costs(features, rng, 6)) * 1e-3
    similarity = space.similarity()
    similarity = replace(similarity, noises=similarity.noises[::3])
    pool = DevicePool(features, latency[:, :5], NAMES)
    predictor = FewShotPredictor.fit(pool, similarity=similarity)
    rows = predictor.select(12)
    adapted = predictor.adapt(rows, latency[rows, 5])
    prediction = adapted.predict(np.arange(300))
    assert correlation(prediction.mean_s, latency[:, 5]) > 0.5
    np.testing.assert_allclose(
        adapted.predict(features[:20]).mean_s, prediction.mean_s[:20], rtol=1e-4
    )
