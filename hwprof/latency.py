"""The latency of a measurement: which statistic is quoted, and how sure it is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from hwprof.samples import Basis, FloatArray, Samples
from hwprof.spread import between_processes, quiet_floor
from hwprof.statistics import quantile_interval, supported_percentiles

HEADLINE = 0.25
"""The quoted quantile: the lower quartile of the trusted samples (docs/decisions/0003)."""


# Above these the machine was not quiet, and the figure is too high by an unknown part (0013).
WAITING_SHARE = 0.03
CLEAN_SHARE = 0.5
# Processors share caches, memory and some of them a core, even where nobody has to wait.
BUSY_BESIDE = 0.25


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
    """95 % interval of the headline: where measuring again, in as many fresh processes, would put
    it. Of a `disturbed` one it reaches down to where a quiet machine may. None when there are too
    few samples for one."""
    n: int
    """Samples in steady state, over all restarts."""
    n_used: int
    """Samples that the statistics are made of."""
    clean_share: float | None
    percentiles_s: Mapping[float, float]
    waiting_share: float | None = None
    """Share of the time of all threads that they waited for a processor; None if unknown."""
    disturbed: bool = False
    """Whether others took so much of the processors that the headline may be too high."""
    process_width: float | None = None
    """Half of the interval that more processes now would narrow, over the headline."""
    sampling_width: float | None = None
    """Half of the interval that the samples of one process give, over its headline: what sampling
    goes on for. What differs between processes is not in it."""

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
    if threads == 1 and all(part.cpu_is_work for part in parts):
        return Basis.CPU_TIME
    return Basis.WALL_ALL


def restart_headlines(parts: Sequence[Samples], threads: int) -> FloatArray:
    """Headline of each restart on the basis that they share, seconds, shape `[restarts]`."""
    basis = common_basis(parts, threads)
    return np.array([np.quantile(part.values(basis), HEADLINE) for part in parts])


def summarise(
    parts: Sequence[Samples],
    threads: int,
    busy_beside: float | None = None,
    virtual: bool | None = None,
) -> Latency:
    """Statistics over restarts: each figure is the median over restarts of that restart's figure,
    on several threads their lower quartile: threads that wait for each other are kept back in some
    processes, for as long as those live, as single runs are in any (docs/decisions/0013).

    `busy_beside` is how busy the processors were that the run was not kept on, from 0 to 1, and
    `virtual` whether the machine shares its own with others that it does not see.

    The interval is that of what differs between processes (`hwprof.spread`), never narrower than
    the order statistics within them. Raises ValueError when a part is empty.
    """
    if not parts or any(len(part) == 0 for part in parts):
        raise ValueError("a latency needs at least one sample in every restart")
    basis = common_basis(parts, threads)
    values = [part.values(basis) for part in parts]
    heads = restart_headlines(parts, threads)
    across = 0.5 if threads == 1 else HEADLINE
    headline = float(np.quantile(heads, across))
    clean = _mean_share([part.clean_share for part in parts], [len(part) for part in parts])
    waiting = waiting_share(parts, threads)
    disturbed = (
        basis is Basis.CPU_TIME
        or (clean is not None and (clean < CLEAN_SHARE or basis is Basis.WALL_ALL))
        or (waiting is not None and waiting > WAITING_SHARE)
        or (busy_beside is not None and busy_beside > BUSY_BESIDE)
    )
    within = [_within(v) for v in values]
    now = between_processes(heads, within, headline, threads)
    interval = between_processes(
        heads, within, headline, threads, disturbed=disturbed, virtual=virtual
    )
    if interval is not None and disturbed:
        interval = (min(interval[0], quiet_floor(parts, values, threads)), interval[1])
    own = [quantile_interval(v, HEADLINE) for v in values]
    halves = [(high - low) / 2 / low for low, high in filter(None, own) if low > 0]
    return Latency(
        basis=basis,
        headline_s=headline,
        p25_s=headline,
        median_s=float(np.quantile([np.median(v) for v in values], across)),
        min_s=float(min(v.min() for v in values)),
        mean_s=float(np.mean([v.mean() for v in values])),
        ci95_s=interval,
        n=sum(len(part) for part in parts),
        n_used=sum(int(v.size) for v in values),
        clean_share=clean,
        percentiles_s=supported_percentiles(np.concatenate(values)),
        waiting_share=waiting,
        disturbed=disturbed,
        process_width=None if now is None else (now[1] - now[0]) / 2 / headline,
        sampling_width=float(np.median(halves)) if halves else None,
    )


def _within(values: FloatArray) -> tuple[float, float] | None:
    """Interval of the headline from the samples of one process, or what they span where they are
    too few for one."""
    found = quantile_interval(values, HEADLINE)
    if found is None and values.size > 1:
        return float(values.min()), float(values.max())
    return found


def waiting_share(parts: Sequence[Samples], threads: int) -> float | None:
    """Share of the time of `threads` threads that they waited for a processor; None if unknown."""
    waited = [part.waited_s for part in parts]
    wall_s = sum(float(part.wall_s.sum()) * part.loops for part in parts)
    if any(column is None for column in waited) or wall_s <= 0:
        return None
    waited_s = sum(
        float(column.sum()) * part.loops
        for column, part in zip(waited, parts, strict=True)
        if column is not None
    )
    return min(1.0, waited_s / wall_s / threads)


def _mean_share(shares: Sequence[float | None], weights: Sequence[int]) -> float | None:
    known = [share * n for share, n in zip(shares, weights, strict=True) if share is not None]
    return sum(known) / sum(weights) if len(known) == len(weights) else None
