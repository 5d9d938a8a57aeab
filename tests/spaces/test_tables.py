"""Sums of tables on one-hot features."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from hwprof.spaces.tables import table_basis

SIZES = (3, 1, 4, 2)


def one_hot(rows: np.ndarray) -> np.ndarray:
    return np.concatenate([np.eye(n)[rows[:, i]] for i, n in enumerate(SIZES)], axis=1)


@given(st.integers(0, 2**32 - 1))
def test_the_rows_of_all_parts_are_summed_up(seed: int) -> None:
    rng = np.random.default_rng(seed)
    parts = [
        rng.permutation(len(SIZES))[: rng.integers(0, len(SIZES) + 1)].tolist() for _ in range(3)
    ]
    # Few values: choices coincide, and are merged.
    tables = [rng.integers(0, 2, (*(SIZES[i] for i in on), 2)).astype(float) for on in parts]
    rows = rng.integers(0, SIZES, (50, len(SIZES)))
    values = table_basis(SIZES, zip(parts, tables, strict=True))(one_hot(rows))
    expected = sum(
        table[tuple(rows[:, i] for i in on)] * np.ones((50, 1))
        for on, table in zip(parts, tables, strict=True)
    )
    assert np.array_equal(values, expected)


def test_choices_without_a_difference_share_rows() -> None:
    values = np.zeros((4, 3, 1))
    values[2:] = 1
    basis = table_basis(SIZES, [((2, 0), values)])
    assert basis.table.ravel().tolist() == [0, 1]
    assert basis.codes.ravel().tolist() == [0] * 6 + [1, 1] + [0] * 2


def test_other_features_are_not_refused() -> None:
    basis = table_basis(SIZES, [((0,), np.arange(3.0)[:, None])])
    assert np.isfinite(basis(np.full((2, 10), 7.5))).all()
    assert basis(np.zeros((0, 10))).shape == (0, 1)
