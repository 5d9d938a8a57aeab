"""Intervals of ratios hold though the pairs are few."""

from __future__ import annotations

import math

import numpy as np
import pytest

from hwprof.spread import PRIOR_SPREAD, PRIOR_SPREAD_OF_SEVERAL, between_pairs


def test_pairs_that_agree_by_luck_are_not_believed() -> None:
    half = between_pairs(np.zeros(3), (1, 1))
    assert half == pytest.approx(2.776 * math.sqrt(2 * 2 * PRIOR_SPREAD**2 / 4 / 3))
    mixed = between_pairs(np.zeros(3), (1, 2))
    known = PRIOR_SPREAD**2 + PRIOR_SPREAD_OF_SEVERAL**2
    assert mixed == pytest.approx(2.776 * math.sqrt(2 * known / 4 / 3))
    assert between_pairs(np.zeros(30), (1, 1)) < half / 3


def test_pairs_that_lie_apart_are_believed() -> None:
    logs = np.array([-0.2, 0.0, 0.2])
    assert between_pairs(logs, (1, 1)) > 0.2
    assert between_pairs(logs, (1, 1)) < 4.303 * 0.2 / math.sqrt(3)


def test_few_samples_are_a_floor() -> None:
    assert between_pairs(np.zeros(4), (1, 1), sampling=0.5) == pytest.approx(0.25)


@pytest.mark.parametrize("pairs", [3, 5])
def test_nineteen_of_twenty_hold_the_true_ratio(pairs: int) -> None:
    rng = np.random.default_rng(1)
    drawn = rng.normal(0.0, PRIOR_SPREAD * math.sqrt(2), (4000, pairs))
    held = np.mean([abs(logs.mean()) <= between_pairs(logs, (1, 1)) for logs in drawn])
    assert held > 0.94
