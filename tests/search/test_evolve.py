"""The search without a library: what it finds, that it repeats, and that limits come first."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hwprof import Objective, OptionError, spaces
from hwprof.search import Goals, evolve, pareto_front
from tests.search.toys import WEIGHTS, Sum, Toy, every
from tests.spaces.tiny import Tiny

SPACE = Tiny()
ROWS = np.unique(SPACE.indices(every(SPACE)), axis=0)
DEVICE = Sum(np.linspace(0, 3e-3, SPACE.width))
MIDDLE = float(np.median(Objective(DEVICE, space=SPACE)(ROWS))) + 1e-5
LATENCY = Objective(DEVICE, space=SPACE, limit=MIDDLE)
FLOPS = Objective(metric="flops", space=SPACE)
BOTH = Goals(SPACE, minimise={"latency": LATENCY}, maximise={"flops": FLOPS}, limits=LATENCY)


def seeded(seed=0):
    return np.random.default_rng(seed)


def test_the_front_of_everything():
    found = evolve(BOTH, 30, 40, rng=seeded())
    truth = BOTH.evaluate(ROWS)
    feasible = truth.losses[truth.feasible]
    expected = np.unique(feasible[pareto_front(feasible)], axis=0)
    np.testing.assert_allclose(np.unique(found.found.losses[found.front], axis=0), expected)
    assert found.found.feasible[found.front].all()
    assert (np.diff(found.found.losses[found.front][:, 0]) >= 0).all()
    assert SPACE.indices(found.texts(found.front)).tolist() == found.rows[found.front].tolist()


def test_each_architecture_is_asked_once():
    DEVICE.asked = 0
    found = evolve(BOTH, 10, 20, rng=seeded())
    assert DEVICE.asked == len(found.rows) == len(np.unique(found.rows, axis=0))
    assert found.history[-1].evaluated == len(found.rows)
    assert found.history[-1].feasible == found.found.feasible.sum()
    counts = [generation.evaluated for generation in found.history]
    assert len(counts) == 11
    assert counts == sorted(counts)
    best = found.history[-1].best
    assert best[1] == found.found.values[found.found.feasible][:, 1].max()
    np.testing.assert_allclose(found.found.violations, BOTH.violations(found.rows), atol=1e-12)


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 2**32), st.integers(2, 12), st.integers(1, 4))
def test_a_seed_repeats_and_goals_only_improve(seed, population, generations):
    one, two = (evolve(BOTH, generations, population, rng=seeded(seed)) for _ in range(2))
    np.testing.assert_array_equal(one.rows, two.rows)
    np.testing.assert_array_equal(one.front, two.front)
    bests = [generation.best[1] for generation in one.history if generation.best]
    assert bests == sorted(bests)


def test_limits_are_met_first():
    """From a start that is all outside, with a goal that pulls further out."""
    worst = ROWS[np.argsort(-LATENCY(ROWS))[:6]]
    assert (LATENCY.violation(worst) > 0).all()
    goals = Goals(SPACE, maximise={"flops": FLOPS}, limits=LATENCY)
    found = evolve(goals, 25, 12, rng=seeded(1), start=worst)
    assert {tuple(row) for row in worst} <= {tuple(row) for row in found.rows}
    best = FLOPS(ROWS)[LATENCY.violation(ROWS) <= 0].max()
    assert found.found.values[found.front[0], 0] == best
    assert found.found.violations[found.front[0], 0] <= 0


def test_nothing_feasible_is_an_empty_front():
    goals = Goals(SPACE, minimise={"flops": FLOPS}, limits=LATENCY.within("1us"))
    found = evolve(goals, 2, 4, rng=seeded())
    assert len(found.front) == 0
    assert found.texts(found.front) == []
    assert found.history[-1].best is None


@pytest.mark.parametrize("name", spaces.names())
def test_every_space_evolves(name):
    parameters = Objective(metric="parameters", space=name)
    goals = Goals(name, minimise={"parameters": parameters})
    found = evolve(goals, 3, 6, rng=seeded())
    first = found.history[0].best[0]
    assert found.history[-1].best[0] < first


def test_what_cannot_evolve():
    with pytest.raises(OptionError, match="20 and 40 are usual"):
        evolve(BOTH, 0, 40, rng=seeded())
    with pytest.raises(OptionError, match="20 and 40 are usual"):
        evolve(BOTH, 1, 1, rng=seeded())
    plain = Goals(Toy(), minimise={"x": Objective(Sum(WEIGHTS), space=Toy())})
    with pytest.raises(OptionError, match="the space toy does not sample"):
        evolve(plain, 1, 2, rng=seeded())
