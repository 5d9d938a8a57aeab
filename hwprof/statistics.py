"""Order statistics for timings: no distribution assumed, nothing trimmed in silence."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from hwprof.samples import FloatArray

# Smallest number of samples that supports a percentile with 99 % confidence: the least n with
# Binom.cdf(1; n, 1 - p) <= 0.01 (MLPerf loadgen, early stopping).
PERCENTILE_NEEDS: Mapping[float, int] = {0.9: 64, 0.99: 662, 0.999: 6636}

# Two-sided 95 % Student t quantiles for 1..30 degrees of freedom.
_T95 = (
    12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228,
    2.201, 2.179, 2.160, 2.145, 2.131, 2.120, 2.110, 2.101, 2.093, 2.086,
    2.080, 2.074, 2.069, 2.064, 2.060, 2.056, 2.052, 2.048, 2.045, 2.042,
)  # fmt: skip


def student_t95(degrees: int) -> float:
    """Two-sided 95 % quantile of Student's t; the normal 1.96 beyond 30 degrees of freedom."""
    if degrees < 1:
        raise ValueError("Student's t needs at least one degree of freedom")
    return _T95[degrees - 1] if degrees <= len(_T95) else 1.96


def binomial_cdf(n: int, p: float) -> NDArray[np.float64]:
    """P(X <= k) for k = 0..n, X ~ Binomial(n, p); shape `[n + 1]`, by log-space summation."""
    if n == 0:
        return np.ones(1)
    k = np.arange(n + 1)
    log_factorial = np.concatenate([[0.0], np.cumsum(np.log(np.arange(1, n + 1)))])
    log_pmf = log_factorial[n] - log_factorial[k] - log_factorial[n - k]
    log_pmf = log_pmf + k * math.log(p) + (n - k) * math.log1p(-p)
    cdf: NDArray[np.float64] = np.minimum(np.cumsum(np.exp(log_pmf)), 1.0)
    return cdf


def quantile_interval(
    values: FloatArray, q: float, level: float = 0.95
) -> tuple[float, float] | None:
    """Distribution-free interval of the q-quantile from order statistics.

    Returns (low, high) in the unit of `values`, or None when too few samples exist for the level
    (David & Nagaraja, Order Statistics, 7.1). The two tails get equal shares of the risk.
    """
    n = int(values.size)
    if n == 0 or not 0 < q < 1:
        return None
    cdf = binomial_cdf(n, q)
    tail = (1 - level) / 2
    # X_(i) is below the quantile unless fewer than i samples are: P(Binomial < i) = cdf[i - 1].
    low_rank = int(np.searchsorted(cdf, tail, side="right"))
    high_rank = int(np.searchsorted(cdf, 1 - tail, side="left")) + 1
    if low_rank < 1 or high_rank > n:
        return None
    ordered = np.sort(values)
    return float(ordered[low_rank - 1]), float(ordered[high_rank - 1])


def supported_percentiles(values: FloatArray) -> dict[float, float]:
    """Tail percentiles that `values` has enough samples to support, seconds by probability."""
    n = int(values.size)
    return {p: float(np.quantile(values, p)) for p, needs in PERCENTILE_NEEDS.items() if n >= needs}
