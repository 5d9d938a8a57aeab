"""Many architectures at a time: tables give what the bases do, and know when they cannot."""

from __future__ import annotations

from functools import cache
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hwprof import spaces
from hwprof.predictors.fewshot import FewShotPredictor
from hwprof.predictors.fewshot.adapted import AdaptedFewShot
from hwprof.predictors.fewshot.folded import fold, whole
from hwprof.predictors.fewshot.positions import Positions
from hwprof.predictors.pool import DevicePool
from hwprof.predictors.pools.pseudo import pseudo_pool
from hwprof.similarity import HammingBasis, Identity, RbfBasis
from hwprof.spaces.tables import table_basis

SPACES = ("gpt", "mobilenetv3", "nasbench201", "resnet50", "transformer")


@cache
def adapted(space: str) -> AdaptedFewShot:
    pool = pseudo_pool(space, rows=200)
    predictor = FewShotPredictor.fit(pool, similarity=spaces.get(space).similarity())
    chosen = predictor.select(10)
    noise = 1 + 0.05 * np.random.default_rng(0).standard_normal(10)
    return predictor.adapt(chosen, 0.01 * pool.values[chosen, 1] * noise, check_units=False)


def features_of(space: str, count: int) -> np.ndarray:
    form = spaces.get(space)
    return form.encode(form.sample(count, np.random.default_rng(3))).astype(np.float64)


@pytest.mark.parametrize("space", SPACES)
def test_tables_give_what_the_bases_do(space: str) -> None:
    device = adapted(space)
    features = features_of(space, 3000)
    general = device.fitted.mapped(features, device.weights)
    tables = device.fitted.folds(
        features, device.weights, lambda rows: device.fitted.mapped(rows, device.weights)
    )
    assert tables is not None
    assert tables == pytest.approx(general, rel=1e-5)
    least = device.predict(features).mean.min()
    assert device.predict(features).mean == pytest.approx(np.maximum(general, least), rel=1e-5)


@pytest.mark.parametrize("space", SPACES)
def test_a_row_alone_is_as_one_of_many(space: str) -> None:
    device = adapted(space)
    features = features_of(space, 3000)
    many = device.predict(features).mean
    alone = [device.predict(row[None]).mean[0] for row in features[:5]]
    assert many[:5] == pytest.approx(alone, rel=1e-5)


@pytest.mark.parametrize("space", SPACES)
def test_relaxed_choices_are_worked_out_by_the_bases(space: str) -> None:
    device = adapted(space)
    features = features_of(space, 40)
    relaxed = 0.9 * features + 0.1 * features[::-1]
    # Some of a call are enough.
    mixed = np.concatenate([features, relaxed])
    for rows in (relaxed, mixed):
        general = device.fitted.mapped(rows, device.weights)
        tables = device.fitted.folds(rows, device.weights, lambda rows: rows[:, 0])
        assert tables is None
        predicted = device.predict(rows).mean
        assert predicted == pytest.approx(np.maximum(general, predicted.min()), rel=1e-5)


def test_a_choice_that_the_pool_lacks_is_worked_out_by_the_bases() -> None:
    rng = np.random.default_rng(0)
    positions = rng.integers(0, 3, (60, 4))
    features = np.eye(3)[positions].reshape(60, 12)
    pool_rows = positions[:, 1] != 2
    known = features[pool_rows]
    values = 1 + known @ rng.random((12, 3)) + 0.1 * rng.random((len(known), 3))
    device = FewShotPredictor.fit(DevicePool(known, values, ["a", "b", "c"])).adapt(
        np.arange(6), values[:6, 0]
    )
    new = features[~pool_rows]
    general = device.fitted.mapped(new, device.weights)
    assert device.predict(new).mean == pytest.approx(general, rel=1e-6)


class TestPositions:
    def test_of_a_space(self) -> None:
        for space in spaces.names():
            form = spaces.get(space)
            found = Positions.of(features_of(space, 400))
            assert found is not None
            assert np.array_equal(found.sizes, form.sizes), space
            assert found.width == form.width

    def test_choices_are_those_that_were_encoded(self) -> None:
        form = spaces.get("mobilenetv3")
        rows = form.sample(50, np.random.default_rng(1))
        found = Positions.of(features_of("mobilenetv3", 400))
        assert found is not None
        choices = found.choices(form.encode(rows).astype(float))
        assert choices is not None
        assert np.array_equal(choices, rows)

    @pytest.mark.parametrize(
        "features",
        [
            [[0.5, 0.5], [1, 0]],
            [[2, 0], [0, 2]],
            [[0, 0], [0, 0]],
            [[1, 0, 0], [1, 1, 0]],
            [[-1, 1], [1, -1]],
        ],
    )
    def test_there_are_none(self, features: list[list[float]]) -> None:
        assert Positions.of(np.array(features, dtype=float)) is None

    @pytest.mark.parametrize(
        "row", [[0.5, 0.5, 1, 0], [1, 1, 0, 0], [0, 0, 1, 1], [1, 0, 2, 0], [1, 0, -1, 0]]
    )
    def test_rows_that_are_not_one_hot_have_no_choices(self, row: list[float]) -> None:
        found = Positions(np.array([0, 2]), np.array([2, 2]))
        sound = [1.0, 0, 0, 1]
        assert found.choices(np.array([sound])) is not None
        assert found.choices(np.array([sound, row])) is None

    def test_a_grid_has_everything_once(self) -> None:
        found = Positions(np.array([0, 2, 5]), np.array([2, 3, 2]))
        choices = found.choices(found.grid())
        assert choices is not None
        assert choices.tolist() == [list(c) for c in product(range(2), range(3), range(2))]


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(1, 4), min_size=1, max_size=5), st.integers(0, 2**32 - 1))
def test_a_fold_is_the_sum(sizes: list[int], seed: int) -> None:
    rng = np.random.default_rng(seed)
    starts = np.append(0, np.cumsum(sizes)[:-1])
    positions = Positions(starts, np.array(sizes))
    width = sum(sizes)
    every = positions.grid()
    # Some functions depend on all positions, some on few, some features never varied.
    logs = rng.standard_normal((6, width))
    for row, (start, size) in zip(logs, zip(starts, sizes, strict=True), strict=False):
        row[:start] = 0
        row[start + size :] = 0
    rbf_scale = rng.uniform(0.5, 2, width)
    rbf_scale[rng.random(width) < 0.2] = np.inf
    some = sorted(set(rng.integers(0, len(sizes), 2).tolist()))
    table = rng.standard_normal((*(sizes[i] for i in some), 2))
    bases = (
        Identity(),
        RbfBasis(logs, np.ones(width)),
        RbfBasis(every[rng.integers(0, len(every), 3)] / rbf_scale, rbf_scale),
        HammingBasis(every[rng.integers(0, len(every), 3)], 0.7, len(sizes)),
        table_basis(sizes, [(some, table), ([0], rng.standard_normal((sizes[0], 2)))]),
    )
    weights = [rng.standard_normal(basis(every).shape[1]) for basis in bases]
    expected = 0.5 + sum(b(every) @ w for b, w in zip(bases, weights, strict=True))
    found = fold(positions, bases, weights, 0.5, scale=1e-9)
    assert found is not None
    assert found(every) == pytest.approx(expected, abs=1e-9)
    assert whole(positions, lambda rows: expected)(every) == pytest.approx(expected, abs=1e-12)
    assert found(every * 0.5) is None
