"""Which operations of a cell a runtime that removes dead code still runs."""

import numpy as np
import pytest

from hwprof import spaces
from hwprof.spaces.cells import Dropped, DroppedBasis, Live, LiveBasis

SPACE = spaces.get("nasbench201")
EDGES = ((0, 1), (0, 2), (1, 2), (0, 3), (1, 3), (2, 3))


def values(*operations):
    features = SPACE.encode([SPACE.format(operations)]).astype(float)
    return LiveBasis(np.array(EDGES))(features)[0].tolist()


def test_every_operation_of_a_full_cell_is_used():
    assert values(*["nor_conv_3x3"] * 6) == [0, 0, 6, 0, 1]


def test_an_empty_cell_is_not_joined():
    assert values(*["none"] * 6) == [0, 0, 0, 0, 0]


def test_an_operation_whose_result_goes_nowhere_is_not_used():
    # Node 2 has no way on: what leads to it is dead. Edges: 0-1, 0-2, 1-2, 0-3, 1-3, 2-3.
    full = ("skip_connect", "nor_conv_1x1", "nor_conv_3x3", "none", "avg_pool_3x3", "none")
    assert values(*full) == [1, 0, 0, 1, 1]


def test_an_operation_on_nothing_is_run_all_the_same():
    # Nothing reaches node 1, but the runtime does not know that zeros come from it.
    cut = ("none", "none", "nor_conv_3x3", "none", "none", "skip_connect")
    assert values(*cut) == [1, 0, 1, 0, 0]


def test_live_counts_are_standardised():
    rng = np.random.default_rng(0)
    chosen = np.array(SPACE.operations)[rng.integers(0, 5, (200, 6))]
    features = SPACE.encode([SPACE.format(row) for row in chosen]).astype(float)
    mapped = Live(EDGES).fit(features, np.ones(200), rng)(features)
    assert mapped.shape == (200, 5)
    assert (mapped**2).sum(axis=1).mean() == pytest.approx(1)


def dropped(*operations):
    features = SPACE.encode([SPACE.format(operations)]).astype(float)
    return DroppedBasis(np.array(EDGES))(features)[0].tolist()


def test_what_is_dropped_is_what_is_not_used():
    full = ("skip_connect", "nor_conv_1x1", "nor_conv_3x3", "none", "avg_pool_3x3", "none")
    assert dropped(*full) == [0, 1, 1, 0, 0]
    assert dropped(*["nor_conv_3x3"] * 6) == [0, 0, 0, 0, 0]


def test_a_cell_that_is_not_joined_is_dropped_whole():
    cut = ("none", "none", "nor_conv_3x3", "none", "none", "skip_connect")
    assert dropped(*cut) == [1, 0, 1, 0, 1]


def test_a_device_that_drops_is_the_typical_one_and_once_the_difference():
    rng = np.random.default_rng(0)
    chosen = np.array(SPACE.operations)[rng.integers(0, 5, (400, 6))]
    features = SPACE.encode([SPACE.format(row) for row in chosen]).astype(float)
    every = features.reshape(400, 6, 5)[:, :, 1:].sum(axis=1)
    each = np.array([0.1, 0.5, 1.0, 0.2])
    runs = 0.3 + every @ each
    live = LiveBasis(np.array(EDGES))(features)
    drops = live[:, -1] * (0.3 + live[:, :-1] @ each)
    difference = Dropped(EDGES).fit(features, runs, rng)(features)
    assert difference.shape == (400, 1)
    np.testing.assert_allclose(runs + difference[:, 0], drops, atol=1e-9)
