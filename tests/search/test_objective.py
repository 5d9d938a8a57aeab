"""The objective itself: what it reads, what it says, what it refuses."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import hwprof
from hwprof import Objective, OptionError
from hwprof.metrics import METRICS, metric_of, parse_limit
from hwprof.predictors.base import Prediction
from tests.search.toys import WEIGHTS, Plain, Sum, Toy, every


def test_one_public_name_and_a_light_import():
    assert hwprof.Objective is Objective
    heavy = ["numpy", "torch", "optuna", "pymoo", "scipy"]
    code = f"import hwprof, sys; assert not [m for m in {heavy} if m in sys.modules]"
    subprocess.run([sys.executable, "-c", code], check=True)
    code = (
        "import hwprof.search, sys; "
        "assert not [m for m in 'torch optuna pymoo ax botorch syne_tune'.split() "
        "if m in sys.modules]"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_texts_rows_and_features_agree(toy):
    space, rows = Toy(), every(Toy())
    objective = Objective(toy, space=space)
    texts = ["-".join(p.choices[i] for p, i in zip(space.positions, r, strict=True)) for r in rows]
    expected = space.encode(rows) @ WEIGHTS + 1e-3
    for archs in (rows, texts, np.array(texts), rows.tolist(), space.encode(rows)):
        value = objective(archs)
        assert value.dtype == np.float64
        np.testing.assert_allclose(value, expected, rtol=1e-6)
    assert objective(texts[3]).shape == (1,)
    assert objective([]).shape == (0,)
    np.testing.assert_allclose(objective([2, 0]), 1e-3 + WEIGHTS[[2, 0]])


def test_shipped_space_by_name(raspi):
    objective = Objective(raspi, space="nasbench201")
    rows = np.random.default_rng(0).integers(0, 5, (50, 6))
    texts = objective.space.texts(rows)
    names = {name: i for i, name in enumerate(raspi.fitted.names)}
    pool_rows = np.array([names[text] for text in texts])
    np.testing.assert_allclose(objective(rows), objective(pool_rows), rtol=1e-5)
    np.testing.assert_allclose(objective(texts), objective(rows), rtol=1e-12)


def test_encode_turns_anything_into_features(toy):
    objective = Objective(toy, encode=lambda archs: Toy().encode(np.array(archs)))
    np.testing.assert_allclose(objective([[0, 0, 0, 0]]), [1e-3 + 0.002], rtol=1e-6)
    with pytest.raises(OptionError, match="encode must give"):
        Objective(toy, encode=lambda archs: np.zeros((1, 2), dtype=complex))(["x"])


def test_the_mean_never_makes_the_distribution(raspi, monkeypatch):
    monkeypatch.setattr(type(raspi), "_mixture", lambda *_: pytest.fail("not for the mean"))
    assert (Objective(raspi, limit=1.0).violation(np.arange(20)) < 0).all()


def test_quantiles_and_limits(toy, raspi):
    rows = every(Toy())
    mean = Objective(toy, space=Toy(), limit="8ms")
    high = Objective(toy, space=Toy(), limit=0.008, statistic=0.9)
    assert (high(rows) > mean(rows)).all()
    np.testing.assert_allclose(mean.violation(rows), mean(rows) - 0.008)
    # A 0.9 quantile below the limit is a probability of 0.9 to meet it.
    np.testing.assert_array_equal(high.violation(rows) <= 0, mean.feasible(rows, 0.9))
    pool_rows = np.arange(300)
    q = Objective(raspi, statistic=0.7)(pool_rows)
    for row in (0, 100, 299):
        at = Objective(raspi, limit=float(q[row])).probability(pool_rows)[row]
        assert at == pytest.approx(0.7, abs=1e-6)
    mean_s, std_s = mean.moments(rows)
    assert mean_s.shape == std_s.shape == (len(rows),)
    assert (std_s > 0).all()


def test_costs_of_the_architecture_come_from_the_space(toy):
    rows = every(Plain())
    for space in (Plain(), Toy()):
        flops = Objective(metric="flops", space=space, limit="40kFLOPs")
        assert flops(rows)[0] == 1000 * (9 + 1)
        assert set(flops.probability(rows)) == {0.0, 1.0}
        assert flops.moments(rows)[1].max() == 0
    assert Objective(metric="parameters", space=Toy())("short-3-16-16")[0] == 100
    assert Objective(toy, metric="activation_bytes", space=Toy())("short-3-16-16")[0] == 40
    with pytest.raises(OptionError, match="texts or rows of choices"):
        Objective(metric="flops", space=Toy())(np.zeros((2, 11)))
    with pytest.raises(OptionError, match="pass space="):
        Objective(metric="flops")


def test_several_metrics_by_name(toy):
    predictors = {"latency": toy, "energy": Sum(2 * WEIGHTS, 2e-3)}
    energy = Objective(predictors, metric="energy", space=Toy(), limit="2mJ")
    assert energy.limit == pytest.approx(2e-3)
    np.testing.assert_allclose(energy([1]), 2 * Objective(predictors, space=Toy())([1]))
    with pytest.raises(OptionError, match="'memory' \\(there is latency, energy\\)"):
        Objective(predictors, metric="memory")
    with pytest.raises(OptionError, match=r"pass \{'energy': predictor\}"):
        Objective(predictors["energy"], metric="energy")


def test_unreachable_limits_name_the_best(toy):
    rows = every(Toy())
    with pytest.raises(OptionError, match="the best is 3ms \\(short-3-16-16\\)"):
        Objective(toy, space=Toy(), limit="2ms").check_reachable(rows)
    assert Objective(toy, space=Toy(), limit="3.1ms").check_reachable(rows) == 2
    with pytest.raises(OptionError, match="row 0 of the pool"):
        Objective(toy, limit="0.5ms").check_reachable(np.arange(3))
    with pytest.raises(OptionError, match="must not be empty"):
        Objective(toy, limit="2ms").check_reachable([])


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"limit": "15"}, "15ms"),
        ({"limit": "2mJ"}, "units: s, ms"),
        ({"limit": "-2ms"}, "positive"),
        ({"limit": float("nan")}, "positive"),
        ({"limit": [1]}, "number or a text"),
        ({"statistic": 0.0}, "quantile"),
        ({"statistic": "median"}, "quantile"),
        ({"cache_size": -1}, "cache_size"),
        ({"space": "darts9"}, "unknown search space"),
        ({"space": 3}, "space must be"),
    ],
)
def test_options_that_cannot_be(toy, options, says):
    with pytest.raises(OptionError, match=says) as error:
        Objective(toy, **options)
    assert "\n" not in str(error.value)


def test_architectures_that_are_none(toy):
    objective = Objective(toy, space=Toy(), limit=1.0)
    for archs in ([[0, 0]], [[0, 0, 0, 9]], [[0.5]], "x-y", [[[1]]]):
        with pytest.raises((OptionError, ValueError)):
            objective(archs)
    with pytest.raises(OptionError, match="need a space"):
        Objective(toy)("short-3-16-16")
    with pytest.raises(OptionError, match="no limit"):
        Objective(toy).violation([1])
    with pytest.raises(OptionError, match="level"):
        objective.feasible([1], 1.0)
    with pytest.raises(OptionError, match="adapted to a device"):
        Objective("fpga")


@pytest.mark.parametrize(
    ("text", "metric", "value"),
    [
        ("15ms", "latency", 0.015),
        ("2 us", "latency", 2e-6),
        ("1e-3s", "latency", 1e-3),
        (".5mJ", "energy", 5e-4),
        ("3MB", "memory", 3e6),
        ("2MiB", "memory", 2.0**21),
        ("300MFLOPs", "flops", 3e8),
        ("300M", "flops", 3e8),
        ("5M", "parameters", 5e6),
        ("0.5", "accuracy loss", 0.5),
    ],
)
def test_limits_as_people_write_them(text, metric, value):
    assert parse_limit(text, metric_of(metric)) == pytest.approx(value)


@given(st.sampled_from(sorted(METRICS)), st.floats(1e-5, 1e12))
def test_shown_values_read_back(metric, value):
    found = METRICS[metric]
    assert parse_limit(found.show(value), found) == pytest.approx(value, rel=1e-3)


@settings(max_examples=30)
@given(st.lists(st.lists(st.integers(0, 35), max_size=12), max_size=8), st.integers(1, 50))
def test_a_cache_changes_nothing_but_the_work(batches, size):
    rows = every(Toy())
    plain, known = Sum(WEIGHTS), Sum(WEIGHTS)
    slow = Objective(plain, space=Toy(), statistic=0.9)
    fast = Objective(known, space=Toy(), statistic=0.9, cache_size=size)
    for batch in batches:
        archs = rows[np.array(batch, dtype=np.int64)]
        np.testing.assert_array_equal(fast(archs), slow(archs))
        assert len(fast.cache) <= size
    assert known.asked <= plain.asked
    if size >= 36:
        distinct = Toy().indices(rows)[[i for batch in batches for i in batch]]
        assert known.asked == len(np.unique(distinct.reshape(-1, 4), axis=0))


@settings(max_examples=20, deadline=None)
@given(st.floats(0.01, 0.99), st.integers(0, 2**31))
def test_cdf_is_the_inverse_of_quantile_on_every_model(q, seed):
    rng = np.random.default_rng(seed)
    prediction = Sum(WEIGHTS, spread=0.2).predict(rng.random((7, 11)))
    at = prediction.quantile(q)
    np.testing.assert_allclose(prediction.cdf(at), q, atol=1e-9)
    np.testing.assert_allclose(Prediction.cdf(prediction, at), q, atol=2 / 4096)
    assert (prediction.cdf(-1.0) == 0).all()
    with pytest.raises(OptionError, match="7 of them"):
        prediction.cdf([1.0, 2.0])


def test_the_mixtures_quantiles_are_exact(raspi):
    prediction = raspi.predict(np.arange(0, 15625, 50))
    mixture = prediction._get()
    for q in (1e-6, 0.01, 0.5, 0.9, 0.999999):
        at = mixture.quantile(q)
        np.testing.assert_allclose(mixture.cdf(at), q, rtol=1e-6)
    at = prediction.quantile(0.9)
    slow = Prediction.cdf(prediction, at)
    np.testing.assert_allclose(prediction.cdf(at), slow, atol=2 / 4096)
    assert (prediction.cdf(0.0) == 0).all()
