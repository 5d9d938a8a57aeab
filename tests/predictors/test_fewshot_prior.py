"""What the pool says before any measurement: the mean, its devices, and how wide to be."""

import numpy as np
import pytest

from hwprof.errors import OptionError
from hwprof.predictors.fewshot import FewShotPredictor
from hwprof.predictors.fewshot.calibration import Calibration
from hwprof.predictors.fewshot.prior import device_columns, device_shares
from hwprof.predictors.pool import DevicePool
from tests.predictors.test_fewshot import correlation, make


@pytest.fixture(scope="module")
def known():
    pool, y = make()
    return FewShotPredictor.fit(pool), pool, y


def test_siblings_share_a_voice():
    rng = np.random.default_rng(0)
    one, other = rng.gamma(4, 1, (2, 300))
    relative = np.stack([one, one, one, other], axis=1)
    relative /= relative.mean(axis=0)
    shares = device_shares(relative)
    assert shares.sum() == pytest.approx(1)
    assert shares[:3] == pytest.approx(np.full(3, 1 / 6), abs=0.02)
    assert shares[3] == pytest.approx(1 / 2, abs=0.05)


def test_devices_without_variation_count_alike():
    assert device_shares(np.ones((20, 3))) == pytest.approx(np.full(3, 1 / 3))


def test_columns_give_the_devices_back():
    relative = np.random.default_rng(1).gamma(5, 0.2, (50, 4))
    shares = device_shares(relative)
    columns = device_columns(relative)
    reach = 1 / np.sqrt(shares * 4 / 3)
    np.testing.assert_allclose(columns[:, :1] + columns[:, 1:] * reach, relative)
    # The deviations cancel out under the weights of the mean.
    np.testing.assert_allclose((columns[:, 1:] * reach) @ shares, 0, atol=1e-12)


def test_before_measuring_the_interval_lies_around_the_mean(known):
    predictor, _, y = known
    prediction = predictor.before_measuring(np.arange(len(y)))
    low, high = prediction.interval(0.9)
    assert (low < prediction.mean_s).all()
    assert (prediction.mean_s < high).all()
    assert prediction.quantile(0.5) == pytest.approx(prediction.mean_s, rel=0.05)


def test_a_device_said_to_be_like_another_is_expected_to_be_it(known):
    predictor, pool, _ = known
    everything = np.arange(pool.rows)
    for place, device in enumerate(pool.devices):
        like = predictor.before_measuring(everything, [device])
        assert correlation(like.mean_s, pool.latency_s[:, place]) > 0.99
        assert like.mean_s.mean() == pytest.approx(pool.latency_s[:, place].mean(), rel=0.02)
    both = predictor.before_measuring(everything, list(pool.devices))
    assert correlation(both.mean_s, predictor.before_measuring(everything).mean_s) > 0.9


def test_like_must_name_devices_of_the_pool(known):
    predictor, _, _ = known
    for like, says in (("a", "list of devices"), ([], "at least one"), (["x9"], "no device 'x9'")):
        with pytest.raises(OptionError, match=says):
            predictor.before_measuring([0], like)


def test_widths_are_read_off_between_counts_and_never_shrink():
    calibration = Calibration(np.array([3.0, 10.0]), np.array([2.0, 0.5]))
    assert calibration.factor(1) == calibration.factor(3) == 2
    assert 1 < calibration.factor(5) < 2
    assert calibration.factor(10) == calibration.factor(500) == 1


def test_intervals_hold_on_devices_of_the_same_kind():
    rng = np.random.default_rng(5)
    work = rng.gamma(2, 1, (250, 6))
    speeds = rng.gamma(4, 0.25, (6, 24))
    latency = (work @ speeds + 1) * rng.lognormal(0, 0.03, (250, 24)) * 1e-3
    names = tuple(f"d{i}" for i in range(24))
    predictor = FewShotPredictor.fit(DevicePool(work, latency[:, :10], names[:10]))
    covered = []
    for j in range(10, 24):
        rows = rng.permutation(250)
        low, high = (
            predictor.adapt(rows[:10], latency[rows[:10], j]).predict(rows[10:]).interval(0.9)
        )
        truth = latency[rows[10:], j]
        covered.append(np.mean((low <= truth) & (truth <= high)))
    assert 0.82 < np.mean(covered) < 0.97
