"""A limit is kept or broken where the whole interval says so, else it cannot be told."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import hwprof
from hwprof.errors import OptionError
from hwprof.measurement import Restart, StopReason, WarningCode
from hwprof.profiler.compare import Comparison, compare_stored
from hwprof.profiler.judge import Judgement, Verdict, judge, worst
from hwprof.samples import Samples
from tests.profiler.results import device, result


@pytest.mark.parametrize(
    ("limit", "verdict"),
    [("20ms", "within"), (0.02, "within"), ("3ms", "cannot tell"), ("1ms", "above")],
)
def test_a_latency_of_three_milliseconds(limit: float | str, verdict: str) -> None:
    judged = hwprof.judge(result(), limit)
    assert judged.verdict == verdict
    assert "3ms" in judged.reason


@pytest.mark.parametrize(
    ("code", "limit", "verdict"),
    [
        (WarningCode.THROTTLED, "1ms", Verdict.UNKNOWN),
        (WarningCode.THROTTLED, "20ms", Verdict.WITHIN),
        (WarningCode.BRANCH_NEVER_RAN, "20ms", Verdict.UNKNOWN),
        (WarningCode.BRANCH_NEVER_RAN, "1ms", Verdict.ABOVE),
        (WarningCode.VALUES_DECIDE, "20ms", Verdict.UNKNOWN),
        (WarningCode.VALUES_DECIDE, "1ms", Verdict.UNKNOWN),
        (WarningCode.NOISY, "1ms", Verdict.ABOVE),
        (WarningCode.KERNELS_DO_NOT_ADD_UP, "20ms", Verdict.WITHIN),
    ],
)
def test_warnings_that_leave_it_open(code: WarningCode, limit: str, verdict: Verdict) -> None:
    judged = judge(result(warned=(code,)), limit)
    assert judged.verdict is verdict
    assert (code.value in judged.reason) is (verdict is Verdict.UNKNOWN)


def test_the_load_of_others_breaks_no_limit() -> None:
    quiet, busy = result(), result(busy_beside=0.9)
    low = busy.latency.ci95_s[0]
    assert judge(quiet, low).verdict is Verdict.ABOVE
    judged = judge(busy, 1.01 * low)
    assert judged.verdict is Verdict.UNKNOWN
    assert "others used the processors" in judged.reason
    # Where even a quiet machine would be too slow, or this one is fast enough, it is told.
    assert judge(busy, 0.9 * low).verdict is Verdict.ABOVE
    assert judge(busy, "1s").verdict is Verdict.WITHIN


def test_without_an_interval_nothing_is_told() -> None:
    lone = result(restarts=1, n=1)
    assert lone.latency.ci95_s is None
    for limit in ("1ms", "1s"):
        assert judge(lone, limit).verdict is Verdict.UNKNOWN


def slower_by(share: float) -> Comparison:
    return compare_stored(result("a", 3e-3 * (1 + share)), result("b"))


@pytest.mark.parametrize(
    ("share", "verdict"),
    [(1.0, "above"), (0.05, "cannot tell"), (0.0, "cannot tell"), (-0.5, "within")],
)
def test_how_much_slower_than_the_baseline(share: float, verdict: str) -> None:
    judged = hwprof.judge(slower_by(share), "5%")
    assert judged.verdict == verdict
    assert judged.limit == 0.05
    assert "a takes" in judged.reason


def test_a_ratio_that_says_nothing_is_not_judged() -> None:
    compared = compare_stored(result("a", 9e-3, device=device(2)), result("b"))
    judged = judge(compared, 0.05)
    assert judged.verdict is Verdict.UNKNOWN
    assert "threads: a has 2, b has 1" in judged.reason
    assert judge(compared.anyway(), 0.05).verdict is Verdict.ABOVE
    lone = compare_stored(*(result(name, 9e-3, restarts=1, n=1) for name in "ab"))
    assert (lone.ci95, lone.unlike, lone.different) == (None, (), None)
    assert judge(lone, 0.05).verdict is Verdict.UNKNOWN


@pytest.mark.parametrize("wrong", ["5", "5ms", "-1%", "nan%", "", "1e999%", float("nan"), -0.1])
def test_shares_that_are_none(wrong: float | str) -> None:
    with pytest.raises(OptionError, match="5%"):
        judge(slower_by(0.0), wrong)


@pytest.mark.parametrize("wrong", ["20", "5%", "0ms", "fast", -1.0])
def test_latencies_that_are_none(wrong: float | str) -> None:
    with pytest.raises(OptionError, match="15ms"):
        judge(result(), wrong)


def test_the_worst_of_several() -> None:
    assert worst([]) is Verdict.WITHIN
    assert worst([Verdict.WITHIN, Verdict.UNKNOWN]) is Verdict.UNKNOWN
    assert worst([Verdict.UNKNOWN, Verdict.ABOVE, Verdict.WITHIN]) is Verdict.ABOVE


@given(st.floats(1e-6, 1e3), st.floats(1e-6, 1e3))
def test_a_lower_limit_is_never_kept_better(one: float, two: float) -> None:
    order = [Verdict.ABOVE, Verdict.UNKNOWN, Verdict.WITHIN]
    found: list[Judgement] = [judge(result(), limit) for limit in sorted((one, two))]
    assert order.index(found[0].verdict) <= order.index(found[1].verdict)


def test_each_end_of_a_ratios_interval_comes_from_the_ends_that_lead_there() -> None:
    # Beside others the low end may lie far down; only the low end of the ratio goes with it.
    wild = np.concatenate([np.full(4, 1e-3), np.full(60, 3e-3)])
    part = Samples(wild, wild, np.zeros(64, dtype=np.int64))
    restarts = (Restart(0.1, 3e-3, part, part, StopReason.PRECISION),) * 3
    busy = replace(result("a", busy_beside=0.9), restarts=restarts)
    compared = compare_stored(busy, result("b", busy_beside=0.9))
    low, high = compared.ci95
    assert compared.ratio == pytest.approx(1)
    assert low < 0.4
    assert high < 1.3
