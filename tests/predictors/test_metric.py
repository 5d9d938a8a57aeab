"""Energy, memory and metrics of one's own, from the pool to the file and back."""

from __future__ import annotations

import json
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hwprof.errors import OptionError, TableError
from hwprof.metrics import LATENCY, METRICS, Metric
from hwprof.predictors.base import AdaptedPredictor, Prediction, metric_told, of_any_metric
from hwprof.predictors.baselines import RidgeRegression
from hwprof.predictors.fewshot import AdaptedFewShot, FewShotPredictor
from hwprof.predictors.pool import DevicePool
from hwprof.search import LimitedSearch, Objective
from hwprof.testing import predictors as contract
from tests.predictors.pools import small_pool

ENERGY = METRICS["energy"]
WATT_HOURS = Metric("energy", {"Wh": 1.0}, "1Wh")
CARBON = Metric("carbon", {"g": 1.0, "mg": 1e-3, "kg": 1e3}, "3mg")
LATENCIES, NEW = small_pool()
# Joules: watts times seconds, another figure for each device.
WATTS = np.array([2.0, 30.0, 5.0, 60.0, 1.0, 9.0])
EVERY = np.arange(LATENCIES.rows)


def pool_of(metric: Metric | str, factor: float = 1.0) -> DevicePool:
    values = LATENCIES.latency_s * WATTS * factor
    return DevicePool(LATENCIES.features, values, LATENCIES.devices, metric=metric)


@pytest.fixture(scope="module")
def of_latency() -> FewShotPredictor:
    return FewShotPredictor.fit(LATENCIES)


@pytest.fixture(scope="module")
def of_energy() -> FewShotPredictor:
    return FewShotPredictor.fit(pool_of("energy"))


def one_sentence(error: pytest.ExceptionInfo[Any]) -> None:
    assert "\n" not in str(error.value)
    assert len(str(error.value)) < 400


@pytest.mark.parametrize("metric", ["latency", "energy", "peak_memory", "accuracy_loss", CARBON])
def test_a_pool_says_what_it_holds(metric: Metric | str) -> None:
    pool = pool_of(metric)
    name = metric if isinstance(metric, str) else metric.name
    assert (pool.metric.name, pool.subset(["device1", "device0"]).metric) == (name, pool.metric)
    assert {quality.metric for quality in pool.quality()} == {pool.metric}
    if name == "latency":
        assert pool.latency_s is pool.values
        return
    with pytest.raises(OptionError, match=f"this pool is of {name} in .*; use .values") as error:
        _ = pool.latency_s
    one_sentence(error)


def test_latency_keeps_its_names() -> None:
    named = DevicePool(LATENCIES.features, latency_s=LATENCIES.latency_s, devices=LATENCIES.devices)
    assert named.metric is LATENCY
    assert np.array_equal(named.values, LATENCIES.values)
    assert [q.step_s for q in named.quality()] == [q.step for q in named.quality()]
    predictor = RidgeRegression.fit(named)
    rows = predictor.select(6)
    given = predictor.adapt(rows, latency_s=NEW[rows], std_error_s=0.01 * NEW[rows])
    assert np.array_equal(given.measured.latency_s, NEW[rows])
    assert np.array_equal(given.measured.std_error_s, 0.01 * NEW[rows])
    grown = given.update([100], latency_s=NEW[[100]])
    general = predictor.adapt(rows, NEW[rows], None, 0.01 * NEW[rows]).update([100], NEW[[100]])
    assert np.array_equal(grown.predict(EVERY).mean_s, general.predict(EVERY).mean)
    assert np.array_equal(grown.predict(EVERY).std_s, general.predict(EVERY).std)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"metric": "energy", "latency_s": NEW[:, None]}, "latency_s are seconds of latency, but"),
        ({"values": NEW[:, None], "latency_s": NEW[:, None]}, "two names of one thing"),
        ({}, "there are no values"),
        ({"values": -LATENCIES.values, "metric": "energy"}, "energy must be positive .* joules"),
        ({"values": LATENCIES.values[:5], "metric": "memory"}, "memory must have one row per"),
        ({"values": LATENCIES.values, "metric": 3}, "must be a name or a Metric, but is int"),
        ({"values": LATENCIES.values, "metric": ""}, "printable characters"),
        ({"values": LATENCIES.values, "metric": "a\nb"}, "printable characters"),
        ({"values": LATENCIES.values, "metric": "x" * 61}, "1 to 60"),
        (
            {"values": LATENCIES.values, "metric": WATT_HOURS},
            "own",
        ),
        ({"values": LATENCIES.values, "metric": Metric("heat", {}, "1K")}, "units of heat"),
        ({"values": LATENCIES.values, "metric": Metric("heat", {"K": 2.0}, "1K")}, "one of them 1"),
        (
            {"values": LATENCIES.values, "metric": Metric("heat", {"K": 1.0, "k": -1.0}, "1K")},
            "positive finite sizes",
        ),
        (
            {"values": LATENCIES.values, "metric": Metric("heat", {"K": 1.0, "k": np.inf}, "1K")},
            "positive finite sizes",
        ),
        ({"values": LATENCIES.values, "metric": Metric("heat", {"5K": 1.0}, "1K")}, "letters"),
    ],
)
def test_pools_that_cannot_be(options: dict[str, Any], says: str) -> None:
    with pytest.raises(OptionError, match=says) as error:
        DevicePool(LATENCIES.features, devices=LATENCIES.devices, **options)
    one_sentence(error)


