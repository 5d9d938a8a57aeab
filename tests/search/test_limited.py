"""A search under a limit that measures what promises most."""

import numpy as np
import pytest

from hwprof.errors import OptionError
from hwprof.predictors.fewshot import FewShotPredictor
from hwprof.search.limited import LimitedSearch
from tests.predictors.test_fewshot import make


@pytest.fixture(scope="module")
def known():
    pool, y = make()
    return FewShotPredictor.fit(pool), pool, y


def begin(known, quantile=0.5):
    predictor, pool, y = known
    gain = pool.features.sum(axis=1) + 10
    first = int(predictor.select(1)[0])
    adapted = predictor.adapt([first], y[[first]])
    limit = float(np.quantile(y, quantile))
    return (
        LimitedSearch.start(adapted, np.arange(len(y)), gain, limit, ((first, y[first]),)),
        y,
        gain,
    )


@pytest.mark.parametrize("quantile", [0.2, 0.5, 0.8])
def test_ten_measurements_find_nearly_the_best(known, quantile):
    search, y, gain = begin(known, quantile)
    for _ in range(9):
        row = search.propose()
        if row is None:
            break
        assert row not in {measured for measured, _ in search.known}
        search = search.tell(row, y[row])
    best = search.best()
    assert y[best] <= search.limit
    assert gain[best] >= 0.95 * gain[y <= search.limit].max()


def test_a_search_is_a_value(known):
    search, y, _ = begin(known)
    row = search.propose()
    later = search.tell(row, y[row])
    assert len(search.known) == 1
    assert len(later.known) == 2
    assert search.propose() == row
    assert later.propose() != row


def test_a_limit_that_nothing_meets_has_no_best(known):
    search, y, _ = begin(known)
    hopeless = LimitedSearch.start(
        search.adapted, search.rows, search.gain, float(y.min()) / 1e3, search.known
    )
    assert hopeless.best() is None


def test_nothing_is_proposed_once_the_best_is_known(known):
    search, y, _ = begin(known)
    two = LimitedSearch.start(search.adapted, [0, 1], [2.0, 1.0], float(y.max()) * 2)
    assert two.tell(0, y[0]).propose() is None
    assert two.tell(0, y[0]).best() == 0


@pytest.mark.parametrize(
    ("rows", "gain", "limit", "says"),
    [
        ([0.5], [1], 1, "rows must be integers"),
        ([], [], 1, "rows must be integers"),
        ([1, 1], [1, 1], 1, "twice"),
        ([0, 1], [1], 1, "gain must be 2"),
        ([0], [np.nan], 1, "gain must be 1"),
        ([0], [1], 0, "limit must be positive"),
        ([0], [1], np.inf, "limit must be positive"),
    ],
)
def test_what_does_not_fit_is_refused(known, rows, gain, limit, says):
    search, _, _ = begin(known)
    with pytest.raises(OptionError, match=says):
        LimitedSearch.start(search.adapted, rows, gain, limit)
    with pytest.raises(OptionError, match="level"):
        search.best(level=1.0)
