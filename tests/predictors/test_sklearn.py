"""Regressions of scikit-learn on the target's measurements, and how sure they say they are."""

import numpy as np
import pytest

from hwprof import spaces
from hwprof.errors import OptionError
from hwprof.predictors import pools, registry
from hwprof.predictors.baselines.own import OwnSpread
from hwprof.predictors.baselines.prediction import Spread
from tests.predictors.pools import ROWS, small_pool

pytest.importorskip("sklearn")
NAMES = ("gp", "forest", "gbm", "mlp")
EVERY = np.arange(ROWS)
POOL, TARGET = small_pool()
MEASURED = np.arange(0, ROWS, 3)
UNSEEN = np.setdiff1d(EVERY, MEASURED)


@pytest.fixture(scope="module")
def adapted():
    """Each of them on 40 of 120 architectures."""
    return {n: registry.get(n).fit(POOL).adapt(MEASURED, TARGET[MEASURED]) for n in NAMES}


@pytest.mark.parametrize(
    ("name", "error"), [("gp", 0.04), ("mlp", 0.1), ("forest", 0.2), ("gbm", 0.2)]
)
def test_it_learns_what_the_measurements_tell(adapted, name, error):
    told = adapted[name].predict(UNSEEN)
    assert np.median(np.abs(told.mean / TARGET[UNSEEN] - 1)) < error
    assert np.corrcoef(told.mean, TARGET[UNSEEN])[0, 1] > 0.75
    low, high = told.interval(0.9)
    assert ((low <= TARGET[UNSEEN]) & (TARGET[UNSEEN] <= high)).mean() > 0.8


@pytest.mark.parametrize("name", NAMES)
def test_its_deviation_is_of_its_own(adapted, name):
    told = adapted[name].predict(EVERY)
    relative = told.std / told.mean
    assert np.ptp(relative) > 1e-3 * relative.mean()
    if name in ("gp", "forest"):
        assert relative[MEASURED].mean() < relative[UNSEEN].mean()


@pytest.mark.parametrize("name", ["gp", "forest"])
def test_left_out_measurements_are_judged_without_being_seen(name):
    predictor = registry.get(name).fit(POOL)
    rows = MEASURED[:12]
    values = TARGET[rows] / TARGET[rows].mean()
    weight, inputs = np.ones(12), predictor.known.inputs[rows]
    learnt = predictor.learn(inputs, values, weight)
    seen = np.abs(learnt(inputs)[0] - values).mean()
    left_out = np.abs(predictor.left_out(learnt, inputs, values, weight)[0] - values).mean()
    assert left_out > 1.5 * seen


def test_the_closed_form_is_that_of_leaving_one_out():
    predictor = registry.get("gp").fit(POOL)
    rows = MEASURED[:8]
    values = TARGET[rows] / TARGET[rows].mean()
    weight, inputs = np.ones(8), predictor.known.inputs[rows]
    learnt = predictor.learn(inputs, values, weight)
    mean, deviation = predictor.left_out(learnt, inputs, values, weight)
    kernel = learnt.process.kernel_
    covariance = kernel(inputs) + 1e-9 * np.eye(8)
    for out in range(8):
        kept = np.arange(8) != out
        solved = np.linalg.solve(covariance[np.ix_(kept, kept)], covariance[kept, out])
        assert mean[out] == pytest.approx(1 + solved @ (values[kept] - 1), rel=1e-6)
        variance = covariance[out, out] - solved @ covariance[kept, out]
        assert deviation[out] == pytest.approx(np.sqrt(variance), rel=1e-6)


def test_deviations_are_brought_to_the_size_of_the_errors():
    common = Spread.of(0.0, np.full(400, 1e-9), 0.1)
    values, own = np.ones(400), np.full(400, 0.01)
    mean = 1 + 0.05 * np.random.default_rng(0).standard_normal(400)
    spread = OwnSpread.of(common, values, (mean, own))
    assert spread.scale(np.ones(1), np.array([0.01]))[0] == pytest.approx(0.05, rel=0.1)
    assert spread.scale(np.ones(1), np.array([0.02]))[0] == pytest.approx(0.1, rel=0.1)


def test_noisy_measurements_count_less():
    error = np.full(len(MEASURED), 1e-4) * TARGET[MEASURED]
    spoilt = TARGET[MEASURED].copy()
    spoilt[5] *= 2
    error[5] = TARGET[MEASURED][5]
    for name in ("gp", "forest", "gbm"):
        predictor = registry.get(name).fit(POOL)
        believed = predictor.adapt(MEASURED, spoilt).predict(UNSEEN).mean
        doubted = predictor.adapt(MEASURED, spoilt, None, error).predict(UNSEEN).mean
        off = [np.abs(each / TARGET[UNSEEN] - 1).mean() for each in (doubted, believed)]
        assert off[0] < off[1], name


def test_a_space_lends_its_own_summary():
    pool, space = pools.load("nasbench201"), spaces.get("nasbench201")
    some = np.random.default_rng(0).permutation(pool.rows)[:400]
    part = pool.__class__(pool.features[some], pool.latency_s[some], pool.devices)
    told = {}
    for similarity in (None, space.similarity()):
        adapted = (
            registry.get("gp")
            .fit(part, similarity=similarity)
            .adapt(np.arange(12), part.latency_s[:12, 0])
        )
        told[similarity is None] = adapted.predict(np.arange(12, 400)).mean
    truth = part.latency_s[12:, 0]
    errors = {k: np.median(np.abs(v / truth - 1)) for k, v in told.items()}
    assert errors[False] < errors[True]


@pytest.mark.parametrize("name", NAMES)
def test_a_missing_library_names_the_extra(name, monkeypatch):
    monkeypatch.setattr("hwprof.predictors.baselines.sklearn.find_spec", lambda name: None)
    with pytest.raises(OptionError, match=rf"the predictor '{name}' needs .*hwprof\[sklearn\]"):
        registry.get(name).fit(POOL)
