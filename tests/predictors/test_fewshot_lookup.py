"""Feature rows that the pool holds are found; others are not."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from hwprof import spaces
from hwprof.predictors.fewshot import FewShotPredictor
from hwprof.predictors.fewshot.lookup import RowLookup
from hwprof.predictors.pool import DevicePool


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 1000), st.integers(1, 200), st.integers(1, 40), st.integers(1, 5))
def test_every_row_is_found_and_no_other(seed, n, d, top):
    rng = np.random.default_rng(seed)
    features = rng.integers(0, top + 1, (n, d)).astype(float)
    lookup = RowLookup.of(features)
    asked = rng.permutation(n)
    np.testing.assert_array_equal(features[lookup(features[asked])], features[asked])
    other = features + 0.25
    assert (lookup(other) == -1).all()
    assert (lookup(other[:1]) == -1).all()


def test_only_small_integers_are_looked_up():
    assert RowLookup.of(np.array([[0.5]])) is None
    assert RowLookup.of(np.array([[-1.0]])) is None
    assert RowLookup.of(np.array([[256.0]])) is None


def test_known_and_new_architectures_are_predicted_alike():
    space = spaces.get("nasbench201")
    rng = np.random.default_rng(0)
    chosen = np.unique(rng.integers(0, 5, (300, 6)), axis=0)
    archs = [space.format(row) for row in np.array(space.operations)[chosen]]
    features = space.encode(archs)
    latency = (features @ rng.gamma(2, 1, (30, 4)) + 1) * 1e-3
    pooled = len(archs) - 60
    names = ("a", "b", "c")
    similarity = space.similarity()
    pool = DevicePool(features[:pooled], latency[:pooled, :3], names)
    predictor = FewShotPredictor.fit(pool, similarity=similarity)
    rows = predictor.select(8)
    adapted = predictor.adapt(rows, latency[rows, 3])
    mixed = adapted.predict(features)
    known = adapted.predict(np.arange(pooled))
    new = adapted.predict(features[pooled:])
    np.testing.assert_allclose(mixed.mean_s[:pooled], known.mean_s, rtol=1e-5)
    np.testing.assert_allclose(mixed.mean_s[pooled:], new.mean_s, rtol=1e-9)
    np.testing.assert_allclose(mixed.quantile(0.9)[:pooled], known.quantile(0.9), rtol=1e-6)
    only_known = adapted.predict(features[:pooled])
    np.testing.assert_allclose(only_known.mean_s, known.mean_s, rtol=1e-6)
