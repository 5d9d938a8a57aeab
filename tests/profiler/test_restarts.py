"""How many processes a measurement is made in, by what each says that it took."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hwprof.measurement import Restart, StopReason
from hwprof.profiler.plan import USUAL_RESTARTS, Plan
from hwprof.profiler.restarts import MOST_RESTARTS, PATIENCE, PATIENCE_S, Restarts
from hwprof.samples import Samples


def restart(level_s: float = 1e-3, setup_s: float = 0.1, n: int = 40) -> Restart:
    wall = np.full(n, level_s)
    samples = Samples(wall, wall, np.zeros(n, dtype=np.int64))
    return Restart(setup_s, level_s, samples, samples, StopReason.PRECISION)


def count(plan: Plan, *restarts: Restart, elapsed_s: float = 0.0) -> int:
    """How many there are when the given ones come round and round."""
    rule = Restarts(plan)
    for number in range(1, 100):
        rule.add(restarts[(number - 1) % len(restarts)], 1, elapsed_s)
        assert rule.expected >= number
        if rule.done:
            return number
    raise AssertionError("there was no end")


@given(st.integers(1, 20), st.floats(0, 1e6))
def test_a_given_number_is_kept_whatever_it_costs(number: int, setup_s: float) -> None:
    assert count(Plan(restarts=number, budget_s=1), restart(setup_s=setup_s)) == number


def test_equal_processes_end_when_the_precision_is_reached() -> None:
    usual = count(Plan(), restart())
    assert USUAL_RESTARTS < usual < MOST_RESTARTS
    assert count(Plan(precision=0.05), restart()) == USUAL_RESTARTS


def test_processes_that_differ_go_on_to_the_last() -> None:
    assert count(Plan(), restart(1e-3), restart(1.1e-3)) == MOST_RESTARTS


@pytest.mark.parametrize(
    ("setup_s", "number"),
    [(0.1, 6), (2.1, 4), (3.5, 3), (6.0, 3), (7.0, 2), (9.9, 2), (11.0, 1), (60.0, 1)],
)
def test_slow_starts_leave_fewer(setup_s: float, number: int) -> None:
    assert count(Plan(budget_s=10), restart(setup_s=setup_s)) == number
    # What a process does not say itself, such as importing its runtime, counts as well.
    assert count(Plan(budget_s=10), restart(setup_s=0.0), elapsed_s=setup_s) == number


@given(st.floats(0, 100), st.floats(0.5, 60))
def test_the_budget_is_a_bound(setup_s: float, budget_s: float) -> None:
    each = restart(setup_s=setup_s)
    number = count(Plan(budget_s=budget_s), each)
    spent_s = number * (setup_s + 0.081)
    bound_s = budget_s * (PATIENCE if number <= USUAL_RESTARTS else 1)
    # A small budget is not for starting processes.
    assert number == 1 or spent_s <= max(bound_s, PATIENCE_S) * (1 + 1e-9)
    assert number <= MOST_RESTARTS


def test_few_processes_leave_a_wide_interval() -> None:
    from hwprof.latency import summarise

    part = restart().steady
    widths = [summarise([part] * n, 1).relative_half_width for n in (1, 2, 3, 6)]
    assert all(width is not None for width in widths)
    assert widths == sorted(widths, key=lambda width: -(width or 0.0))
    assert (widths[0] or 0.0) > 0.05
