"""Columns of idealised machines: what they add up to, and what a similarity makes of them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hwprof import spaces
from hwprof.errors import OptionError
from hwprof.similarity import Identity
from hwprof.spaces.analytic import MACHINES, NOTHING, Analytic, CountedSpace, numbers
from hwprof.spaces.base import Costs
from hwprof.spaces.work import NAMES
from tests.spaces.few import Few

COMMON = ("arithmetic", "traffic", "operators", "roofline_2", "roofline_4", "roofline_8")
MORE = {
    "fbnet": {"depthwise"},
    "gpt": {"attention"},
    "mobilenetv3": {"depthwise", "wide_depthwise"},
    "nasbench201": {f"live_{name}" for name in COMMON},
    "resnet50": set(),
    "transformer": {"attention"},
}
SEEDS = st.integers(0, 2**32 - 1)


@pytest.mark.parametrize("name", MORE)
def test_names(name: str) -> None:
    assert set(spaces.get(name).analytic_names) == {*COMMON, *MORE[name]}


@settings(max_examples=12, deadline=None)
@given(st.sampled_from(sorted(MORE)), SEEDS)
def test_columns_are_the_work_of_the_layers(name: str, seed: int) -> None:
    space = spaces.get(name)
    (row,) = rows = space.sample(1, np.random.default_rng(seed))
    columns = dict(zip(space.analytic_names, space.analytic(rows)[0], strict=True))
    work = dict(zip(NAMES, numbers(space.costs(row)), strict=True))
    for key in (*COMMON, *MORE[name] & set(NAMES)):
        assert columns[key] == pytest.approx(work[key], rel=1e-12)


@pytest.mark.parametrize("name", MORE)
def test_a_component_has_them_over_their_mean(name: str) -> None:
    space, rng = spaces.get(name), np.random.default_rng(1)
    assert isinstance(space, CountedSpace)
    pool, others = space.sample(300, rng), space.sample(50, rng)
    component = Analytic(space, space.analytic_names)
    feature_map = component.fit(space.encode(pool).astype(float), np.ones(300), rng)
    assert not feature_map.offset.any()
    mean = space.analytic(pool).mean(axis=0)
    mapped = feature_map(space.encode(others).astype(float))
    np.testing.assert_allclose(mapped, space.analytic(others) / mean, rtol=1e-9)


@pytest.mark.parametrize("name", MORE)
def test_similarities_take_those_that_rank_best(name: str) -> None:
    space = spaces.get(name)
    component = space.similarity().analytic
    if name == "nasbench201":
        assert component is None  # docs/decisions/0006
    else:
        assert isinstance(component, Analytic)
        features = space.encode(space.sample(300, np.random.default_rng(1))).astype(float)
        mapped = component.fit(features, np.ones(300), np.random.default_rng(0))
        assert mapped.matrix.shape[1] == len(set(space.analytic_names) & set(MACHINES))


def test_many_rows_are_taken_in_parts() -> None:
    space = spaces.get("nasbench201")
    rows = space.sample(20_011, np.random.default_rng(0))
    columns = space.analytic(rows)
    assert columns.shape == (20_011, len(space.analytic_names))
    assert np.array_equal(columns[-3:], space.analytic(rows[-3:]))


def test_sums_of_positions_stay_sums() -> None:
    # What is linear in one-hot features can go into a table by position.
    assert isinstance(spaces.get("fbnet").columns.basis, Identity)


def test_a_machine_that_is_idle_all_over_a_pool_stays_idle() -> None:
    space = spaces.get("fbnet")
    skips = np.full((4, 22), space.operations.index("skip"))
    features = space.encode(skips).astype(float)
    component = Analytic(space, space.analytic_names)
    mapped = component.fit(features, np.ones(4), np.random.default_rng(0))(features)
    idle = space.analytic_names.index("depthwise")
    assert not mapped[:, idle].any()
    assert not space.analytic(skips)[:, idle].any()
    np.testing.assert_allclose(np.delete(mapped, idle, axis=1), 1)


def test_a_space_that_counts_no_layers_has_its_totals() -> None:
    space = Few()
    assert space.analytic_names == ("flops", "parameters", "activation_bytes")
    rows = space.sample(20, np.random.default_rng(0))
    costs = [space.costs(row) for row in rows]
    expected = [[c.flops, c.parameters, c.activation_bytes] for c in costs]
    np.testing.assert_allclose(space.analytic(rows), expected)
    assert space.flops(rows).tolist() == [c.flops for c in costs]
    assert space.similarity().analytic is None


def test_other_rows_are_refused() -> None:
    with pytest.raises(OptionError, match="row 0 of fbnet chooses 9"):
        spaces.get("fbnet").analytic([[9] * 22])


def test_a_part_has_to_count_its_work() -> None:
    assert numbers(NOTHING) == (0,) * len(NAMES)
    with pytest.raises(ValueError, match="without work"):
        numbers(Costs(1, 1, 1))
