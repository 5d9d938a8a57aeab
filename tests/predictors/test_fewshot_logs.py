"""The few-shot model of logs: where it answers, what it keeps, and what comes back from a file."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hwprof import spaces
from hwprof.errors import OptionError, TableError
from hwprof.predictors import pools
from hwprof.predictors.fewshot import AdaptedFewShot, FewShotPredictor
from hwprof.predictors.fewshot.decades import spans_decades, warping
from hwprof.predictors.pool import DevicePool
from hwprof.search.additive import additive_table
from hwprof.similarity import Linear, Rbf, Similarity
from hwprof.testing.adversarial import cases, run_cases
from hwprof.testing.predictors import check_predictor
from tests.predictors.test_damaged import fill, put, rewritten
from tests.predictors.test_fewshot import make

ROWS, KNOWN = 120, 4
# Of few settings: a fit takes a second.
SMALL = Similarity(
    "small",
    (Linear(), Rbf()),
    (Linear(),),
    transfer_weights=((1e-3, 0.1),),
    device_weights=(0.1, 1.0),
    noises=(0.01, 0.03, 0.1),
)


def fit(pool, seed=0):
    return FewShotPredictor.fit(pool, similarity=SMALL, seed=seed)


def zoo(span=2.0):
    """A pool of costs over `2 * span` decades, and two devices that it lacks, `[n, 2]`."""
    rng = np.random.default_rng(3)
    features = np.column_stack([10.0 ** rng.uniform(-span, span, (ROWS, 2)), rng.random(ROWS)])
    logs = np.log(features[:, :2])
    powers = np.array([[0.7], [0.3]]) + 0.1 * rng.standard_normal((2, KNOWN + 2))
    y = np.exp(logs @ powers + 0.03 * rng.standard_normal((ROWS, KNOWN + 2))) * 1e-3
    return DevicePool(features, y[:, :KNOWN], list("abcd")), y[:, KNOWN:]


@pytest.fixture(scope="module")
def known():
    pool, y = zoo()
    return fit(pool), pool, y


def answers(adapted):
    p = adapted.predict(np.arange(ROWS))
    return np.stack([p.mean_s, p.std_s, p.quantile(0.05), p.quantile(0.95)])


def test_ten_measurements_predict_over_decades(known):
    predictor, _, y = known
    assert predictor.fitted.logs is not None
    rows = np.random.default_rng(0).choice(ROWS, 10, replace=False)
    rest = np.setdiff1d(np.arange(ROWS), rows)
    for column in y.T:
        predicted = predictor.adapt(rows, column[rows]).predict(rest)
        assert np.median(np.abs(predicted.mean_s / column[rest] - 1)) < 0.08
        inside = (predicted.quantile(0.05) <= column[rest]) & (
            column[rest] <= predicted.quantile(0.95)
        )
        assert inside.mean() >= 0.8


def test_the_laws_of_predictors_hold(known):
    _, pool, y = known
    check_predictor(fit, pool, y[:, 0])


@settings(max_examples=10)
@given(st.integers(1, 12), st.sampled_from([1e-3, 0.5, 30.0]))
def test_a_slower_device_scales_everything(known, count, factor):
    predictor, _, y = known
    rows = np.random.default_rng(count).choice(ROWS, count, replace=False)
    one, other = (
        answers(predictor.adapt(rows, y[rows, 0] * f, check_units=False)) for f in (1.0, factor)
    )
    assert np.allclose(factor * one, other, rtol=1e-9)


def test_update_equals_adapt_and_rows_equal_features(known):
    predictor, pool, y = known
    whole = predictor.adapt([1, 5, 9, 30], y[[1, 5, 9, 30], 1])
    parts = predictor.adapt([30, 5], y[[30, 5], 1]).update([9, 1], y[[9, 1], 1])
    assert np.allclose(answers(whole), answers(parts), rtol=1e-12)
    by_features = whole.predict(pool.features)
    assert np.allclose(by_features.mean_s, answers(whole)[0], rtol=1e-9)
    assert np.allclose(by_features.quantile(0.9), whole.predict(np.arange(ROWS)).quantile(0.9))


def test_the_distribution_agrees_with_itself(known):
    predictor, _, y = known
    predicted = predictor.adapt([1, 5, 9], y[[1, 5, 9], 0]).predict(np.arange(ROWS))
    for q in (0.01, 0.3, 0.99):
        assert np.allclose(predicted.cdf(predicted.quantile(q)), q, atol=1e-6)
    assert (predicted.cdf(0.0) == 0).all()
    grid = np.stack([predicted.quantile(q) for q in (np.arange(2000) + 0.5) / 2000])
    assert np.allclose(grid.mean(axis=0), predicted.mean_s, rtol=0.02)
    assert np.allclose(grid.std(axis=0), predicted.std_s, rtol=0.15)
    with pytest.raises(OptionError, match="q must lie between 0 and 1"):
        predicted.quantile(1.0)


def test_far_features_stay_positive_and_finite(known):
    predictor, _, y = known
    adapted = predictor.adapt([1, 5, 9], y[[1, 5, 9], 0])
    far = adapted.predict(np.array([[1e300, -1e300, 1e30], [0.0, 0.0, -1e12]]))
    for values in (far.mean_s, far.std_s, far.quantile(0.001), far.quantile(0.999)):
        assert np.isfinite(values).all()
    assert (far.quantile(0.001) > 0).all()


def test_what_is_no_architecture_is_refused(known):
    predictor, _, y = known
    adapted = predictor.adapt([1], y[[1], 0])
    for wrong in ([ROWS], np.zeros((2, 9)), np.full((1, 3), np.nan), np.zeros((1, 1, 1))):
        with pytest.raises(OptionError):
            adapted.predict(wrong)


def test_nothing_measured_is_wide(known):
    predictor, _, y = known
    for like in (None, ["a", "b"]):
        before = predictor.before_measuring(np.arange(ROWS), like)
        after = predictor.adapt([1, 5, 9], y[[1, 5, 9], 0]).predict(np.arange(ROWS))
        ratio = [np.log(p.quantile(0.95) / p.quantile(0.05)).mean() for p in (before, after)]
        assert ratio[0] > ratio[1], like


def test_an_outlier_is_found(known):
    predictor, _, y = known
    rows = np.arange(0, 100, 5)
    values = y[rows, 0].copy()
    values[3] *= 20
    assert list(predictor.adapt(rows, values).outliers) == [15]


def test_a_wrong_unit_is_named(known):
    predictor, _, y = known
    rows = np.arange(8)
    with pytest.raises(OptionError, match="milliseconds given as seconds"):
        predictor.adapt(rows, y[rows, 0] * 1e5)
    predictor.adapt(rows, y[rows, 0] * 1e5, check_units=False)


def test_only_pools_that_span_decades_take_logs():
    assert fit(make(rows=60)[0]).fitted.logs is None
    assert spans_decades(zoo()[0])
    assert not spans_decades(zoo(0.3)[0])
    # Cells without a connection take no time, and are too few to make a pool of decades.
    assert not any(spans_decades(pools.load(name)) for name in ("nasbench201", "fbnet"))


def test_what_adds_up_over_decades_is_left_to_the_linear_model():
    rng = np.random.default_rng(0)
    features = 10.0 ** rng.uniform(-2, 2, (ROWS, 3))
    pool = DevicePool(features, features @ rng.gamma(2, 1, (3, 4)) * 1e-3, list("abcd"))
    assert spans_decades(pool)
    assert fit(pool).fitted.logs is None


def test_only_wide_features_are_taken_as_logs():
    features = np.array([[1.0, 0.0, 5.0], [1e4, 1.0, -5.0]])
    assert list(warping(features).scale) == [1.0, 0.0, 0.0]


def test_a_search_that_needs_a_sum_is_refused_in_one_sentence():
    space = spaces.get("fbnet")
    rng = np.random.default_rng(1)
    rows = np.unique(space.sample(150, rng), axis=0)
    features = space.encode(rows)
    base = features @ rng.standard_normal(features.shape[1])
    y = np.exp(base[:, None] * (1 + 0.1 * rng.standard_normal(4))) * 1e-3
    predictor = fit(DevicePool(features, y, list("abcd")))
    assert predictor.fitted.logs is not None
    assert not predictor.fitted.linear
    adapted = predictor.adapt(np.arange(10), y[:10, 0])
    with pytest.raises(OptionError, match="no sum over positions") as caught:
        additive_table(adapted, space)
    assert "\n" not in str(caught.value)


def test_files_bring_it_back(known, tmp_path):
    predictor, pool, y = known
    predictor.save(tmp_path / "pool.hwp")
    again = FewShotPredictor.load(tmp_path / "pool.hwp")
    assert np.array_equal(again.calibration.factors, predictor.calibration.factors)
    assert np.array_equal(again.select(5), predictor.select(5))
    adapted = predictor.adapt([1, 5, 9], y[[1, 5, 9], 0], device="mine")
    adapted.save(tmp_path / "my.device")
    back = AdaptedFewShot.load(tmp_path / "my.device")
    assert np.array_equal(answers(back), answers(adapted))
    some = pool.features[:3] * 1.1
    assert np.array_equal(back.predict(some).mean_s, adapted.predict(some).mean_s)


@pytest.mark.parametrize(
    "change",
    [
        put("logs.warp", np.zeros(9)),
        put("logs.warp", np.full(3, -1.0)),
        put("logs.warp", np.full(3, np.nan)),
        put("logs.warp", np.full(3, 5e-324)),
        fill("logs.matrix.0", 1e300),
        fill("logs.matrix.0", np.nan),
        fill("logs.constant", 1e308),
        fill("logs.shares", -1.0),
        fill("logs.scale_s", 0.0),
        fill("logs.noises", -1.0),
        fill("logs.calibration.factors", np.nan),
        put("logs.noises", np.full(10**5, 0.01)),
        fill("measured.latency_s", 1e308),
        fill("measured.latency_s", 5e-324),
        lambda tensors: tensors.pop("logs.warp"),
        lambda tensors: tensors.pop("logs.constant"),
    ],
)
def test_a_damaged_file_is_one_sentence(known, tmp_path, change):
    predictor, _, y = known
    predictor.adapt([1, 5, 9], y[[1, 5, 9], 0]).save(tmp_path / "my.device")
    path = rewritten(tmp_path / "x", source=tmp_path / "my.device", tensors=change)
    with pytest.raises((TableError, OptionError)) as caught:
        AdaptedFewShot.load(path)
    assert "\n" not in str(caught.value)


def test_absurd_widths_from_a_file_are_still_numbers(known, tmp_path):
    predictor, _, y = known
    predictor.adapt([1, 5, 9], y[[1, 5, 9], 0]).save(tmp_path / "my.device")
    change = fill("logs.calibration.factors", 1e300)
    path = rewritten(tmp_path / "x", source=tmp_path / "my.device", tensors=change)
    assert np.isfinite(answers(AdaptedFewShot.load(path))).all()


def test_rows_of_the_hard_cases_are_kept():
    names = [
        "zoo, clean, random, k=10",
        "zoo, clean, smallest, k=10",
        "zoo, noise 30 %, random, k=10",
    ]
    for outcome in run_cases(FewShotPredictor.fit, cases(names=names)):
        assert outcome.kept, outcome.faults