@pytest.mark.parametrize("metric", ["energy", CARBON])
def test_the_metric_travels(metric: Metric | str, tmp_path: Path) -> None:
    pool = pool_of(metric)
    predictor = FewShotPredictor.fit(pool)
    rows = predictor.select(8)
    assert predictor.metric is pool.metric
    adapted = predictor.adapt(rows, 7 * NEW[rows])
    adapted.save(tmp_path / "my.device")
    again = AdaptedFewShot.load(tmp_path / "my.device")
    for one in (adapted, again, again.update([100], 7 * NEW[[100]])):
        prediction = one.predict(EVERY)
        assert one.metric.is_same(pool.metric)
        assert prediction.metric.is_same(pool.metric)
        assert again.fitted.metric.is_same(pool.metric)
        assert np.corrcoef(prediction.mean, NEW)[0, 1] > 0.9
        for name in ("mean_s", "std_s"):
            with pytest.raises(OptionError, match=rf"prediction is of {pool.metric.name} in"):
                getattr(prediction, name)
    with pytest.raises(OptionError, match="set of measurements is of"):
        _ = adapted.measured.latency_s
    np.testing.assert_array_equal(again.predict(EVERY).mean, adapted.predict(EVERY).mean)
    unmeasured = predictor.before_measuring(EVERY)
    assert unmeasured.metric.is_same(pool.metric)
    fitted = FewShotPredictor.load(tmp_path / "my.device")
    assert fitted.metric.is_same(pool.metric)
    assert fitted.metric.example == pool.metric.example


@settings(max_examples=6, deadline=None)
@given(st.sampled_from(["energy", "memory", "parts"]), st.floats(-6, 9))
def test_the_figures_do_not_depend_on_the_metric(name: str, decade: float) -> None:
    """The arithmetic is one: bytes by the billion are predicted like seconds."""
    size = 10.0**decade
    rows = np.arange(0, 120, 15)
    plain = RidgeRegression.fit(LATENCIES).adapt(rows, NEW[rows]).predict(EVERY)
    pool = DevicePool(LATENCIES.features, LATENCIES.values * size, LATENCIES.devices, metric=name)
    other = RidgeRegression.fit(pool).adapt(rows, NEW[rows] * size).predict(EVERY)
    np.testing.assert_allclose(other.mean, plain.mean * size, rtol=1e-6)
    np.testing.assert_allclose(other.std, plain.std * size, rtol=1e-6)


def test_few_shot_predicts_bytes_like_seconds(of_latency: FewShotPredictor) -> None:
    rows = np.arange(0, 120, 15)
    large = DevicePool(
        LATENCIES.features, LATENCIES.values * 1e9, LATENCIES.devices, metric="memory"
    )
    one = of_latency.adapt(rows, NEW[rows]).predict(EVERY)
    two = FewShotPredictor.fit(large).adapt(rows, NEW[rows] * 1e9).predict(EVERY)
    np.testing.assert_allclose(two.mean, one.mean * 1e9, rtol=1e-4)
    np.testing.assert_allclose(two.std, one.std * 1e9, rtol=1e-3)


def test_every_law_holds_for_energy(of_energy: FewShotPredictor) -> None:
    contract.check_predictor(RidgeRegression.fit, pool_of("energy"), 7 * NEW, counts=(8,))
    rows = of_energy.select(8)
    contract.check_adapted(of_energy, pool_of("energy"), rows, 7 * NEW[rows])


