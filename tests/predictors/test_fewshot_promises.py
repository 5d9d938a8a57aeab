"""What the few-shot model promises of devices unlike those of its pool."""

import numpy as np
import pytest

from hwprof.predictors.fewshot import AdaptedFewShot, FewShotPredictor
from hwprof.predictors.fewshot.mixture import leading
from hwprof.predictors.fewshot.posterior import Grid, Posterior
from hwprof.predictors.fewshot.prior import device_shares
from hwprof.predictors.fewshot.rehearsal import gather
from hwprof.predictors.fewshot.selection import design
from hwprof.predictors.pool import DevicePool
from tests.predictors.test_fewshot import make


@pytest.fixture(scope="module")
def known():
    pool, y = make(rows=120)
    return FewShotPredictor.fit(pool), pool, y


def told(adapted, words):
    return [warning for warning in adapted.warnings if words in warning]


def test_a_negative_mean_makes_no_negative_scale():
    # Smoothed costs of small rows may come out below zero; a device's speed may not.
    phi = np.array([[-0.4, 1.0], [-0.2, 1.0], [0.01, 1.0]])
    evidence = gather(phi, np.array([1e-3, 2e-3, 3e-3]), (slice(1, 2),))
    assert evidence.scale_s > 0


def test_settings_stand_for_the_whole_grid():
    weight = np.array([0.3, 0.25, 0.2, 0.1, 0.1, 0.05])
    noises = np.array([0.01, 0.02, 0.03, 0.2, 0.4, 0.8])
    none = np.zeros((0, 6))
    posterior = Posterior(np.ones((6, 1)), noises, np.log(weight), none, none, np.zeros(0))
    found, shares = leading(posterior)
    assert shares.sum() == pytest.approx(1)
    np.testing.assert_allclose(shares @ noises[found] ** 2, weight @ noises**2, rtol=0.2)
    # The noisy quarter is there, though each of its settings is unlikely.
    assert shares[noises[found] > 0.1].sum() == pytest.approx(0.25, abs=0.05)


def test_copies_of_a_device_count_as_one():
    rng = np.random.default_rng(0)
    four = rng.gamma(4, 0.25, (300, 4))
    four /= four.mean(axis=0)
    copies = np.repeat(four[:, :1], 6, axis=1) * (1 + 0.002 * rng.standard_normal((300, 6)))
    shares = device_shares(np.concatenate([copies, four[:, 1:]], axis=1))
    assert shares[:6].sum() == pytest.approx(0.25, abs=0.02)


def test_rows_that_most_of_the_pool_lacks_are_not_selected(known):
    _, pool, _ = known
    values = pool.latency_s.copy()
    values[60:, 1:] = np.nan
    predictor = FewShotPredictor.fit(DevicePool(pool.features, values, pool.devices))
    assert predictor.select(20).max() < 60
    # Where nothing else is left, they are.
    assert len(predictor.select(100)) == 100
    assert predictor.select(3, candidates=range(60, 120)).min() >= 60


def designed(phi, switches=(), k=6):
    columns = np.array(switches, dtype=np.int64)
    grid = Grid(np.ones((1, 1)), np.array([0.05]), np.zeros(1))
    return design(phi, (slice(1, phi.shape[1]),), grid, np.arange(len(phi)), k, columns)


def test_the_first_are_what_every_device_runs_whole():
    rng = np.random.default_rng(0)
    phi = np.column_stack([rng.uniform(0.5, 1.5, 200), rng.standard_normal((200, 3))])
    # A tenth of the rows are large in a column that is zero for the others.
    phi[:, 3] = np.where(np.arange(200) % 10, 0, 5)
    assert (designed(phi)[:3] % 10 == 0).any()
    rows = designed(phi, switches=[3])
    assert (rows[:3] % 10).all()
    # Later ones tell whether the device runs the rest.
    assert (rows[3:] % 10 == 0).any()
    # Where there are no others, they have to do.
    assert len(designed(phi[::10], switches=[3])) == 6


