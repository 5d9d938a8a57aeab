"""Measured values out of tables and files: what is held, what is missing, what is never mixed."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from hwprof import Objective, OptionError
from hwprof.predictors.setting import Setting
from hwprof.search import Goals, Roofline, TableLookup
from hwprof.testing.estimators import check_estimator
from tests.search.estimators.tables import CELLS, TEXTS, filled, measured

ROWS = CELLS.indices(list(TEXTS))
HELD = TEXTS[:5]


@pytest.fixture
def some():
    return [measured(seed, text) for seed, text in enumerate(HELD)]


@pytest.fixture
def table(tmp_path, some):
    with filled(tmp_path / "cells.db", *some) as table:
        yield table


def test_it_gives_what_was_measured_with_its_error(table, some):
    lookup = TableLookup(table, "nasbench201")
    check_estimator(lookup, ROWS[:5])
    np.testing.assert_allclose(lookup.cost(ROWS[:5]), [m.latency.headline_s for m in some])
    low, high = some[0].latency.ci95_s
    assert lookup.moments(ROWS[:1])[1][0] == pytest.approx((high - low) / 3.92)
    assert lookup.setting == Setting("nasbench201", 1, None, "fp32", 1)
    assert len(lookup) == 5
    by_path = TableLookup(table.path, CELLS)
    np.testing.assert_array_equal(by_path.cost(ROWS[:5]), lookup.cost(ROWS[:5]))


def test_what_is_missing_is_refused_or_answered_as_was_chosen(table):
    refusing = TableLookup(table, "nasbench201")
    with pytest.raises(OptionError, match=r"no latency of 2 of 7 architectures \(\|nor_conv_3x3~0"):
        refusing.cost(ROWS)
    nearest = TableLookup(table, "nasbench201", missing="nearest")
    found = nearest.answer(TEXTS)
    assert found.measured.tolist() == [True] * 5 + [False] * 2
    assert found.share == pytest.approx(5 / 7)
    # (3, 0, 0, 0, 0, 3) differs from all none at two edges, and from all 3x3 at four.
    assert found.values[5] == found.values[0]
    assert found.values[6] in (found.values[1], found.values[2])
    assert np.isnan(nearest.moments(ROWS)[1][5:]).all()
    with pytest.raises(OptionError, match="2 of 7 architectures come without a standard error"):
        nearest.distribution(ROWS)
    check_estimator(nearest, ROWS)
    roofline = Roofline("nasbench201", peak_flops=1e11, bandwidth=1e10)
    worked_out = TableLookup(table, "nasbench201", missing=roofline)
    np.testing.assert_array_equal(worked_out.cost(ROWS[5:]), roofline.cost(ROWS[5:]))
    np.testing.assert_array_equal(worked_out.cost(ROWS[:5]), nearest.cost(ROWS[:5]))
    check_estimator(worked_out, ROWS)


def test_a_predictor_answers_for_the_rest_with_its_own_distribution(table, raspi):
    lookup = TableLookup(table, "nasbench201", missing=raspi)
    check_estimator(lookup, ROWS)
    objective = Objective(lookup, statistic=0.9, limit="20ms")
    predicted = Objective(raspi, space="nasbench201", statistic=0.9)
    np.testing.assert_allclose(objective(ROWS[5:]), predicted(ROWS[5:]))
    assert objective.covered(ROWS).tolist() == [True] * 5 + [False] * 2
    np.testing.assert_allclose(
        objective.probability(ROWS[5:]),
        Objective(raspi, space=CELLS, limit="20ms").probability(ROWS[5:]),
    )


def test_settings_and_devices_are_never_mixed(tmp_path, some):
    others = [measured(50, HELD[0], batch=8), measured(51, HELD[0], threads=4)]
    with filled(tmp_path / "mixed.db", *some, *others) as table:
        with pytest.raises(OptionError, match=r"differ in what never shares a pool .*threads"):
            TableLookup(table, "nasbench201")
        with pytest.raises(OptionError, match=r"differ in what never shares a pool .*batch"):
            TableLookup(table, "nasbench201", threads=1)
        assert len(TableLookup(table, "nasbench201", threads=1, batch=1)) == 5
        eight = TableLookup(table, "nasbench201", batch=8)
        assert eight.setting.batch == 8
        assert eight.cost(ROWS[:1])[0] == others[0].latency.headline_s
        with pytest.raises(OptionError, match="no measurement of nasbench201 is of precision int8"):
            TableLookup(table, "nasbench201", precision="int8")


def test_predictions_in_a_table_are_no_measurements(tmp_path):
    made_up = measured(3, HELD[0], source="predicted")
    with filled(tmp_path / "made.db", made_up, measured(4, HELD[1])) as table:
        assert (
            TableLookup(table, "nasbench201").covered(ROWS).tolist() == [False, True] + [False] * 5
        )


def test_repeats_are_averaged_and_widen_where_they_disagree(tmp_path):
    path = tmp_path / "cells.csv"
    path.write_text(
        "arch,latency_ms,std_error_ms\n"
        f"{TEXTS[0]},10,0.1\n{TEXTS[0]},20,0.1\n{TEXTS[1]},30,0.3\n{TEXTS[2]},4,\n"
    )
    lookup = TableLookup(path, "nasbench201")
    value, error = lookup.moments(ROWS[:3])
    np.testing.assert_allclose(value, [0.015, 0.03, 0.004])
    np.testing.assert_allclose(error[:2], [0.005, 0.0003])
    assert np.isnan(error[2])
    assert lookup.setting is None
    with pytest.raises(OptionError, match="does not tell batch"):
        TableLookup(path, "nasbench201", batch=1)


def test_bad_choices_are_told(table, tmp_path):
    with pytest.raises(OptionError, match="missing must be"):
        TableLookup(table, "nasbench201", missing="zero")
    roofline = Roofline(CELLS, peak_flops=1, bandwidth=1)
    with pytest.raises(OptionError, match="it tells latency, but peak_memory is asked"):
        TableLookup(_memory(tmp_path), CELLS, metric="peak_memory", missing=roofline)
    with pytest.raises(OptionError, match="and not flops"):
        TableLookup(table, "nasbench201", metric="flops")
    with pytest.raises(OptionError, match="of the space nasbench201, but fbnet is searched"):
        Objective(TableLookup(table, "nasbench201"), space="fbnet")


def _memory(folder):
    path = folder / "memory.csv"
    path.write_text(f"arch,peak_memory_MB\n{TEXTS[0]},3\n")
    return path


def test_goals_take_it_as_any_objective(table):
    lookup = TableLookup(table, "nasbench201", missing="nearest")
    objective = Objective(lookup, limit="15ms")
    goals = Goals("nasbench201", minimise={"latency": objective}, limits=objective)
    np.testing.assert_array_equal(goals.values(ROWS)[:, 0], lookup.cost(ROWS))
    deviation = goals.moments(ROWS)[1][:, 0]
    assert (deviation[:5] > 0).all()
    assert np.isnan(deviation[5:]).all()


def test_what_an_emulator_ran_is_no_measurement(tmp_path, some):
    device = some[0].device
    emulated = replace(device, hardware=replace(device.hardware, emulated=True))
    with (
        filled(tmp_path / "e.db", replace(some[0], device=emulated)) as table,
        pytest.raises(OptionError, match="emulated hardware, whose costs mean nothing"),
    ):
        TableLookup(table, "nasbench201")


def test_two_builds_of_a_runtime_are_two_devices(tmp_path, some):
    other = replace(some[0], id="f" * 32, device=replace(some[0].device, runtime_build="theirs"))
    assert other.device.slug == some[0].device.slug
    with filled(tmp_path / "two.db", some[0], other) as table:
        with pytest.raises(OptionError, match="several devices"):
            TableLookup(table, "nasbench201")
        assert len(TableLookup(table, "nasbench201", device=other.device.fingerprint)) == 1


def test_a_value_on_the_limit_keeps_it(tmp_path):
    (tmp_path / "sure.csv").write_text(f"arch,latency_ms,std_error_ms\n{HELD[0]},10,0\n")
    lookup = TableLookup(tmp_path / "sure.csv", "nasbench201")
    for limits in ({"limit": "10ms"}, {"at_least": "10ms"}):
        objective = Objective(lookup, **limits)
        assert objective.violation([HELD[0]])[0] <= 0
        assert objective.probability([HELD[0]]).tolist() == [1]


def test_no_quantile_is_promised_where_no_error_is_known(tmp_path):
    (tmp_path / "m.csv").write_text(f"arch,peak_memory_MB\n{HELD[0]},10\n")
    with pytest.raises(OptionError, match="comes without a distribution"):
        Objective(TableLookup(tmp_path / "m.csv", "nasbench201"), statistic=0.9)


def test_botorch_is_not_given_a_lower_limit_of_the_wrong_quantile(tmp_path):
    pytest.importorskip("botorch")
    from hwprof.search.adapters.botorch import CostFunction, cost_constraint

    (tmp_path / "b.csv").write_text(f"arch,latency_ms,std_error_ms\n{HELD[0]},10,1\n")
    lookup = TableLookup(tmp_path / "b.csv", "nasbench201")
    objective = Objective(lookup, statistic=0.9, limit="30ms", at_least="10ms")
    with pytest.raises(OptionError, match=r"held against the quantile 0.1"):
        cost_constraint(CostFunction(objective))