def test_measurements_of_another_metric_are_refused(of_energy: FewShotPredictor) -> None:
    rows = of_energy.select(5)
    adapted = of_energy.adapt(rows, 7 * NEW[rows])
    refused = (
        lambda: of_energy.adapt(rows, latency_s=NEW[rows]),
        lambda: adapted.update([9], latency_s=NEW[[9]]),
        lambda: of_energy.adapt(rows, 7 * NEW[rows], std_error_s=NEW[rows]),
    )
    for action in refused:
        with pytest.raises(OptionError, match="seconds of latency, but energy in joules") as error:
            action()
        one_sentence(error)
    with pytest.raises(OptionError, match="energy must be positive finite joules, but is -1"):
        of_energy.adapt([1], [-1.0])
    with pytest.raises(OptionError, match="std_error must be finite joules"):
        of_energy.adapt([1], [1.0], None, [-1.0])
    with pytest.raises(OptionError, match=r"energy must be numbers .*pass joules"):
        of_energy.adapt([1], ["x"])


def test_the_unit_check_speaks_of_the_metric(of_energy: FewShotPredictor) -> None:
    rows = of_energy.select(5)
    joules = of_energy.fitted.scale_s.max() * of_energy.fitted.rows[rows, 0]
    with pytest.raises(OptionError, match=r"energy is .* of the costliest device .* mJ given as J"):
        of_energy.adapt(rows, 5000 * joules)
    with pytest.raises(OptionError, match=r"energy is .* below that of the cheapest device"):
        of_energy.adapt(rows, joules / 1e7)
    mixed = joules.copy()
    mixed[2] *= 5000
    with pytest.raises(OptionError, match=f"energy of row {rows[2]} .* pass all in joules"):
        of_energy.adapt(rows, mixed)
    in_bytes = RidgeRegression.fit(pool_of("memory", 1e9))
    with pytest.raises(OptionError, match=r"memory is .* a wrong unit; pass bytes"):
        in_bytes.adapt(rows, 5e12 * joules)


def test_another_metric_takes_the_shape_of_the_pool(
    of_latency: FewShotPredictor, tmp_path: Path
) -> None:
    """Joules on the pool of latencies: asked for by name, checked against themselves alone."""
    rows = of_latency.select(8)
    joules = 1e6 * NEW
    adapted = of_latency.adapt(rows, joules[rows], metric="energy")
    assert (adapted.metric, adapted.fitted.metric) == (ENERGY, LATENCY)
    prediction = adapted.predict(EVERY)
    assert prediction.metric is ENERGY
    assert np.corrcoef(prediction.mean, joules)[0, 1] > 0.95
    seconds = of_latency.adapt(rows, NEW[rows]).predict(EVERY)
    np.testing.assert_allclose(prediction.mean, 1e6 * seconds.mean_s, rtol=1e-5)
    mixed = joules[rows].copy()
    mixed[3] *= 5000
    with pytest.raises(OptionError, match="energy of row"):
        of_latency.adapt(rows, mixed, metric="energy")
    adapted.save(tmp_path / "x")
    again = AdaptedFewShot.load(tmp_path / "x")
    assert (again.metric, again.fitted.metric) == (ENERGY, LATENCY)
    np.testing.assert_array_equal(again.predict(EVERY).mean, prediction.mean)
    ridge = RidgeRegression.fit(LATENCIES).adapt(rows, joules[rows], metric=ENERGY)
    assert ridge.predict(EVERY).metric is ENERGY


def rewritten(path: Path, **changes: Any) -> Path:
    """The file with some of its header changed."""
    data = path.read_bytes()
    (size,) = struct.unpack("<Q", data[:8])
    header = json.loads(data[8 : 8 + size])
    ours = json.loads(header["__metadata__"]["hwprof.fewshot"])
    ours.update(changes)
    header["__metadata__"]["hwprof.fewshot"] = json.dumps(ours)
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + data[8 + size :])
    return path


def stored(name: Any = "energy", units: Any = None, example: Any = "2mJ") -> dict[str, Any]:
    return {"name": name, "units": ENERGY.units if units is None else units, "example": example}


