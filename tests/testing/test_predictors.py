"""Every registered predictor keeps the laws; one that breaks a law is told which."""

import re
from dataclasses import replace
from functools import partial
from importlib.util import find_spec
from itertools import count

import numpy as np
import pytest

from hwprof.metrics import METRICS
from hwprof.predictors import registry
from hwprof.predictors.baselines import RidgeRegression
from hwprof.predictors.help import HelpOptions, HelpPredictor
from hwprof.predictors.pool import DevicePool
from hwprof.testing import predictors as contract
from tests.testing import broken_predictors as parts
from tests.testing.broken_predictors import POOL, TARGET, Bent, Broken, Careless, Shifted, stretch
from tests.testing.laws import uncovered

ENDING = " is refused with an HwprofError"
TINY = HelpOptions(
    episodes=6, check_every=3, tasks=2, samples=5, queries=10, width=8, draws=2, fall_back=False
)
NEEDS = {
    "help": ("torch", "safetensors"),
    "lightgbm": ("lightgbm",),
    "gcn": ("torch",),
    **dict.fromkeys(("gp", "forest", "gbm", "mlp"), ("sklearn",)),
}
N = POOL.rows


def fitter(name):
    if any(find_spec(package) is None for package in NEEDS.get(name, ())):
        pytest.skip(f"{name} needs {NEEDS[name]}")
    if name == "help":
        return partial(HelpPredictor.fit, options=TINY)
    return registry.get(name).fit


@pytest.mark.parametrize("name", registry.names(plugins=()))
def test_every_predictor_keeps_the_laws(name):
    contract.check_predictor(fitter(name), POOL, TARGET)


@pytest.mark.parametrize("name", [n for n in registry.names(plugins=()) if n not in NEEDS])
def test_the_laws_hold_where_cells_are_missing(name):
    holes = POOL.latency_s.copy()
    holes[np.random.default_rng(2).random(holes.shape) < 0.4] = np.nan
    holes[:5] = np.nan
    contract.check_predictor(
        fitter(name), DevicePool(POOL.features, holes, POOL.devices), TARGET, counts=(8,)
    )


@pytest.mark.runtimes
def test_help_keeps_the_laws_where_the_mixture_answers():
    fit = partial(HelpPredictor.fit, options=HelpOptions(episodes=1, width=4))
    contract.check_predictor(fit, POOL, TARGET, counts=(8,))


PREDICTION = [
    ({"mean": lambda m: m[1:]}, "mean and deviation have one entry each"),
    ({"mean": lambda m: m * np.nan}, "predictions are finite"),
    ({"mean": lambda m: -m}, "a value is positive"),
    ({"std": lambda s: -s}, "a deviation is not negative"),
    (
        {"quantile": lambda quantile, q: quantile(q)[1:]},
        "a quantile has one entry per architecture",
    ),
    ({"quantile": lambda quantile, q: quantile(1 - q)}, "quantiles rise with q"),
    ({"mean": lambda m: 50 * m}, "a wide interval holds the mean"),
    ({"cdf": lambda share: share[1:]}, "a probability has one entry per architecture"),
    ({"cdf": lambda share: share / 2}, "cdf reaches q at the q-quantile"),
    (
        {"quantile": lambda quantile, q: quantile(min(max(q, 1e-6), 1 - 1e-6))},
        "quantile(0.0)" + ENDING,
    ),
]
SELECT = [
    (lambda select, call, k, *rest: select(k, *rest)[1:], "select(k) gives k rows"),
    (lambda select, call, k, *rest: select(k, *rest) * 1.0, "selected rows are integers"),
    (lambda select, call, k, *rest: select(k, *rest) * 0, "selected rows differ"),
    (lambda select, call, k, *rest: select(k, *rest) + N, "selected rows are rows of the pool"),
    (
        lambda select, call, k, *rest: (select(k, *rest) + call) % N,
        "select gives the same rows each time",
    ),
    (lambda select, call, k, c, e: select(k, None, e), "select keeps to what is allowed"),
    (lambda select, call, k, *rest: select(max(k, 1), *rest), "k = 0" + ENDING),
    (
        lambda select, call, k, *rest: select(min(k, N), *rest),
        "more rows than the pool has" + ENDING,
    ),
    (
        lambda select, call, k, c, e: select(k, None if c == [N] else c, e),
        "a candidate outside the pool" + ENDING,
    ),
]
ADAPTED = [
    (
        {"bend": lambda found, *_: replace(found, metric=METRICS["energy"])},
        "what is predicted is what the pool holds",
    ),
    (
        {"bend": lambda f, *_: Careless(f.mean, f.scale, f.degrees, METRICS["energy"])},
        "seconds of another metric" + ENDING,
    ),
    (
        {"bend_of": lambda call, rows: stretch(lambda asked, _: 1 + 0.01 * call)},
        "adapt is deterministic",
    ),
    ({"bend": stretch(lambda asked, call: 1 + 0.01 * call)}, "predict is deterministic"),
    (
        {"bend_of": lambda call, rows: stretch(lambda asked, _: 1 + 0.01 * rows[0])},
        "the order of measurements does not matter",
    ),
    (
        {"update": lambda adapted, indices, latency_s: adapted},
        "update equals adapt on the union",
    ),
    ({"update": parts.in_place}, "update leaves the old predictor as it was"),
    (
        {"bend": stretch(lambda asked, _: 1 + 0.01 * np.arange(len(asked)))},
        "a part is predicted as in the whole",
    ),
    (
        {
            "bend": stretch(
                lambda asked, _: 1.0, std_of=lambda asked: 1 + 0.01 * np.arange(len(asked))
            )
        },
        "a part deviates as in the whole",
    ),
    ({"bend": stretch(lambda asked, _: asked.ndim)}, "rows and their features agree"),
    (
        {"given": lambda asked: asked if len(asked) else np.zeros(1, dtype=np.int64)},
        "nothing gives nothing",
    ),
    ({"warnings": ("one line\nand another",)}, "a warning is a sentence of one line"),
    ({"bend": lambda found, *_: Shifted(found, later=1e-3)}, "a slower device scales the mean"),
    (
        {"bend": lambda found, *_: Shifted(found, wider=1e-3)},
        "a slower device scales the deviation",
    ),
]
REFUSALS = [
    ({"measured": parts.replaced_bad(np.isnan, 1e-3)}, "a value of nan" + ENDING),
    ({"measured": parts.replaced_bad(np.isinf, 1e-3)}, "a value of inf" + ENDING),
    ({"measured": parts.replaced_bad(lambda y: y == 0, 1e-3)}, "a value of 0.0" + ENDING),
    ({"measured": parts.replaced_bad(lambda y: y < 0, 1e-3)}, "a value of -1.0" + ENDING),
    ({"measured": parts.one_at_least}, "no measurement" + ENDING),
    ({"measured": parts.two_lines}, "the error for no measurement is one line"),
    (
        {"measured": lambda indices, y, e: (indices[: len(y)], y, e)},
        "fewer values than indices" + ENDING,
    ),
    (
        {"measured": parts.indices_by(lambda i: np.minimum(i, N - 1) if i.size else i)},
        "an index past the pool" + ENDING,
    ),
    (
        {"measured": parts.indices_by(lambda i: np.maximum(i, 0) if i.size else i)},
        "a negative index" + ENDING,
    ),
    (
        {"measured": parts.indices_by(lambda i: i.astype(np.int64) if i.size else i)},
        "an index that is no integer" + ENDING,
    ),
    (
        {"measured": lambda indices, y, e: (indices, y, None if e is None else np.abs(e))},
        "a negative standard error" + ENDING,
    ),
    (
        {"given": lambda asked: asked % N if asked.ndim == 1 else asked},
        "a prediction past the pool" + ENDING,
    ),
    ({"given": parts.widened}, "features of another width" + ENDING),
    (
        {"given": lambda asked: np.nan_to_num(asked) if asked.ndim == 2 else asked},
        "features that are NaN" + ENDING,
    ),
    ({"update": parts.update_of_numbers}, "an update with a value that is NaN" + ENDING),
]