def test_the_ends_are_not_measured_first():
    rng = np.random.default_rng(0)
    phi = np.column_stack([np.linspace(0.1, 3, 200), rng.standard_normal((200, 3))])
    phi[[0, 1, 198, 199], 1:] *= 10
    rows = designed(phi)
    assert rows[:3].min() > 9
    assert rows[:3].max() < 190
    assert sorted(designed(phi, k=200)) == list(range(200))


def test_few_measurements_are_told(known):
    predictor, _, y = known
    rows = predictor.select(8)
    assert told(predictor.adapt(rows[:3], y[rows[:3]]), "3 measurements do not tell")
    assert not told(predictor.adapt(rows, y[rows]), "do not tell")


def test_a_small_pool_is_told(known):
    _, pool, y = known
    two = FewShotPredictor.fit(pool.subset(pool.devices[:2]))
    rows = two.select(8)
    assert told(two.adapt(rows, y[rows]), "only 2 devices")


def test_measurements_of_small_ones_alone_are_told(known):
    predictor, pool, y = known
    small = np.argsort(pool.latency_s.mean(axis=1))[:10]
    assert told(predictor.adapt(small, y[small]), "cost less or more than all those measured")
    rows = predictor.select(10)
    assert not told(predictor.adapt(rows, y[rows]), "all those measured")


def test_a_pool_of_small_ones_alone_is_told_and_kept(known, tmp_path):
    _, pool, y = known
    small = np.argsort(pool.latency_s.mean(axis=1))[:30]
    values = np.full(pool.latency_s.shape, np.nan)
    values[small] = pool.latency_s[small]
    predictor = FewShotPredictor.fit(DevicePool(pool.features, values, pool.devices))
    adapted = predictor.adapt(small[:8], y[small[:8]])
    adapted.save(tmp_path / "device.hwp")
    again = AdaptedFewShot.load(tmp_path / "device.hwp")
    assert told(adapted, "that its devices measured")
    assert again.warnings == adapted.warnings
    assert np.array_equal(again.fitted.unusual, predictor.fitted.unusual)


def test_noise_and_outliers_are_told(known):
    predictor, _, y = known
    rows = predictor.select(20)
    rng = np.random.default_rng(0)
    noisy = y[rows] * np.exp(0.8 * rng.standard_normal(20))
    assert told(predictor.adapt(rows, noisy), "off what the pool lets expect")
    struck = y[rows].copy()
    struck[[2, 7, 11, 15]] *= 10
    assert told(predictor.adapt(rows, struck), "look like outliers")
    assert not predictor.adapt(rows, y[rows]).warnings


def test_a_constant_that_drowns_the_rest_is_told(known):
    predictor, _, y = known
    rows = predictor.select(8)
    late = y + 20 * np.median(y)
    assert told(predictor.adapt(rows, late[rows]), "is the same for all")
    assert not told(predictor.adapt(rows, y[rows]), "is the same for all")


def test_a_coarse_clock_is_told(known):
    predictor, _, y = known
    rows = predictor.select(10)
    coarse = np.ceil(y[rows] / (0.3 * y.mean())) * 0.3 * y.mean()
    assert told(predictor.adapt(rows, coarse), "knows few levels")
    # The same architecture measured twice is no tie.
    twice = np.concatenate([rows, rows])
    error = np.full(20, 1e-6)
    values = np.concatenate([y[rows], y[rows]])
    assert not told(predictor.adapt(twice, values, std_error=error), "knows few levels")


def test_a_constant_time_per_call_is_found(known):
    predictor, _, y = known
    late = y + 10 * np.median(y)
    rows = predictor.select(12)
    mean_s = predictor.adapt(rows, late[rows]).predict(np.arange(len(y))).mean_s
    assert np.median(np.abs(mean_s / late - 1)) < 0.01
    assert np.corrcoef(mean_s, late)[0, 1] > 0.95