@pytest.mark.parametrize("field", ["metric", "measured_metric"])
@pytest.mark.parametrize(
    ("change", "says"),
    [
        (stored(units={"J": 1000.0}), "units of energy are not hwprof's"),
        (stored(units={"mJ": 1e-3}), "units of energy are not hwprof's"),
        (stored("latency", {"J": 1.0}), "units of latency are not hwprof's"),
        (stored("heat", {}), "units of heat"),
        (stored("heat", {"K": -1.0}), "units of heat"),
        (stored("heat", {"K": 1.0, "\x1b[31m": 2.0}), "units of heat"),
        (stored("heat", {f"K{'k' * i}": 1.0 for i in range(40)}), "units of heat"),
        (stored("x" * 5000, {"K": 1.0}), "1 to 60 printable"),
        (stored("\x1b[31mheat", {"K": 1.0}), "1 to 60 printable"),
        (stored("heat", {"K": 1.0}, "x" * 5000), "the example of its metric is none"),
        (stored("heat", {"K": 1.0}, "\x1b[31m"), "the example of its metric is none"),
        (stored(5), "header does not read"),
        (stored(units={"J": "one"}), "header does not read"),
        ("energy", "header does not read"),
    ],
)
def test_a_metric_in_a_file_is_not_believed(
    of_energy: FewShotPredictor, tmp_path: Path, field: str, change: Any, says: str
) -> None:
    rows = of_energy.select(4)
    of_energy.adapt(rows, 7 * NEW[rows]).save(tmp_path / "x")
    with pytest.raises(TableError, match=says) as error:
        AdaptedFewShot.load(rewritten(tmp_path / "x", **{field: change}))
    assert str(error.value).isprintable()
    one_sentence(error)


def test_a_file_before_metrics_is_of_latency(of_latency: FewShotPredictor, tmp_path: Path) -> None:
    rows = of_latency.select(4)
    of_latency.adapt(rows, NEW[rows]).save(tmp_path / "x")
    old = rewritten(tmp_path / "x", schema=2, metric=None, measured_metric=None)
    assert AdaptedFewShot.load(old).metric is LATENCY
    assert FewShotPredictor.load(old).metric is LATENCY


def test_units_that_another_version_has_are_no_damage(
    of_energy: FewShotPredictor, tmp_path: Path
) -> None:
    of_energy.save(tmp_path / "x")
    more = rewritten(tmp_path / "x", metric=stored(units={"J": 1.0, "GJ": 1e9}))
    assert FewShotPredictor.load(more).metric is ENERGY


@dataclass
class Seconds(Prediction):
    """A prediction as plugins write it, from before there were metrics; `mean` is its own."""

    mean: np.ndarray
    metric: str = "rmse"

    @property
    def mean_s(self) -> np.ndarray:
        return 1e-3 * self.mean

    @property
    def std_s(self) -> np.ndarray:
        return 1e-4 * self.mean

    def quantile(self, q: float) -> np.ndarray:
        return self.mean_s * (0.5 + q)


class Plugin(AdaptedPredictor):
    """A predictor from before there were metrics, with attributes of its own."""

    def __init__(self) -> None:
        self.metric = "rmse"

    def predict(self, architectures: Any) -> Seconds:
        return Seconds(np.asarray(architectures) + 1.0)

    def update(self, indices: Any, latency_s: Any, std_error_s: Any = None) -> Plugin:
        return self


def test_what_plugins_wrote_is_of_latency_whatever_they_call_their_own() -> None:
    prediction = Plugin().predict(np.arange(3))
    general = of_any_metric(prediction)
    assert (metric_told(prediction), metric_told(Plugin()), general.metric) == (LATENCY,) * 3
    np.testing.assert_array_equal(general.mean, prediction.mean_s)
    np.testing.assert_array_equal(general.std, prediction.std_s)
    np.testing.assert_array_equal(general.interval(0.5), prediction.interval(0.5))
    np.testing.assert_allclose(general.cdf(1e-3), [0.5, 0.0, 0.0], atol=1e-3)
    assert of_any_metric(general) is general
    objective = Objective(Plugin(), limit="2.5ms")
    np.testing.assert_array_equal(objective([0, 1, 2]), prediction.mean_s)
    np.testing.assert_array_equal(objective.moments([0])[1], [1e-4])
    assert LimitedSearch.start(Plugin(), [0, 1], [1.0, 2.0], "2ms").limit == 2e-3


def test_a_predictor_of_latencies_alone_refuses_joules() -> None:
    @dataclass
    class Mine:
        typical: np.ndarray

        @classmethod
        def fit(cls, pool: DevicePool) -> Mine:
            return cls(pool.latency_s.mean(axis=1))

    assert Mine.fit(LATENCIES).typical.shape == (LATENCIES.rows,)
    with pytest.raises(OptionError, match="this pool is of energy in joules"):
        Mine.fit(pool_of("energy"))
