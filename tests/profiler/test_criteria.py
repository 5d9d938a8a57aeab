from __future__ import annotations

import numpy as np
import pytest

from hwprof.errors import OptionError
from hwprof.measurement import StopReason
from hwprof.profiler.criteria import MIN_SAMPLES, HotCriterion
from hwprof.profiler.plan import Plan
from hwprof.samples import Samples


def feed(criterion: HotCriterion, values: np.ndarray, batch: int = 10) -> tuple[StopReason, int]:
    """Add batches until the criterion stops; the reason and how many samples it took."""
    for start in range(0, len(values), batch):
        part = values[start : start + batch]
        switches = np.zeros(len(part), dtype=np.int64)
        reason = criterion.add(Samples(part, part, switches))
        if reason is not None:
            return reason, start + len(part)
    raise AssertionError("the criterion never stopped")


def test_a_quiet_subject_stops_at_the_least_number_of_samples() -> None:
    values = 1e-3 * (1 + 1e-4 * np.random.default_rng(0).random(500))
    assert feed(HotCriterion(Plan(), 1), values) == (StopReason.PRECISION, MIN_SAMPLES)


def test_noise_takes_more_samples() -> None:
    values = 1e-3 * (1 + 0.1 * np.random.default_rng(0).random(5000))
    reason, n = feed(HotCriterion(Plan(), 1), values)
    assert reason is StopReason.PRECISION
    assert n > 3 * MIN_SAMPLES


def test_the_budget_ends_a_slow_subject() -> None:
    values = np.full(100, 1.0)
    assert feed(HotCriterion(Plan(budget_s=5, restarts=1), 1), values, batch=1) == (
        StopReason.BUDGET,
        5,
    )


def test_the_budget_is_shared_by_restarts() -> None:
    criterion = HotCriterion(Plan(budget_s=10, restarts=5), 1)
    assert criterion.budget_s == 2.0
    assert feed(criterion, np.full(100, 1.0), batch=1) == (StopReason.BUDGET, 2)
    # As many as there are at least where nobody says how many.
    assert HotCriterion(Plan(budget_s=9), 1).budget_s == 3.0


def test_hopeless_noise_stops_before_the_budget() -> None:
    rng = np.random.default_rng(0)
    values = 0.01 * np.exp(rng.standard_normal(20_000))
    criterion = HotCriterion(Plan(budget_s=10, precision=0.005), 1)
    reason, _ = feed(criterion, values)
    assert reason is StopReason.STABLE_NOISE
    assert criterion.spent_s < 5


def test_a_percentile_is_waited_for() -> None:
    values = 1e-3 * (1 + 1e-4 * np.random.default_rng(0).random(2000))
    plan = Plan(percentile=0.99, restarts=1)
    assert feed(HotCriterion(plan, 1), values) == (StopReason.PRECISION, 670)
    # All restarts together support it: 3 x 221 >= 662.
    assert feed(HotCriterion(Plan(percentile=0.99), 1), values) == (StopReason.PRECISION, 230)


def test_loops_count_towards_the_budget() -> None:
    criterion = HotCriterion(Plan(budget_s=0.9), 1)
    part = np.full(10, 0.01)
    assert criterion.add(Samples(part, part, np.zeros(10, dtype=np.int64), loops=10)) is (
        StopReason.BUDGET
    )


@pytest.mark.parametrize(
    "options",
    [
        {"precision": 0.0},
        {"precision": 1.0},
        {"precision": float("nan")},
        {"budget_s": 0.0},
        {"budget_s": float("inf")},
        {"restarts": 0},
        {"pin": "first"},
        {"pin": "0,x"},
        {"percentile": 0.5},
    ],
)
def test_plans_that_make_no_sense(options: dict[str, object]) -> None:
    with pytest.raises(OptionError) as error:
        Plan(**options)  # type: ignore[arg-type]
    assert "\n" not in str(error.value)


def test_a_plan_lists_its_processors() -> None:
    assert Plan(pin="3,1,1").pinned_cpus() == (1, 3)
    assert Plan().pinned_cpus() == ()
