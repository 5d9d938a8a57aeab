"""What layers have to do, as seconds on a machine of two numbers."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hwprof import Objective, OptionError, spaces
from hwprof.search import Roofline
from hwprof.testing.estimators import check_estimator
from tests.search.toys import Toy, every

CELLS = spaces.get("nasbench201")
ROWS = CELLS.sample(30, np.random.default_rng(0))


@pytest.mark.parametrize("name", ["nasbench201", "transformer"])
def test_each_layer_takes_the_longer_of_the_two(name):
    space = spaces.get(name)
    rows = space.sample(6, np.random.default_rng(1))
    numbers = {"overhead_s": 1e-4, "per_layer_overhead_s": 1e-6}
    roofline = Roofline(space, peak_flops=3e10, bandwidth=7e9, **numbers)
    for row, told in zip(rows, roofline.cost(rows), strict=True):
        layers = np.array(space.costs(row).work.layers)
        longer = np.maximum(2 * layers[:, 0] / 3e10, layers[:, 1] / 7e9)
        assert told == pytest.approx(1e-4 + 1e-6 * len(layers) + longer.sum())
    check_estimator(roofline, rows)


@settings(max_examples=5, deadline=None)
@given(st.floats(1e8, 1e14), st.floats(1e8, 1e13), st.floats(1.1, 10))
def test_a_faster_machine_is_never_slower_and_layers_never_overlap(peak, bandwidth, faster):
    totals = {"peak_flops": peak, "bandwidth": bandwidth}
    cost = Roofline(CELLS, **totals).cost(ROWS)
    whole = Roofline(CELLS, per_layer=False, **totals).cost(ROWS)
    assert (whole <= cost * (1 + 1e-9)).all()
    for number in totals:
        quicker = Roofline(CELLS, **{**totals, number: faster * totals[number]}).cost(ROWS)
        assert (quicker <= cost * (1 + 1e-9)).all()
    both = Roofline(CELLS, peak_flops=faster * peak, bandwidth=faster * bandwidth).cost(ROWS)
    np.testing.assert_allclose(both, cost / faster)


def test_a_fit_finds_the_machine_again():
    made = Roofline(
        CELLS, peak_flops=1e11, bandwidth=2.5e10, overhead_s=3e-4, per_layer_overhead_s=2e-6
    )
    fitted = Roofline.fitted(CELLS, ROWS, made.cost(ROWS))
    assert fitted.peak_flops == pytest.approx(1e11, rel=1e-6)
    assert fitted.bandwidth == pytest.approx(2.5e10, rel=1e-6)
    assert fitted.overhead_s == pytest.approx(3e-4, rel=1e-4)
    assert fitted.per_layer_overhead_s == pytest.approx(2e-6, rel=1e-4)
    others = CELLS.sample(50, np.random.default_rng(5))
    noisy = made.cost(ROWS) * np.exp(0.05 * np.random.default_rng(2).standard_normal(30))
    rough = Roofline.fitted(CELLS, CELLS.texts(ROWS), noisy)
    check_estimator(rough, others)
    np.testing.assert_allclose(rough.cost(others), made.cost(others), rtol=0.15)
    low, high = rough.distribution(others).interval(0.9)
    assert ((low < made.cost(others)) & (made.cost(others) < high)).mean() > 0.9


def test_repeats_make_a_fit_no_surer():
    made = Roofline(CELLS, peak_flops=1e11, bandwidth=2.5e10)
    noisy = made.cost(ROWS[:8]) * np.exp(0.25 * np.random.default_rng(3).standard_normal(8))
    once = Roofline.fitted(CELLS, ROWS[:8], noisy)
    often = Roofline.fitted(CELLS, np.tile(ROWS[:8], (10, 1)), np.tile(noisy, 10))
    for one, ten in zip(
        once.distribution(ROWS).interval(0.9), often.distribution(ROWS).interval(0.9), strict=True
    ):
        np.testing.assert_allclose(ten, one, rtol=0.01)


def test_it_says_that_it_is_worked_out():
    roofline = Roofline("nasbench201", peak_flops=1e11, bandwidth=1e10)
    objective = Objective(roofline, limit="1ms")
    assert objective.kind == "analytical"
    assert np.isnan(objective.moments(ROWS)[1]).all()
    with pytest.raises(OptionError, match="this analytical cost comes without a distribution"):
        Objective(roofline, statistic=0.9)
    with pytest.raises(OptionError, match="use statistic='mean' and violation"):
        objective.feasible(ROWS)
    with pytest.raises(OptionError, match="give texts or rows of choices"):
        objective(CELLS.encode(ROWS).astype(float))
    assert (
        Objective(Roofline.fitted(CELLS, ROWS, roofline.cost(ROWS)), statistic=0.9)(ROWS).min() > 0
    )


def test_totals_serve_a_space_that_counts_no_layers():
    rows = every(Toy())
    with pytest.raises(OptionError, match="use per_layer=False"):
        Roofline(Toy(), peak_flops=1e6, bandwidth=1e6)
    whole = Roofline(Toy(), peak_flops=1e6, bandwidth=1e9, per_layer=False)
    costs = [Toy().costs(row) for row in rows]
    want = [max(c.flops / 1e6, (4 * c.parameters + c.activation_bytes) / 1e9) for c in costs]
    np.testing.assert_allclose(whole.cost(rows), want)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"peak_flops": 0}, "peak_flops must be positive"),
        ({"bandwidth": float("inf")}, "bandwidth must be positive and finite"),
        ({"peak_flops": True}, "peak_flops must be positive"),
        ({"overhead_s": -1}, "overhead_s must be finite and not negative"),
        ({"per_layer": False, "per_layer_overhead_s": 1e-6}, "goes with per_layer=True"),
    ],
)
def test_machines_that_cannot_be_are_refused(change, sentence):
    with pytest.raises(OptionError, match=sentence):
        Roofline(CELLS, **{"peak_flops": 1e9, "bandwidth": 1e9, **change})


def test_fits_that_cannot_be_are_refused():
    with pytest.raises(OptionError, match="4 different architectures at least, but there are 3"):
        Roofline.fitted(CELLS, ROWS[:3], np.ones(3))
    with pytest.raises(OptionError, match="values must be 30 positive seconds"):
        Roofline.fitted(CELLS, ROWS, -np.ones(30))
    with pytest.raises(OptionError, match="do not grow with what the layers have to do"):
        Roofline.fitted(CELLS, ROWS, np.ones(30))


def test_a_space_that_counts_nothing_is_refused():
    class Blind:
        name, positions = "blind", CELLS.positions

    for per_layer in (True, False):
        with pytest.raises(OptionError, match="blind"):
            Roofline(Blind(), peak_flops=1, bandwidth=1, per_layer=per_layer)
