"""Tiers of cost: which is whose, what is drawn of each, and what AlphaNet's step takes."""

from __future__ import annotations

import numpy as np
import pytest

from hwprof import Objective, OptionError
from hwprof.search import CostTiers

CELLS = "nasbench201"
FLOPS = Objective(metric="flops", space=CELLS)
EVERY = np.array(np.meshgrid(*[range(5)] * 6, indexing="ij")).reshape(6, -1).T


def seeded(seed=0):
    return np.random.default_rng(seed)


@pytest.fixture(scope="module")
def tiers():
    return CostTiers(FLOPS, CELLS, 5, rng=seeded())


def test_every_architecture_has_its_tier(tiers):
    flops = FLOPS(EVERY)
    assert tiers.edges[[0, -1]].tolist() == [flops.min(), flops.max()]
    found = tiers.tier_of(EVERY)
    assert len(tiers) == 5
    for tier in range(5):
        inside = flops[found == tier]
        assert inside.min() >= tiers.edges[tier]
        assert inside.max() < tiers.edges[tier + 1] or tier == 4
    assert found.min() == 0
    shares = np.bincount(found, minlength=5) / len(found)
    np.testing.assert_allclose(tiers.shares, shares, atol=0.03)
    text = FLOPS.space.texts(EVERY[:1])
    assert tiers.tier_of(text).tolist() == found[:1].tolist()


@pytest.mark.parametrize("tier", range(5))
def test_samples_are_of_their_tier(tiers, tier):
    found = tiers.sample(tier, 60, seeded())
    assert (tiers.tier_of(found.rows) == tier).all()
    assert len(found.rows) == 60
    again = tiers.sample(tier, 60, seeded(1))
    assert not np.array_equal(found.rows, again.rows)


def test_tiers_come_alike_or_by_weight(tiers):
    rows, of = tiers.draw(200, seeded())
    np.testing.assert_array_equal(tiers.tier_of(rows), of)
    assert np.bincount(of, minlength=5).min() > 20
    rows, of = tiers.draw(30, seeded(), weights=[0, 0, 1, 0, 3])
    assert set(of.tolist()) == {2, 4}
    np.testing.assert_array_equal(tiers.tier_of(rows), of)


def test_a_sandwich_has_the_ends_and_some_between(tiers):
    flops = FLOPS(EVERY)
    rows = tiers.sandwich(2, seeded())
    assert rows.shape == (4, 6)
    cost = FLOPS(rows)
    assert (cost[0], cost[-1]) == (flops.min(), flops.max())


def test_choices_are_counted_by_tier(tiers):
    low, high = tiers.probabilities(0), tiers.probabilities(4)
    for one, other in zip(low, high, strict=True):
        assert one.sum() == pytest.approx(1)
        # The 3 x 3 convolution is dear.
        assert one[3] < 0.1 < 0.4 < other[3]


def test_ends_as_people_write_them():
    tiers = CostTiers(FLOPS, CELLS, ["50M", "100M", "200M"], rng=seeded())
    np.testing.assert_allclose(tiers.edges, [5e7, 1e8, 2e8])
    flops = FLOPS(EVERY)
    found = tiers.tier_of(EVERY)
    np.testing.assert_array_equal(found == -1, (flops < 5e7) | (flops > 2e8))
    np.testing.assert_array_equal(found == 1, (flops >= 1e8) & (flops <= 2e8))


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"tiers": 0}, "cannot be 0 tiers"),
        ({"tiers": ["100M"]}, "two costs or more, rising"),
        ({"tiers": ["100M", "50M"]}, "two costs or more, rising"),
        ({"pilot": 1}, "4000 are usual"),
        ({"proposal": "magic"}, "choose among"),
        ({"objective": lambda rows: np.ones(len(rows))}, "costs that differ"),
    ],
)
def test_tiers_that_cannot_be(options, says):
    with pytest.raises(OptionError, match=says):
        CostTiers(**{"objective": FLOPS, "space": CELLS, "rng": seeded()} | options)


def test_what_cannot_be_drawn(tiers):
    for tier in (-1, 5):
        with pytest.raises(OptionError, match="tier must be 0 to 4"):
            tiers.sample(tier, 1, seeded())
    for weights in ([1, 1], [0] * 5, [1, 1, 1, 1, -1], [np.nan] * 5):
        with pytest.raises(OptionError, match="weights must be 5 finite"):
            tiers.draw(1, seeded(), weights=weights)
    empty = CostTiers(FLOPS, CELLS, ["500M", "600M"], rng=seeded())
    with pytest.raises(OptionError, match=r"costs from 16\.17MFLOPs"):
        empty.sample(0, 1, seeded())
