"""What differs from process to process, and how far from a quiet machine's a figure may be.

Samples of one process agree to tenths of a percent and are wrong by whole ones: where memory came
to lie, and which processor, is decided once per process. How the constants were chosen, and how
often the intervals held: docs/decisions/0013.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from hwprof.samples import FloatArray, Samples
from hwprof.statistics import student_t95

# What processes are known to differ by, as standard deviations of log headlines, on one thread and
# on several; and how many processes that knowledge is worth. Two: a machine that is steadier or
# wilder is believed after a few of its own.
PRIOR_SPREAD = 0.0125
PRIOR_SPREAD_OF_SEVERAL = 0.02
PRIOR_DEGREES = 2
# From one minute to another the machine moves as well: about as much as from process to process,
# and by these, as standard deviations of logs: several threads that spin may keep each other back
# for a whole process, what runs beside changes, and so does what the host of a virtual machine runs
# beside it, which nothing inside shows.
MOVES_OF_SEVERAL = 0.08
MOVES_DISTURBED = 0.03
MOVES_VIRTUAL = 0.03
# Fewer processes than this say nothing of their spread where each has too few samples as well.
MIN_PROCESSES = 3
# Under contention caches are cold, too: the fastest run of all may still be this much too slow.
QUIET_MARGIN = 0.93
# The caller of a runtime whose threads all work has its part of their CPU time, up to this share.
CALLER_WORKS = 0.8


def between_processes(
    heads: FloatArray,
    within: Sequence[tuple[float, float] | None],
    headline: float,
    threads: int,
    *,
    disturbed: bool | None = None,
    virtual: bool | None = None,
) -> tuple[float, float] | None:
    """Interval that holds the headline of as many other processes in 95 of 100 cases.

    Student's t on the log headlines of the processes, shape `[n]`, whose variance is pooled with
    the known one. The difference of two such figures has twice the variance of one. `within` are
    the intervals of each process's own samples. None where neither tells anything.
    The other processes run within the same seconds where `disturbed` is None, else at another time,
    on a machine that is quiet or not, `virtual` or, as far as is known, not.
    """
    n = len(heads)
    widths = [math.log(high / low) / 2 for low, high in filter(None, within) if low > 0]
    if headline <= 0 or np.any(heads <= 0) or (n < MIN_PROCESSES and not widths):
        return None
    logs = np.log(heads)
    degrees = PRIOR_DEGREES + n - 1
    squares = float(((logs - logs.mean()) ** 2).sum())
    variance = (PRIOR_DEGREES * _known(threads) + squares) / degrees
    moved = 0.0
    if disturbed is not None:
        moves = [
            0.0 if threads == 1 else MOVES_OF_SEVERAL,
            MOVES_DISTURBED if disturbed else 0.0,
            MOVES_VIRTUAL if virtual else 0.0,
        ]
        moved = variance + sum(each**2 for each in moves)
    half = student_t95(degrees) * math.sqrt(2 * (variance / n + moved))
    if widths:
        # Independent processes narrow the sampling error of each by the root of their number.
        half = max(half, float(np.median(widths)) / math.sqrt(n))
    # exp() overflows near 709; processes that far apart leave nothing to quote.
    if half > 700:
        return None
    return headline * math.exp(-half), headline * math.exp(half)


def between_pairs(logs: FloatArray, threads: tuple[int, int], sampling: float = 0.0) -> float:
    """Half of the 95 % interval, in logs, of the mean log ratio of pairs made in turns.

    Student's t on the log ratios of the pairs, shape `[n]` with n >= 2, whose variance is pooled
    with the known one, as in `between_processes`: that of a difference is the sum of both sides',
    who run on so many `threads`. `sampling` is the relative half-width that the samples of one
    pair leave.
    """
    n = len(logs)
    degrees = PRIOR_DEGREES + n - 1
    known = sum(_known(number) for number in threads)
    variance = (PRIOR_DEGREES * known + float(((logs - logs.mean()) ** 2).sum())) / degrees
    return max(student_t95(degrees) * math.sqrt(variance / n), sampling / math.sqrt(n))


def _known(threads: int) -> float:
    """Variance of log headlines that processes are known to have."""
    return PRIOR_SPREAD**2 if threads == 1 else PRIOR_SPREAD_OF_SEVERAL**2


def quiet_floor(parts: Sequence[Samples], values: Sequence[FloatArray], threads: int) -> float:
    """Seconds that a run takes at least where nobody else wants the processors.

    On one thread the fastest of `values`, those that the headline is made of, with a margin for
    cold caches. On several the caller has done the others' part while they waited, so it is the
    caller's shortest CPU time less what they would have done, at most the part of each.
    """
    if threads == 1:
        return QUIET_MARGIN * min(float(v.min()) for v in values)
    shares = [_others_waiting(part, threads) for part in parts]
    alone = float(np.mean(shares))
    fastest = min(_least_work_s(part, threads) for part in parts)
    return QUIET_MARGIN * fastest * max(1 / threads, 1 - alone)


def _others_waiting(samples: Samples, threads: int) -> float:
    """Share of their time that the threads beside the caller waited; 1 where it is unknown."""
    wall_s = float(samples.wall_s.sum())
    if samples.waited_s is None or samples.cpu_s is None or wall_s <= 0:
        return 1.0
    own = np.minimum(samples.waited_s, np.maximum(samples.wall_s - samples.cpu_s, 0.0))
    return min(1.0, float((samples.waited_s - own).sum()) / wall_s / (threads - 1))


def _least_work_s(samples: Samples, threads: int) -> float:
    """Processor time that one thread had to give to a run at least, seconds."""
    fastest = float(samples.wall_s.min())
    if samples.cpu_s is None:
        return fastest
    if samples.busy_s is not None:
        part = samples.busy_s / threads
        # A caller that sleeps while others work: its own time says nothing.
        if samples.cpu_s.sum() < CALLER_WORKS * part.sum():
            return min(fastest, float(part.mean()))
    return min(fastest, float(samples.cpu_s.min()))
