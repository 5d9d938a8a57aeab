"""Architectures that a pool never held: measured, learned from, chosen and kept in files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hwprof import spaces
from hwprof.errors import OptionError, TableError
from hwprof.predictors import shipped
from hwprof.predictors.baselines.ridge import RidgeRegression
from hwprof.predictors.fewshot import AdaptedFewShot, FewShotPredictor
from hwprof.predictors.known import KnownDevices, known_devices
from hwprof.predictors.measurements import ArchCost
from hwprof.predictors.pool import DevicePool
from hwprof.predictors.pools.pseudo import pseudo_pool
from hwprof.search import LimitedSearch

SPACE = "mobilenetv3"


@pytest.fixture(scope="module")
def pool() -> DevicePool:
    return pseudo_pool(SPACE, rows=60)


@pytest.fixture(scope="module")
def fitted(pool: DevicePool) -> FewShotPredictor:
    return FewShotPredictor.fit(pool, similarity=spaces.get(SPACE).similarity())


@pytest.fixture(scope="module")
def outside(pool: DevicePool) -> tuple[np.ndarray, np.ndarray]:
    """Features and latencies of forty architectures that are not in the pool."""
    space = spaces.get(SPACE)
    rows = space.sample(40, np.random.default_rng(5))
    work = space.analytic(rows)
    seconds = work @ (np.arange(1, work.shape[1] + 1) / work.mean(axis=0)) * 1e-3
    features = space.encode(rows).astype(np.float64)
    assert not (pool.features[:, None] == features).all(axis=2).any()
    return features, seconds


def test_foreign_architectures_teach_as_those_of_a_pool_do(
    pool: DevicePool, outside: tuple[np.ndarray, np.ndarray]
) -> None:
    features, seconds = outside
    similarity = spaces.get(SPACE).similarity()
    none = np.full((8, len(pool.devices)), np.nan)
    within = DevicePool(
        np.concatenate([pool.features, features[:8]]),
        np.concatenate([pool.values, none]),
        pool.devices,
    )
    known = FewShotPredictor.fit(within, similarity=similarity)
    # Fitted alike: rows that nobody measured teach nothing, but are drawn among for landmarks.
    there = known.adapt(np.arange(pool.rows, within.rows), seconds[:8], check_units=False)
    given_features = known.adapt(features[:8], seconds[:8], check_units=False)
    np.testing.assert_array_equal(there.measured.indices, given_features.measured.indices)
    np.testing.assert_array_equal(
        there.predict(features).mean, given_features.predict(features).mean
    )


def test_they_are_told_from_those_of_the_pool(
    fitted: FewShotPredictor, pool: DevicePool, outside: tuple[np.ndarray, np.ndarray]
) -> None:
    features, seconds = outside
    mixed = np.concatenate([pool.features[[3, 7]], features[:4]])
    adapted = fitted.adapt(mixed, seconds[:6], check_units=False)
    assert adapted.measured.indices.tolist()[:2] == [3, 7]
    assert sorted(adapted.measured.indices.tolist()[2:]) == list(range(pool.rows, pool.rows + 4))
    assert (adapted.fitted.own, adapted.fitted.foreign) == (pool.rows, 4)
    assert fitted.fitted.foreign == 0
    # The mean of what was measured lies near it, and rows and features say the same.
    by_row = adapted.predict(adapted.measured.indices)
    by_feature = adapted.predict(mixed)
    np.testing.assert_allclose(by_row.mean, by_feature.mean, rtol=1e-5)
    assert np.abs(by_row.mean / seconds[:6] - 1).max() < 0.5


def test_ten_of_them_predict_the_rest(
    fitted: FewShotPredictor, outside: tuple[np.ndarray, np.ndarray]
) -> None:
    features, seconds = outside
    adapted = fitted.adapt(features[:10], seconds[:10], check_units=False)
    prediction = adapted.predict(features[10:])
    error = np.abs(prediction.mean / seconds[10:] - 1)
    assert np.median(error) < 0.05
    low, high = prediction.interval(0.9)
    assert ((low <= seconds[10:]) & (seconds[10:] <= high)).mean() > 0.7


@settings(max_examples=8, deadline=None)
@given(order=st.permutations(range(8)), first=st.integers(1, 7))
def test_order_makes_no_difference(
    fitted: FewShotPredictor,
    outside: tuple[np.ndarray, np.ndarray],
    order: list[int],
    first: int,
) -> None:
    features, seconds = outside
    once = fitted.adapt(features[:8], seconds[:8], check_units=False)
    some, others = order[:first], order[first:]
    later = fitted.adapt(features[some], seconds[some], check_units=False)
    later = later.update(features[others], seconds[others])
    np.testing.assert_allclose(later.predict(features).mean, once.predict(features).mean, rtol=1e-6)


@pytest.mark.parametrize("space", ["mobilenetv3", "fbnet", "nasbench201"])
@pytest.mark.parametrize("count", [10, 40, 80])
def test_order_makes_no_difference_to_many(space: str, count: int) -> None:
    """Beyond 20 measurements some of them choose among the hyper-parameters: always the same."""
    form, rng = spaces.get(space), np.random.default_rng(3)
    small = pseudo_pool(space, rows=200)
    predictor = FewShotPredictor.fit(small, similarity=form.similarity())
    drawn = np.unique(form.encode(form.sample(200, rng)).astype(np.float64), axis=0)
    features = rng.permutation(drawn[predictor.fitted.find(drawn) < 0])[:count]
    assert len(features) == count
    base = predictor.adapt(np.arange(10), 0.01 * small.values[:10, 1], check_units=False)
    values = base.predict(features).mean * np.exp(0.15 * rng.standard_normal(count))
    values[5] *= 6

    def told(order: np.ndarray) -> AdaptedFewShot:
        adapted = predictor.adapt(features[order[:5]], values[order[:5]], check_units=False)
        for start in range(5, count, 5):
            some = order[start : start + 5]
            adapted = adapted.update(features[some], values[some])
        return adapted

    one, other = told(np.arange(count)), told(rng.permutation(count))
    asked = form.encode(form.sample(100, rng))
    for read in ("mean", "std"):
        first, second = (getattr(each.predict(asked), read) for each in (one, other))
        np.testing.assert_allclose(first, second, rtol=1e-6)
    np.testing.assert_array_equal(one.outliers, other.outliers)
    np.testing.assert_allclose(one.embedding.similarity, other.embedding.similarity, rtol=1e-6)
    np.testing.assert_array_equal(one.embedding.nearest, other.embedding.nearest)


def test_messages_count_what_was_measured(
    fitted: FewShotPredictor, outside: tuple[np.ndarray, np.ndarray]
) -> None:
    features, seconds = outside
    with pytest.raises(OptionError, match="is -1 for architecture 2 of those measured; measure"):
        fitted.adapt(features[:2], [1.0, -1.0])
    with pytest.raises(OptionError, match=r"duplicates \(architecture 1 of those measured\)"):
        fitted.adapt(features[[0, 0]], seconds[:2], check_units=False)
    values = np.where(np.arange(40) == 2, 9 * seconds, seconds)
    order = [2, *range(2), *range(3, 6)]
    adapted = fitted.adapt(features[order], values[order], check_units=False)
    (told,) = [each for each in adapted.warnings if "outliers" in each]
    assert "(architecture 1 of those measured)" in told


def test_other_predictors_say_that_they_take_no_features(pool: DevicePool) -> None:
    with pytest.raises(OptionError, match="the few-shot predictor alone takes features"):
        RidgeRegression.fit(pool).adapt(pool.features[:4], pool.values[:4, 0])


def test_the_file_of_a_device_gives_its_predictor(
    fitted: FewShotPredictor, outside: tuple[np.ndarray, np.ndarray], tmp_path: Path
) -> None:
    features, seconds = outside
    fitted.adapt(features, seconds, check_units=False).save(tmp_path / "a.device")
    again = FewShotPredictor.load(tmp_path / "a.device")
    assert again.fitted.foreign == 0
    np.testing.assert_array_equal(again.fitted.features, fitted.fitted.features)
    np.testing.assert_array_equal(again.select(10), fitted.select(10))


def test_candidates_are_whole_numbers_or_features(fitted: FewShotPredictor) -> None:
    with pytest.raises(OptionError, match="must be integers"):
        fitted.select(2, candidates=[0.2, 1.5, 2.7])


def test_repeats_are_one_architecture(
    fitted: FewShotPredictor, outside: tuple[np.ndarray, np.ndarray]
) -> None:
    features, seconds = outside
    with pytest.raises(OptionError, match="duplicates"):
        fitted.adapt(features[[0, 0]], seconds[:2], check_units=False)
    adapted = fitted.adapt(features[:4], seconds[:4], check_units=False)
    again = adapted.update(features[[2]], seconds[[2]])
    assert again.fitted.foreign == 4
    assert len(again.measured.indices) == 5


def test_they_are_kept_in_files(
    fitted: FewShotPredictor, outside: tuple[np.ndarray, np.ndarray], tmp_path: Path
) -> None:
    features, seconds = outside
    adapted = fitted.adapt(features[:6], seconds[:6], "mine", check_units=False)
    adapted.save(tmp_path / "a.device")
    again = AdaptedFewShot.load(tmp_path / "a.device")
    assert (again.fitted.foreign, again.device) == (6, "mine")
    np.testing.assert_allclose(
        again.predict(features).mean, adapted.predict(features).mean, rtol=1e-6
    )
    # Without its names one more row would be one of the pool's.
    content = (tmp_path / "a.device").read_bytes()
    (tmp_path / "b.device").write_bytes(content.replace(b'foreign\\":6', b'foreign\\":5'))
    with pytest.raises(TableError, match="its names do not fit"):
        AdaptedFewShot.load(tmp_path / "b.device")


def test_features_that_do_not_fit_are_refused(fitted: FewShotPredictor) -> None:
    for wrong in (np.ones((2, 3)), np.full((2, fitted.fitted.features.shape[1]), np.nan)):
        with pytest.raises(OptionError, match="features must"):
            fitted.adapt(wrong, [1.0, 2.0])


def test_select_among_features(
    fitted: FewShotPredictor, outside: tuple[np.ndarray, np.ndarray]
) -> None:
    features, _ = outside
    chosen = fitted.select(5, candidates=features)
    assert len(set(chosen.tolist())) == 5
    assert set(chosen.tolist()) <= set(range(40))
    twice = np.concatenate([features[:3], features[:3]])
    assert sorted(fitted.select(3, candidates=twice).tolist()) == [0, 1, 2]
    assert set(fitted.select(2, candidates=features[:4], exclude=[0, 1]).tolist()) == {2, 3}
    with pytest.raises(OptionError, match="the 3 candidates that differ"):
        fitted.select(4, candidates=twice)


def test_a_limited_search_among_architectures_of_ones_own(
    fitted: FewShotPredictor, outside: tuple[np.ndarray, np.ndarray]
) -> None:
    features, seconds = outside
    gain = (
        spaces.get(SPACE)
        .flops(spaces.get(SPACE).sample(40, np.random.default_rng(5)))
        .astype(np.float64)
    )
    limit = float(np.quantile(seconds, 0.5))
    adapted = fitted.adapt(features[:3], seconds[:3], check_units=False)
    search = LimitedSearch.start(
        adapted, features, gain, limit, tuple((i, float(seconds[i])) for i in range(3))
    )
    for _ in range(10):
        place = search.propose()
        if place is None:
            break
        search = search.tell(place, float(seconds[place]))
    best = search.best()
    assert best is not None
    assert seconds[best] <= limit
    possible = np.flatnonzero(seconds <= limit)
    assert gain[best] >= np.quantile(gain[possible], 0.8)
    with pytest.raises(OptionError, match="a place among the 40 candidates"):
        search.tell(40, 1.0)


def test_measurements_by_text_need_not_be_of_the_pool(pool: DevicePool) -> None:
    space = spaces.get(SPACE)
    rows = space.sample(6, np.random.default_rng(9))
    known = [ArchCost(arch, 1e-3 * (1 + i)) for i, arch in enumerate(space.texts(rows))]
    found = shipped.adapt_shipped(KnownDevices(space, pool, idealised=True), known)
    assert found.adapted.fitted.foreign == 6
    assert len(found.answer()) == pool.rows
    (answer,) = found.answer([known[0].arch])
    assert answer.low <= answer.mean <= answer.high


def test_idealised_machines_stand_in_for_a_pool() -> None:
    known = known_devices(SPACE, seed=3)
    assert known.idealised
    assert "idealised machines stand for devices" in known.says
    assert len(known.pool.devices) > 3
    assert (known.pool.values > 0).all()
    np.testing.assert_allclose(known.pool.values.mean(axis=0), 1.0)
    assert known.pool.names != known_devices(SPACE, seed=4).pool.names
    with pytest.raises(OptionError, match="--space"):
        known_devices()


def test_a_limited_search_is_told_of_features(
    fitted: FewShotPredictor, outside: tuple[np.ndarray, np.ndarray]
) -> None:
    features, seconds = outside
    adapted = fitted.adapt(features[:3], seconds[:3], check_units=False)
    gain = np.linspace(1, 2, 20)
    search = LimitedSearch.start(adapted, features[:20], gain, float(seconds.max()))
    # A candidate, which counts as told by its place.
    by_place, by_feature = search.tell(7, 1.0), search.tell(features[7], 1.0)
    assert by_feature.known == by_place.known == ((7, 1.0),)
    np.testing.assert_array_equal(
        by_feature.adapted.predict(features).mean_s, by_place.adapted.predict(features).mean_s
    )
    # Any other teaches the predictor alone.
    other = search.tell(features[30], float(seconds[30]))
    assert other.known == ()
    assert not np.array_equal(
        other.adapted.predict(features).mean_s, adapted.predict(features).mean_s
    )
    for wrong in (features[:2], np.ones(3)):
        with pytest.raises(OptionError, match="features must"):
            search.tell(wrong, 1.0)
    with pytest.raises(OptionError, match="row must be an integer"):
        search.tell(1.5, 1.0)


def test_a_search_among_rows_is_told_of_features(
    fitted: FewShotPredictor, pool: DevicePool, outside: tuple[np.ndarray, np.ndarray]
) -> None:
    features, seconds = outside
    adapted = fitted.adapt([0, 1, 2], seconds[:3], check_units=False)
    search = LimitedSearch.start(adapted, np.arange(20), np.linspace(1, 2, 20), 1.0)
    assert search.tell(pool.features[9], 0.5).known == ((9, 0.5),)
    after = search.tell(pool.features[19], 0.5)
    assert after.best() == 19
    # No candidate: nothing to propose or find, but something to learn.
    other = search.tell(features[30], float(seconds[30]))
    assert other.propose() in range(20)
    assert isinstance(other.adapted, AdaptedFewShot)
    assert other.adapted.measured.indices[-1] == pool.rows
