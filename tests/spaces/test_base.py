"""What every space does with rows: conversion, search and refusals, on a space with depth."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hwprof import spaces
from hwprof.errors import OptionError
from hwprof.testing.spaces import check_space
from tests.spaces.tiny import Tiny

SPACE = Tiny()
SEEDS = st.integers(0, 2**32 - 1)


def test_a_small_space_keeps_the_laws():
    check_space(SPACE)


def test_sizes():
    assert SPACE.size == 3 * 2 * 3**3
    assert SPACE.width == 3 + 2 + 3 * 3
    assert SPACE.sizes.tolist() == [3, 2, 3, 3, 3]


def test_rows_come_as_texts_arrays_and_lists():
    rows = SPACE.indices(["1:aa", "3:babc"])
    expected = [[0, 0, 0, 0, 0], [2, 1, 0, 1, 2]]
    for archs in (expected, np.array(expected, dtype=np.uint8), tuple(map(tuple, expected))):
        assert SPACE.indices(archs).tolist() == expected
    texts = SPACE.texts(rows)
    assert SPACE.indices(np.array(texts)).tolist() == rows.tolist()
    assert SPACE.indices(np.array(texts, dtype=object)).tolist() == rows.tolist()


def test_what_is_not_used_is_cleared():
    assert SPACE.indices([[0, 1, 2, 2, 2]]).tolist() == [[0, 1, 2, 0, 0]]
    assert SPACE.texts([[0, 1, 2, 2, 2]]) == SPACE.texts([[0, 1, 2, 0, 0]])
    assert SPACE.used(SPACE.indices([[1, 0, 0, 0, 0]])).tolist() == [[True] * 4 + [False]]


@pytest.mark.parametrize(
    ("archs", "sentence"),
    [
        ([[0, 0, 0, 0, 3]], r"row 0 of tiny chooses 3 at layer3; choose among 0 \(a\), 1 \(b\), 2"),
        ([[0] * 5, [0, -1, 0, 0, 0]], r"row 1 of tiny chooses -1 at wide; choose among 0 \(a\), 1"),
        ([[0.0] * 5], r"float64 \[1, 5\] was given"),
        ([[True] * 5], r"bool \[1, 5\] was given"),
        ([[0] * 4], r"int64 \[1, 4\] was given"),
        ([0] * 5, r"int64 \[5\] was given"),
        ([[0] * 5, [0] * 4], "must all have 5 choice indices"),
        (["1:aa", 1], "number 1 is 1"),
        ("1:aa", "pass it in a list"),
    ],
)
def test_other_rows_are_refused(archs, sentence):
    with pytest.raises(OptionError, match=sentence) as caught:
        SPACE.indices(archs)
    assert "\n" not in str(caught.value)


def test_one_architecture_is_a_text_or_a_row():
    text = "2:bac"
    row = SPACE.row(text)
    assert row.tolist() == [1, 1, 0, 2, 0]
    assert SPACE.row(row).tolist() == row.tolist()
    assert SPACE.choices(text) == SPACE.choices(row) == ("2", "b", "a", "c", "a")
    with pytest.raises(OptionError, match="row 0"):
        SPACE.row([9, 0, 0, 0, 0])


def test_samples_are_uniform():
    rows = SPACE.sample(30_000, np.random.default_rng(0))
    share = np.bincount(rows[:, 0]) / len(rows)
    np.testing.assert_allclose(share, 1 / 3, atol=0.02)
    deep = rows[rows[:, 0] == 2]
    np.testing.assert_allclose(np.bincount(deep[:, 4]) / len(deep), 1 / 3, atol=0.02)
    with pytest.raises(OptionError, match="at least 0"):
        SPACE.sample(-1, np.random.default_rng(0))


def test_mutation_redraws_with_its_rate():
    rng = np.random.default_rng(0)
    parents = np.zeros((20_000, 22), dtype=np.int64)
    changed = spaces.get("fbnet").mutate(parents, rng, rate=0.3) != parents
    np.testing.assert_allclose(changed.mean(axis=0), 0.3, atol=0.02)
    usual = spaces.get("fbnet").mutate(parents, rng) != parents
    # One over 22 each, and where nothing was drawn one position more.
    assert usual.mean() == pytest.approx(1 / 22 * (1 + (21 / 22) ** 22), abs=0.002)
    with pytest.raises(OptionError, match="from 0 to 1"):
        SPACE.mutate(parents[:, :5], rng, rate=1.5)


def test_layers_that_come_into_use_are_drawn():
    rng = np.random.default_rng(0)
    children = SPACE.mutate(np.zeros((30_000, 5), dtype=np.int64), rng)
    deeper = children[children[:, 0] == 2]
    assert set(deeper[:, 4]) == {0, 1, 2}


@given(SEEDS)
def test_a_child_takes_what_its_parents_use(seed):
    rng = np.random.default_rng(seed)
    deep, flat = SPACE.indices([[2, 1, 2, 2, 2]] * 64), SPACE.indices([[0, 0, 1, 0, 0]] * 64)
    children = SPACE.crossover(deep, flat, rng)
    assert ((children[:, 3:] == 2) | (children[:, [0]] == 0)).all()
    assert set(children[:, 2]) <= {1, 2}


def test_crossover_takes_as_many_of_each():
    with pytest.raises(OptionError, match="2 and 1 architectures"):
        SPACE.crossover([[0] * 5] * 2, [[0] * 5], np.random.default_rng(0))


def test_costs_together_are_costs_one_by_one():
    rows = SPACE.sample(9, np.random.default_rng(0))
    assert SPACE.flops(rows).tolist() == [SPACE.costs(row).flops for row in rows]
    assert SPACE.parameters([]).shape == (0,)
