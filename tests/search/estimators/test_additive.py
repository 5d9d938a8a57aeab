"""Costs that add up, as what an objective rests on."""

from __future__ import annotations

import numpy as np
import pytest

from hwprof import Objective, OptionError
from hwprof.search import Additive, AdditiveTable, Goals
from hwprof.testing.estimators import check_estimator
from tests.search.toys import Plain, Toy, every

COSTS = [[1.0, 2.0], [1.0, 2.0, 4.0], [0.0, 1.0, 2.0, 3.0], [0.0, 5.0]]
ROWS = every(Plain())


def test_a_table_of_choices_is_an_objective_as_it_is():
    table = AdditiveTable.of(COSTS, constant=0.5)
    objective = Objective(table, space=Plain(), limit=8.0)
    assert objective.kind == "additive"
    np.testing.assert_allclose(objective(ROWS), table(ROWS))
    want = [sum(c[i] for c, i in zip(COSTS, row, strict=True)) + 0.5 for row in ROWS]
    np.testing.assert_allclose(objective(ROWS), want)
    check_estimator(Additive(table, Plain()), np.unique(Toy().indices(ROWS), axis=0))
    goals = Goals(Plain(), minimise={"latency": objective}, limits=objective)
    assert (goals.violations(ROWS)[:, 0] <= 0).sum() == (np.array(want) <= 8).sum()


def test_of_any_metric_and_without_a_space_of_ones_own():
    energy = Additive(COSTS, Plain(), "energy")
    assert Objective(energy, limit="2J").metric.name == "energy"
    assert Objective({"energy": energy}, metric="energy")(ROWS).shape == (len(ROWS),)
    with pytest.raises(OptionError, match="additive costs are of energy, but latency is asked"):
        Objective(energy, metric="latency")
    with pytest.raises(OptionError, match="pass space="):
        Objective(AdditiveTable.of(COSTS))


def test_tables_that_do_not_fit_are_refused():
    with pytest.raises(OptionError, match=r"\[2, 3, 4, 2\]; give a cost for each"):
        Additive(COSTS[:3], Plain())
    with pytest.raises(OptionError, match="the cheapest architecture of this table costs -8"):
        Additive(AdditiveTable.of(COSTS, -10.0), Toy())


def test_several_devices_at_once():
    tables = {"one": AdditiveTable.of(COSTS), "two": AdditiveTable.of(COSTS, 1.0)}
    both = Objective.over(tables, space=Plain(), limits=8.0)
    np.testing.assert_allclose(both(ROWS), tables["two"](ROWS))
