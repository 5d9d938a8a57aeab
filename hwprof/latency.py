"""The latency of a measurement: which statistic is quoted, and how sure it is."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from hwprof.samples import Basis, Samples
from hwprof.statistics import quantile_interval, student_t95, supported_percentiles

HEADLINE = 0.25
"""The quoted quantile: the lower quartile of the trusted samples (docs/decisions/0003)."""


@dataclass(frozen=True, slots=True)
class Latency:
    """Derived figures in seconds. `headline_s` is the one to quote; it equals `p25_s`."""

    basis: Basis
    headline_s: float
    p25_s: float
    median_s: float
    min_s: float
    mean_s: float
    ci95_s: tuple[float, float] | None
    """95 % interval of the headline; None when there are too few samples for one."""
    n: int
    """Samples in steady state, over all restarts."""
    n_used: int
    """Samples that the statistics are made of."""
    clean_share: float | None
    percentiles_s: Mapping[float, float]

    @property
    def relative_half_width(self) -> float | None:
        """Half the interval over the headline, or None without an interval."""
        if self.ci95_s is None or self.headline_s <= 0:
            return None
        return (self.ci95_s[1] - self.ci95_s[0]) / 2 / self.headline_s


def common_basis(parts: Sequence[Samples], threads: int) -> Basis:
    """One basis for all restarts, so that unlike figures are never averaged.

    Clean wall time and CPU time agree within 0.3 % on one thread, so mixed restarts fall back to
    the CPU time that all of them have.
    """
    kinds = {part.basis(threads) for part in parts}
    if len(kinds) == 1:
        return kinds.pop()
    if threads == 1 and all(part.cpu_s is not None for part in parts):
        return Basis.CPU_TIME
    return Basis.WALL_ALL


def summarise(parts: Sequence[Samples], threads: int) -> Latency:
    """Statistics over restarts: each figure is the median over restarts of that restart's figure.

    With one restart the interval is that of the order statistics. With more, the spread between
    restarts (1-2 % even on a quiet machine) outweighs it: the interval is Student's t on the
    restarts' log headlines around the quoted one, and never narrower than within a restart.
    Raises ValueError when a part is empty.
    """
    if not parts or any(len(part) == 0 for part in parts):
        raise ValueError("a latency needs at least one sample in every restart")
    basis = common_basis(parts, threads)
    values = [part.values(basis) for part in parts]
    heads = np.array([np.quantile(v, HEADLINE) for v in values])
    headline = float(np.median(heads))
    shares = [part.clean_share for part in parts]
    known = [
        share * len(part) for share, part in zip(shares, parts, strict=True) if share is not None
    ]
    total = sum(len(part) for part in parts)
    return Latency(
        basis=basis,
        headline_s=headline,
        p25_s=headline,
        median_s=float(np.median([np.median(v) for v in values])),
        min_s=float(min(v.min() for v in values)),
        mean_s=float(np.mean([v.mean() for v in values])),
        ci95_s=_interval(heads, [quantile_interval(v, HEADLINE) for v in values], headline),
        n=total,
        n_used=sum(int(v.size) for v in values),
        clean_share=sum(known) / total if len(known) == len(parts) else None,
        percentiles_s=supported_percentiles(np.concatenate(values)),
    )


def _interval(
    heads: np.ndarray, within: list[tuple[float, float] | None], headline: float
) -> tuple[float, float] | None:
    if len(heads) == 1:
        return within[0]
    if headline <= 0 or np.any(heads <= 0):
        return None
    logs = np.log(heads)
    half = student_t95(len(heads) - 1) * float(logs.std(ddof=1)) / math.sqrt(len(heads))
    # Independent restarts narrow the sampling error of each by the root of their number.
    sampling = [math.log(high / low) / 2 for low, high in filter(None, within) if low > 0]
    if sampling:
        half = max(half, float(np.median(sampling)) / math.sqrt(len(heads)))
    # exp() overflows near 709; restarts that far apart leave nothing to quote.
    if half > 700:
        return None
    return headline * math.exp(-half), headline * math.exp(half)
