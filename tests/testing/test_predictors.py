"""Every registered predictor keeps the laws; broken ones are caught."""

from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec

import numpy as np
import pytest

from hwprof.errors import OptionError
from hwprof.predictors import registry
from hwprof.predictors.baselines import DeviceMixture
from hwprof.predictors.help import HelpOptions, HelpPredictor
from hwprof.predictors.pool import DevicePool
from hwprof.testing import predictors as contract
from tests.predictors.pools import small_pool

TINY = HelpOptions(
    episodes=6, check_every=3, tasks=2, samples=5, queries=10, width=8, draws=2, fall_back=False
)
NEEDS = {"help": ("torch", "safetensors"), "lightgbm": ("lightgbm",)}


def fitter(name):
    if any(find_spec(package) is None for package in NEEDS.get(name, ())):
        pytest.skip(f"{name} needs {NEEDS[name]}")
    if name == "help":
        return partial(HelpPredictor.fit, options=TINY)
    return registry.get(name).fit


@pytest.mark.parametrize("name", registry.names(plugins=()))
def test_every_predictor_keeps_the_laws(name):
    pool, target = small_pool()
    contract.check_predictor(fitter(name), pool, target)


@pytest.mark.parametrize("name", [n for n in registry.names(plugins=()) if n not in NEEDS])
def test_the_laws_hold_where_cells_are_missing(name):
    pool, target = small_pool()
    holes = pool.latency_s.copy()
    holes[np.random.default_rng(2).random(holes.shape) < 0.4] = np.nan
    holes[:5] = np.nan
    contract.check_predictor(
        fitter(name), DevicePool(pool.features, holes, pool.devices), target, counts=(8,)
    )


def test_help_keeps_the_laws_where_the_mixture_answers():
    pool, target = small_pool()
    fit = partial(HelpPredictor.fit, options=HelpOptions(episodes=1, width=4))
    contract.check_predictor(fit, pool, target, counts=(8,))


@dataclass(frozen=True, slots=True, eq=False)
class Bent:
    """A prediction with one property replaced."""

    inner: object
    mean_s: np.ndarray
    std_s: np.ndarray

    def quantile(self, q):
        return self.inner.quantile(q)

    def interval(self, level):
        return self.inner.interval(level)


@pytest.mark.parametrize(
    ("bend", "sentence"),
    [
        (lambda p: Bent(p, -p.mean_s, p.std_s), "a latency is positive"),
        (lambda p: Bent(p, p.mean_s, -p.std_s), "a deviation is not negative"),
        (lambda p: Bent(p, 50 * p.mean_s, p.std_s), "a wide interval holds the mean"),
        (lambda p: Bent(p, p.mean_s[1:], p.std_s), "one entry each"),
        (lambda p: Bent(p, p.mean_s * np.nan, p.std_s), "finite"),
    ],
)
def test_a_broken_prediction_is_caught(bend, sentence):
    pool, target = small_pool()
    rows = np.arange(10)
    good = DeviceMixture.fit(pool).adapt(rows, target[rows]).predict(rows)
    contract.check_prediction(good, 10)
    with pytest.raises(AssertionError, match=sentence):
        contract.check_prediction(bend(good), 10)


def test_what_is_not_refused_is_caught():
    with pytest.raises(AssertionError, match="nonsense is refused"):
        contract.refused(lambda: None, "nonsense")

    def two_lines():
        raise OptionError("one\ntwo")

    with pytest.raises(AssertionError, match="one line"):
        contract.refused(two_lines, "nonsense")
