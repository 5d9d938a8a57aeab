"""Costs that are measured when they are asked for, on a recording and once for real."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest

from hwprof import Objective, OptionError
from hwprof.errors import MeasurementError
from hwprof.lut import Table
from hwprof.machine.host import snapshot
from hwprof.models.base import Model
from hwprof.predictors.setting import Setting
from hwprof.profiler.plan import Plan
from hwprof.samples import Samples
from hwprof.search import Goals, Roofline
from hwprof.search.estimators import BudgetSpent, MeasuredDevice
from hwprof.targets.base import Run
from hwprof.testing.estimators import check_estimator
from hwprof.testing.replay import ReplayDevice, ReplayTarget
from tests.search.estimators.tables import CELLS, TEXTS

ROWS = CELLS.indices(list(TEXTS))
QUICK = Plan(pin="none", per_op=False, restarts=1)


class Recorded(ReplayTarget):
    """A recording per architecture, in the order in which they come; counts what it starts."""

    def __init__(self) -> None:
        rng = np.random.default_rng(0)
        walls = [(1 + i) * 1e-3 * (1 + 0.01 * rng.random(64)) for i in range(len(TEXTS))]
        still = np.zeros(64, dtype=np.int64)
        super().__init__([ReplayDevice(Samples(w, w, still)) for w in walls], snapshot())

    def start(self, model: Model, *place: Any) -> Run:
        return super().start(model, *place)


def made(target: Recorded, **options: Any) -> MeasuredDevice:
    return MeasuredDevice(CELLS, target, plan=QUICK, check_outputs=False, **options)


def test_it_measures_each_architecture_once():
    target = Recorded()
    device = made(target)
    objective = Objective(device, limit="3.5ms")
    assert objective.kind == "measured"
    assert not device.covered(ROWS).any()
    cost = objective(list(TEXTS[:3]))
    np.testing.assert_allclose(cost, [1e-3, 2e-3, 3e-3], rtol=0.02)
    assert [model.subject.name for model, _ in target.started] == list(TEXTS[:3])
    np.testing.assert_array_equal(objective(ROWS[2::-1]), cost[::-1])
    assert device.measurements == len(target.started) == 3
    assert device.covered(ROWS).tolist() == [True] * 3 + [False] * 4
    assert device.setting == Setting("nasbench201", 1, None, "native", 1)
    check_estimator(device, ROWS)
    mean, error = objective.moments(ROWS)
    assert (error > 0).all()
    assert (Objective(device, statistic=0.9)(ROWS) > mean).all()
    goals = Goals(CELLS, minimise={"latency": objective}, limits=objective)
    assert (goals.violations(ROWS)[:, 0] <= 0).tolist() == [True] * 3 + [False] * 4


def test_what_the_table_holds_is_not_measured_again(tmp_path):
    with Table.open(tmp_path / "cells.db") as table:
        first = made(Recorded(), table=table).cost(ROWS[:3])
        target = Recorded()
        again = made(target, table=table, budget=0)
        np.testing.assert_array_equal(again.cost(ROWS[:3]), first)
        assert (again.measurements, target.started) == (0, [])
        with pytest.raises(BudgetSpent):
            again.cost(ROWS[3:4])
        # Of another batch is of another setting.
        other = made(Recorded(), table=table, batch=2, budget=0)
        with pytest.raises(BudgetSpent):
            other.cost(ROWS[:1])
        assert len(list(table.measurements())) == 3
        assert list(table.failures()) == []


def test_a_spent_budget_is_told_and_nothing_is_lost():
    device = made(Recorded(), budget=2)
    with pytest.raises(BudgetSpent, match=r"the budget is spent \(2 measurements in .*fallback"):
        device.cost(ROWS[:4])
    assert device.spent
    assert device.covered(ROWS[:4]).tolist() == [True, True, False, False]
    assert len(device.cost(ROWS[:2])) == 2


def test_a_budget_of_seconds_and_a_fallback_that_was_named():
    roofline = Roofline(CELLS, peak_flops=1e11, bandwidth=1e10)
    clock = itertools.count(0, 40.0)
    device = made(Recorded(), budget="1min", fallback=roofline, clock=lambda: float(next(clock)))
    found = device.answer(TEXTS)
    assert found.measured.tolist() == [True, True] + [False] * 5
    assert device.seconds == 80
    np.testing.assert_array_equal(found.values[2:], roofline.cost(ROWS[2:]))
    check_estimator(device, ROWS)
    with pytest.raises(OptionError, match="without a distribution"):
        device.distribution(ROWS)


def test_options_that_cannot_be_are_refused():
    for budget in (-1, True, "soon", "5GB", 2.5):
        with pytest.raises(OptionError, match="budget must be a number of measurements or a time"):
            made(Recorded(), budget=budget)
    with pytest.raises(OptionError, match="flops cannot be measured"):
        made(Recorded(), metric="flops")
    with pytest.raises(MeasurementError, match="was measured, but not its energy"):
        made(Recorded(), metric="energy").cost(ROWS[:1])


def test_a_cell_is_measured_for_real(tmp_path):
    plan = Plan(precision=0.2, budget_s=0.1, restarts=1, per_op=False)
    with Table.open(tmp_path / "cells.db") as table:
        device = MeasuredDevice("nasbench201", table=table, plan=plan, budget=1)
        cost = Objective(device)(TEXTS[0])
        assert 0 < cost[0] < 10
        assert [m.subject.name for m in table.measurements()] == [TEXTS[0]]
        assert [m.latency.headline_s for m in table.measurements()] == cost.tolist()