def cases(table):
    return [pytest.param(change, sentence, id=sentence) for change, sentence in table]


def told(sentence):
    return pytest.raises(AssertionError, match=f"^{re.escape(sentence)}$")


@pytest.mark.parametrize(("changes", "sentence"), cases(PREDICTION))
def test_a_broken_prediction_is_told_its_law(changes, sentence):
    rows = np.arange(10)
    good = RidgeRegression.fit(POOL).adapt(rows, TARGET[rows]).predict(rows)
    contract.check_prediction(good, 10)
    with told(sentence):
        contract.check_prediction(Bent(good, **changes), 10)


@pytest.mark.parametrize(("select", "sentence"), cases(SELECT))
def test_a_broken_choice_is_told_its_law(select, sentence):
    with told(sentence):
        contract.check_select(Broken(select=select), N)


@pytest.mark.parametrize(("changes", "sentence"), cases([*ADAPTED, *REFUSALS]))
def test_a_broken_predictor_is_told_its_law(changes, sentence):
    with told(sentence):
        contract.check_predictor(lambda pool: Broken(**changes), POOL, TARGET, counts=(8,))


def test_a_predictor_that_is_not_broken_passes():
    contract.check_predictor(lambda pool: Broken(), POOL, TARGET, counts=(8,))


def test_a_fit_that_differs_is_told():
    fits = count()

    def fit(pool):
        factor = 1 + 0.01 * next(fits)
        return Broken(bend=stretch(lambda asked, _: factor))

    with told("fit is deterministic"):
        contract.check_predictor(fit, POOL, TARGET, counts=(8,))


def test_a_scale_of_its_own_can_be_allowed():
    fixed = partial(Broken, bend=lambda found, *_: Shifted(found, later=1e-3))
    contract.check_predictor(
        lambda pool: fixed(), POOL, TARGET, counts=(8,), scale_equivariant=False
    )


def test_every_law_is_broken_once():
    tables = (PREDICTION, SELECT, ADAPTED, REFUSALS)
    seen = [sentence for table in tables for _, sentence in table] + ["fit is deterministic"]
    assert uncovered(contract, ENDING, seen) == []
    assert r"quantiles\ rise\ with\ q" in uncovered(contract, ENDING, [])


def test_other_errors_are_not_swallowed():
    def loud(indices, latency_s, std_error_s):
        if len(indices) == 0:
            raise KeyError("no index")
        return indices, latency_s, std_error_s

    with pytest.raises(KeyError, match="no index"):
        contract.check_predictor(lambda pool: Broken(measured=loud), POOL, TARGET, counts=(8,))
