"""Large pools: blocks give what the whole gives, and nothing large is kept."""

from dataclasses import fields, replace

import numpy as np
import pytest
from scipy.stats import spearmanr

from hwprof import blocks
from hwprof.errors import OptionError
from hwprof.predictors.fewshot import FewShotPredictor, sampling, weighted
from hwprof.predictors.fewshot.lookup import RowLookup
from hwprof.predictors.fewshot.transfer import transfer_maps
from hwprof.predictors.pool import DevicePool
from hwprof.similarity import PLAIN, Component, Identity, Linear, Rbf, RbfBasis, Similarity

ROWS, DEVICES = 150, 4
# Plain features, with fewer settings to average.
QUICK = replace(
    PLAIN, device_weights=(0.5,), transfer_weights=((0.01,), (0.01,)), noises=(1e-4, 0.03)
)


def smooth_pool(missing: float = 0.3) -> tuple[DevicePool, np.ndarray, np.ndarray]:
    """Random features, a device that the pool lacks, and new rows with its latencies after them."""
    rng = np.random.default_rng(3)
    features = rng.standard_normal((2 * ROWS, 6))
    hidden = features @ rng.standard_normal((6, 2))
    costs = rng.gamma(2.0, 0.2, (2, DEVICES + 1))
    latency = np.exp(0.3 * hidden @ costs) * 1e-3
    # Without noise, predictions would be rounded to find ties.
    latency *= np.exp(0.03 * rng.standard_normal(latency.shape))
    values = latency[:ROWS, :DEVICES].copy()
    values[rng.random(values.shape) < missing] = np.nan
    pool = DevicePool(features[:ROWS], values, [f"device{j}" for j in range(DEVICES)])
    return pool, latency[:, DEVICES], features[ROWS:]


@pytest.fixture(scope="module")
def whole() -> FewShotPredictor:
    return FewShotPredictor.fit(smooth_pool()[0], similarity=QUICK)


def test_blocks_give_what_the_whole_gives(whole, monkeypatch):
    pool, y, new = smooth_pool()
    rows = whole.select(10)
    everything = np.arange(ROWS)
    expected = whole.adapt(rows, latency_s=y[rows])
    answers = [expected.predict(asked) for asked in (everything, new)]
    quantiles = [answer.quantile(0.9) for answer in answers]
    monkeypatch.setattr(blocks, "ROWS", 16)
    monkeypatch.setattr(weighted, "CACHED", 7)
    parts = FewShotPredictor.fit(pool, similarity=QUICK)
    np.testing.assert_array_equal(parts.select(10), rows)
    found = parts.adapt(rows, latency_s=y[rows])
    shuffled = np.random.default_rng(0).permutation(ROWS)
    for asked, answer, quantile in zip((everything, new), answers, quantiles, strict=True):
        np.testing.assert_allclose(found.predict(asked).mean_s, answer.mean_s, rtol=1e-5)
        np.testing.assert_allclose(found.predict(asked).quantile(0.9), quantile, rtol=1e-5)
    by_row = found.predict(shuffled).mean_s
    np.testing.assert_allclose(by_row, answers[0].mean_s[shuffled], rtol=1e-5)


