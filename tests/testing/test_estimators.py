"""Estimators that break a law are told which."""

from __future__ import annotations

from itertools import count

import numpy as np
import pytest

from hwprof.errors import OptionError
from hwprof.metrics import LATENCY
from hwprof.search import Architectures, Estimator
from hwprof.search.estimators.distributions import MeasuredPrediction
from hwprof.testing.estimators import check_estimator
from tests.search.toys import Toy, every

ROWS = np.unique(Toy().indices(every(Toy())), axis=0)


class Counted(Estimator):
    """A sound one, whose parts can be bent."""

    space = Architectures.of(Toy())
    metric = LATENCY
    kind = "table"

    def __init__(self, **bent):
        self.bent = bent

    def _bent(self, name, value, *more):
        return self.bent[name](value, *more) if name in self.bent else value

    def cost(self, rows):
        return self._bent("cost", 1.0 + rows.sum(axis=1), rows)

    def covered(self, rows):
        return self._bent("covered", super().covered(rows))

    def moments(self, rows):
        mean = 1.0 + rows.sum(axis=1)
        return self._bent("moments", (mean, 0.1 * mean))

    def distribution(self, rows):
        return self._bent("distribution", MeasuredPrediction.of(LATENCY, *self.moments(rows)))


def test_a_sound_one_keeps_the_laws():
    check_estimator(Counted(), ROWS)


def refuse(found):
    raise OptionError("none here")


TURNS = count()
BROKEN = [
    ({"cost": lambda c, rows: c[:, None]}, "a cost has one entry per architecture"),
    ({"cost": lambda c, rows: c.astype(np.float32)}, "a cost is a float64"),
    ({"cost": lambda c, rows: c - 1}, "a cost is positive and finite"),
    ({"cost": lambda c, rows: c + next(TURNS)}, "a cost is the same each time"),
    ({"cost": lambda c, rows: c + np.arange(len(c))}, "a cost does not depend on its place"),
    ({"covered": lambda c: c[1:]}, "covered has one entry per architecture"),
    ({"covered": lambda c: c.astype(float)}, "covered holds truth values"),
    ({"moments": lambda m: (m[0] * 2, m[1])}, "the mean is the cost"),
    ({"moments": lambda m: (m[0], -m[1])}, "a deviation is not negative"),
    ({"distribution": refuse}, "what has a deviation everywhere has a distribution"),
    (
        {"distribution": lambda d: MeasuredPrediction(LATENCY, d.mean, 2 * d.std)},
        "a distribution's deviation is the one that is told",
    ),
]


@pytest.mark.parametrize(("bent", "sentence"), BROKEN, ids=[s for _, s in BROKEN])
def test_a_broken_law_is_named(bent, sentence):
    with pytest.raises(AssertionError, match=f"^{sentence}$"):
        check_estimator(Counted(**bent), ROWS)


def test_an_unknown_kind_and_changed_rows_are_named():
    odd = Counted()
    odd.kind = "guessed"
    with pytest.raises(AssertionError, match="a kind is one of"):
        check_estimator(odd, ROWS)
    rows = ROWS.copy()

    def spoil(covered):
        rows[-1] = 0
        return covered

    with pytest.raises(AssertionError, match=r"rows stay|the mean is the cost"):
        check_estimator(Counted(covered=spoil), rows)
