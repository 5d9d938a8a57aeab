"""Whether a result keeps a limit, as an automated build asks: yes, no, or it cannot be told."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from hwprof.measurement import Measurement, WarningCode
from hwprof.metrics import metric_of, parse_limit, parse_share
from hwprof.profiler.compare import Comparison


class Verdict(StrEnum):
    """What a limit's keeping comes to."""

    WITHIN = "within"
    ABOVE = "above"
    UNKNOWN = "cannot tell"


@dataclass(frozen=True, slots=True)
class Judgement:
    """One result held against one limit."""

    verdict: Verdict
    limit: float
    """Seconds for a measurement; for a comparison how much slower, as a share of b's latency."""
    reason: str
    """What was found, in one clause."""


# What the work depends on is not what a user's inputs would ask for: no figure of it counts.
_MEANS_NOTHING = (WarningCode.VALUES_DECIDE,)
# Too high by what no interval holds, and too low.
_TOO_HIGH = (WarningCode.THROTTLED,)
_TOO_LOW = (WarningCode.BRANCH_NEVER_RAN,)


def judge(result: Measurement | Comparison, limit: float | str) -> Judgement:
    """Hold a latency against `limit`, seconds or a text such as `20ms`; or a ratio, a over b,
    against how much slower a may be, a share or a text such as `5%`.

    It is within or above where its whole 95 % interval is. It cannot be told where the limit lies
    inside the interval, where there is no interval, where two are unlike, and where a warning says
    that the figure may be off to that side (throttled, a branch that never ran) or means nothing
    (made-up values decide the work). The interval of a disturbed latency reaches down to where a
    quiet machine's may lie, so that the load of others makes no limit broken.
    Raises OptionError for a limit that is none, ValueError for a measurement without samples.
    """
    if isinstance(result, Comparison):
        return _judge_ratio(result, parse_share(limit))
    return _judge_latency(result, parse_limit(limit, metric_of("latency")))


def worst(verdicts: Iterable[Verdict]) -> Verdict:
    """The verdict on all of several: above if one is, else whether one cannot be told."""
    found = set(verdicts)
    return next((v for v in (Verdict.ABOVE, Verdict.UNKNOWN) if v in found), Verdict.WITHIN)


def _judge_latency(measurement: Measurement, limit_s: float) -> Judgement:
    show = metric_of("latency").show
    latency = measurement.latency
    most = show(limit_s)
    if latency.ci95_s is None:
        reason = f"{show(latency.headline_s)} has no interval to hold against {most}"
        return Judgement(Verdict.UNKNOWN, limit_s, f"{reason}; measure with --restarts 3")
    low, high = latency.ci95_s
    found = f"{show(latency.headline_s)} ({show(low)} to {show(high)})"
    if high <= limit_s:
        verdict, doubts = Verdict.WITHIN, _TOO_LOW
        reason = f"{found} is within {most}"
    elif low > limit_s:
        verdict, doubts = Verdict.ABOVE, _TOO_HIGH
        reason = f"{found} is above {most}"
    else:
        why = "others used the processors" if latency.disturbed else "the interval holds the limit"
        reason = f"{found} may be within {most} or above: {why}"
        return Judgement(Verdict.UNKNOWN, limit_s, reason)
    for code in (*_MEANS_NOTHING, *doubts):
        if measurement.warned(code):
            return Judgement(Verdict.UNKNOWN, limit_s, f"{reason}, but it is warned: {code.value}")
    return Judgement(verdict, limit_s, reason)


def _judge_ratio(comparison: Comparison, limit: float) -> Judgement:
    if comparison.unlike:
        reason = f"the two are unlike in {'; in '.join(comparison.unlike)}"
        return Judgement(Verdict.UNKNOWN, limit, reason)
    found, most = f"a takes {comparison.ratio:.3f} times as long as b", f"{1 + limit:.4g}"
    if comparison.ci95 is None:
        reason = f"{found}, without an interval to hold against {most}"
        return Judgement(Verdict.UNKNOWN, limit, reason)
    low, high = comparison.ci95
    found = f"{found} ({low:.3f} to {high:.3f})"
    if high <= 1 + limit:
        return Judgement(Verdict.WITHIN, limit, f"{found}, within {most}")
    if low > 1 + limit:
        return Judgement(Verdict.ABOVE, limit, f"{found}, more than {most}")
    return Judgement(Verdict.UNKNOWN, limit, f"{found}, which may be within {most} or more")
