"""Blocks of rows: they cover everything once, and give what the whole gives."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hwprof import blocks


@given(st.integers(0, 100), st.integers(1, 30))
def test_blocks_cover_every_row_once(count, size):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(blocks, "ROWS", size)
        covered = [row for rows in blocks.blocks(count) for row in range(rows.start, rows.stop)]
        assert covered == list(range(count))
        assert all(rows.stop - rows.start <= size for rows in blocks.blocks(count))


@pytest.mark.parametrize("size", [1, 7, 100])
def test_moments_are_those_of_the_whole(monkeypatch, size):
    monkeypatch.setattr(blocks, "ROWS", size)
    rng = np.random.default_rng(0)
    # Far from zero: a variance from raw sums of squares would lose its digits.
    values, matrix = 1e6 + rng.standard_normal((40, 3)), rng.standard_normal((3, 2))
    for given_, whole in ((None, values), (matrix, values @ matrix)):
        mean, deviation, largest = blocks.moments(values, given_)
        np.testing.assert_allclose(mean, whole.mean(axis=0), rtol=1e-12)
        np.testing.assert_allclose(deviation, whole.std(axis=0), rtol=1e-6)
        np.testing.assert_array_equal(largest, np.abs(whole).max(axis=0))


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_bad_number_in_any_block_is_seen(monkeypatch, bad):
    monkeypatch.setattr(blocks, "ROWS", 4)
    values = np.ones((10, 2))
    assert blocks.all_finite(values)
    values[9, 1] = bad
    assert not blocks.all_finite(values)
