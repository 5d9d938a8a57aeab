"""Durations of single runs out of running means, the only thing OpenVINO's profiler tells.

The CPU plugin keeps one sum and one count per kernel from the compilation on and reports
`sum / count` in whole microseconds (`PerfCount::avg` in its source; the time of a run is cut to
whole microseconds too). Differences between consecutive reports would multiply that rounding by
the number of runs so far: 60 us at the 60th run. What the reports do say is that after `n` runs
the sum lies between `n * mean` and `n * mean + n - 1`: a tube around the true sum. The taut string
through the tube is the shortest path inside it (P. L. Davies and A. Kovac, "Local extremes, runs,
strings and multiresolution", Annals of Statistics 29, 2001), so its slopes are the durations with
the least variation that reproduce every report; an interruption leaves the tube no choice and
stays the affair of its own run.
"""

from __future__ import annotations

import numpy as np

from hwprof.samples import FloatArray, IntArray


def run_durations(means: IntArray) -> FloatArray:
    """Durations of each run, in the unit of the means, shape `[n]`.

    `means[i]` is the whole-number part of the mean over runs 0 to i, shape `[n]`, beginning with
    the very first run.
    """
    count = np.arange(1, means.size + 1)
    # A sum never falls: what is known of one run bounds those before and after it.
    low = np.maximum.accumulate((count * means).astype(np.float64))
    high = np.minimum.accumulate((count * means + count - 1).astype(np.float64)[::-1])[::-1]
    return _taut_string(np.append(0.0, low), np.append(0.0, np.maximum(high, low)))


def _taut_string(low: FloatArray, high: FloatArray) -> FloatArray:
    """Slopes of the straightest path with `low <= path <= high`, which begins where both are 0.

    The end is free within its bounds. There the path goes on as its longest straight part did,
    as nearly as it can; where the last part is the longest, it takes the middle.
    """
    slopes = np.empty(low.size - 1)
    longest, usual = 0, 0.0
    start, here = 0, 0.0
    while start < slopes.size:
        knot, there, bounds = _next_knot(low, high, here, start)
        if bounds is None:
            slope = (there - here) / (knot - start)
        else:
            steepest, flattest = bounds
            middle = (steepest + flattest) / 2
            slope = middle if knot - start > longest else min(max(usual, steepest), flattest)
        slopes[start:knot] = slope
        if knot - start > longest:
            longest, usual = knot - start, slope
        start, here = knot, there
    return slopes


def _next_knot(
    low: FloatArray, high: FloatArray, here: float, start: int
) -> tuple[int, float, tuple[float, float] | None]:
    """Where the string from `(start, here)` first bends: index, height and None.

    Or the last index, some height, and the least and the greatest slope that lead there.
    """
    steepest, flattest = -np.inf, np.inf
    at_low = at_high = start + 1
    for i in range(start + 1, low.size):
        least, most = (low[i] - here) / (i - start), (high[i] - here) / (i - start)
        if most < steepest:
            return at_low, float(low[at_low]), None
        if least > flattest:
            return at_high, float(high[at_high]), None
        if least >= steepest:
            steepest, at_low = least, i
        if most <= flattest:
            flattest, at_high = most, i
    return low.size - 1, float(low[-1]), (float(steepest), float(flattest))
