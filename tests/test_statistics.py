from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hwprof.statistics import (
    PERCENTILE_NEEDS,
    binomial_cdf,
    quantile_interval,
    student_t95,
    supported_percentiles,
)


@pytest.mark.parametrize(("n", "p"), [(1, 0.5), (10, 0.25), (400, 0.25), (3000, 0.01)])
def test_binomial_cdf_is_the_sum_of_exact_terms(n: int, p: float) -> None:
    exact = np.cumsum([math.comb(n, k) * p**k * (1 - p) ** (n - k) for k in range(min(n, 40) + 1)])
    np.testing.assert_allclose(binomial_cdf(n, p)[: len(exact)], exact, rtol=1e-9)


def test_interval_of_the_median_matches_the_published_ranks() -> None:
    # David & Nagaraja: n = 20, median, 95 %: the 6th and 15th ordered values.
    values = np.arange(1.0, 21.0)
    assert quantile_interval(values, 0.5) == (6.0, 15.0)


@pytest.mark.parametrize("q", [0.25, 0.5])
def test_interval_covers_the_quantile_as_often_as_it_says(q: float) -> None:
    rng = np.random.default_rng(1)
    hits = 0
    for _ in range(2000):
        interval = quantile_interval(rng.random(60), q)
        assert interval is not None
        hits += interval[0] <= q <= interval[1]
    assert 0.94 <= hits / 2000 <= 0.99


def test_too_few_samples_have_no_interval() -> None:
    assert quantile_interval(np.arange(12.0), 0.25) is None
    assert quantile_interval(np.arange(13.0), 0.25) is not None
    assert quantile_interval(np.empty(0), 0.5) is None


@given(st.lists(st.floats(1e-9, 1e3), min_size=13, max_size=200), st.randoms())
def test_interval_ignores_the_order_of_samples(values: list[float], random: object) -> None:
    shuffled = list(values)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert quantile_interval(np.array(values), 0.25) == quantile_interval(np.array(shuffled), 0.25)


@given(st.lists(st.floats(1e-9, 1e3), min_size=13, max_size=200))
def test_interval_brackets_the_quantile(values: list[float]) -> None:
    interval = quantile_interval(np.array(values), 0.25)
    assert interval is not None
    low, high = interval
    assert min(values) <= low <= high <= max(values)
    assert low <= np.quantile(values, 0.25, method="higher")
    assert high >= np.quantile(values, 0.25, method="lower")


def test_percentiles_need_the_samples_that_mlperf_asks_for() -> None:
    # loadgen's rule, recomputed: the least n with P(Binomial(n, 1 - p) <= 1) <= 1 %.
    for p, needs in PERCENTILE_NEEDS.items():
        at, below = binomial_cdf(needs, 1 - p)[1], binomial_cdf(needs - 1, 1 - p)[1]
        assert at <= 0.01 < below
    assert supported_percentiles(np.ones(63)) == {}
    assert list(supported_percentiles(np.ones(662))) == [0.9, 0.99]


def test_student_t() -> None:
    assert student_t95(1) == 12.706
    assert student_t95(30) == 2.042
    assert student_t95(31) == 1.96
    with pytest.raises(ValueError, match="at least one"):
        student_t95(0)