def test_nothing_of_all_rows_is_kept_in_double_precision_but_the_features(whole):
    fitted = whole.fitted
    kept = {one.name: getattr(fitted, one.name) for one in fields(fitted)}
    arrays = {name: value for name, value in kept.items() if isinstance(value, np.ndarray)}
    double = {n for n, a in arrays.items() if a.dtype == np.float64 and len(a) == ROWS}
    assert double == {"features"}
    assert fitted.rows.features is fitted.features
    assert fitted.rows.shape == (ROWS, len(fitted.prior.constant))
    np.testing.assert_allclose(fitted.compact, fitted.rows[:], rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(fitted.rows[np.array([3, 1]), 0], fitted.rows[[3, 1]][:, 0])


def test_integers_are_looked_up_in_bytes():
    features = np.random.default_rng(0).integers(0, 4, (50, 6)).astype(float)
    lookup = RowLookup.of(features)
    assert lookup is not None
    assert lookup.features.dtype == np.uint8


def test_a_prediction_maps_an_architecture_once(whole):
    assert [type(basis) for basis in whole.fitted.prior.bases] == [Identity, RbfBasis]
    features, flat = whole.fitted.features, np.ones(ROWS)

    def shared(smoothing: Component, transfer: Component) -> bool:
        rng = np.random.default_rng(0)
        maps = (smoothing.fit(features, flat, rng),)
        similarity = Similarity("some", (smoothing,), (transfer,))
        (found,) = transfer_maps(similarity, maps, features, flat, rng)
        return found.basis is maps[0].basis

    assert shared(Rbf(), Rbf(rank=60))
    assert shared(Rbf(rank=60), Rbf(rank=20))
    assert not shared(Rbf(), Rbf(length=2.0))
    assert not shared(Rbf(), Rbf(landmarks=50))
    # Directions that are not there cannot be shared.
    assert not shared(Rbf(rank=20), Rbf(rank=60))
    assert not shared(Rbf(rank=20), Rbf())
    assert not shared(Linear(), Linear())


def test_a_shared_map_is_that_of_its_leading_directions(whole):
    pool = smooth_pool()[0]
    rng = np.random.default_rng(0)
    full = Rbf().fit(pool.features, np.ones(ROWS), rng)
    own = Rbf(rank=60).fit(pool.features, np.ones(ROWS), np.random.default_rng(0))
    np.testing.assert_allclose(full.matrix[:, :60], own.matrix)


@pytest.mark.parametrize("far", [0.0, 1e6])
def test_single_precision_gives_the_weighted_sum(far):
    rng = np.random.default_rng(0)
    features = np.concatenate([far + rng.standard_normal((80, 4)), np.ones((80, 1))], axis=1)
    # One feature never varies, and is far from the origin: neither may cost digits.
    basis = Rbf(landmarks=40).fit(features[:60], np.ones(60), rng).basis
    weights = rng.standard_normal(40)
    apart = features[:, None, :4] / basis.scale[:4] - basis.landmarks[:, :4]
    expected = np.exp(-0.5 * (apart**2).sum(axis=2)) @ weights
    found = weighted.weighted(basis, features, weights, 1e6)
    np.testing.assert_allclose(found, expected, atol=3e-5)
    # Where single precision could be seen in the result, it is not used.
    double = basis(features) @ weights
    np.testing.assert_array_equal(weighted.weighted(basis, features, weights, 1e-6), double)


def test_new_rows_are_predicted_as_their_prior_features_say(whole):
    _, y, new = smooth_pool()
    rows = whole.select(10)
    adapted = whole.adapt(rows, latency_s=y[rows])
    expected = adapted.fitted.phi(new) @ adapted.weights
    # A device without noise is rounded to a thousandth of its mean.
    step = 1.01e-3 * adapted.evidence.scale_s
    np.testing.assert_allclose(adapted.predict(new).mean_s, expected, atol=step)
    assert spearmanr(adapted.predict(new).mean_s, y[ROWS:]).statistic > 0.95
    of_rows = adapted.predict(np.arange(ROWS)).mean_s
    np.testing.assert_allclose(adapted.predict(whole.fitted.features).mean_s, of_rows, atol=step)


def test_a_callers_features_stay_writable(whole):
    new = np.random.default_rng(0).standard_normal((5, 6))
    assert whole.before_measuring(new).mean_s.shape == (5,)
    new[0, 0] = 1.0
    with pytest.raises(OptionError, match="row 3 feature 1"):
        whole.before_measuring(np.where(np.arange(30).reshape(5, 6) == 19, np.nan, new))


def test_a_large_pool_is_rehearsed_on_a_part(monkeypatch):
    pool, y, new = smooth_pool(missing=0.6)
    relative = np.arange(ROWS * DEVICES, dtype=float).reshape(ROWS, DEVICES)
    same, rows = sampling.rehearsed(pool, relative, np.random.default_rng(0))
    assert same is pool
    assert rows is relative
    monkeypatch.setattr(sampling, "_ALL", 100)
    monkeypatch.setattr(sampling, "_DRAWN", 10)
    monkeypatch.setattr(sampling, "_MEASURED", 20)
    part, rows = sampling.rehearsed(pool, relative, np.random.default_rng(0))
    assert 20 <= part.rows <= 10 + 20 * DEVICES
    assert (part.measured.sum(axis=0) >= 20).all()
    place = (rows[:, 0] / DEVICES).astype(int)
    np.testing.assert_array_equal(part.features, pool.features[place])
    np.testing.assert_array_equal(part.values, pool.values[place])
    predictor = FewShotPredictor.fit(pool, similarity=QUICK)
    chosen = predictor.select(10)
    adapted = predictor.adapt(chosen, latency_s=y[chosen])
    assert spearmanr(adapted.predict(new).mean_s, y[ROWS:]).statistic > 0.9


def test_many_candidates_are_drawn_from_always_alike(whole, monkeypatch):
    monkeypatch.setattr(sampling, "CANDIDATES", 12)
    few = np.arange(0, 20, 2)
    np.testing.assert_array_equal(sampling.candidates_of(few, 3), few)
    many = np.arange(100, 140)
    drawn = sampling.candidates_of(many, 3)
    assert len(np.unique(drawn)) == 12
    assert np.isin(drawn, many).all()
    np.testing.assert_array_equal(sampling.candidates_of(many, 3), drawn)
    assert len(sampling.candidates_of(many, 30)) == 30
    usual = np.setdiff1d(many, whole.fitted.unusual)
    drawn = sampling.candidates_of(usual, 5)
    assert len(drawn) == 12
    assert np.isin(whole.select(5, candidates=many), drawn).all()
    assert len(np.unique(whole.select(20))) == 20


def test_bad_cells_of_any_block_are_named(monkeypatch):
    monkeypatch.setattr(blocks, "ROWS", 4)
    values = np.ones((10, 2))
    values[9, 1] = -1
    with pytest.raises(OptionError, match=r"row 9 on b = -1"):
        DevicePool(np.eye(10), values, ("a", "b"))
    features = np.eye(10)
    features[7, 2] = np.inf
    with pytest.raises(OptionError, match="row 7 feature 2"):
        DevicePool(features, np.ones((10, 2)), ("a", "b"))
