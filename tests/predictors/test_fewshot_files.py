"""Few-shot predictors on disk: what comes back, and what is refused."""

import json
import struct

import numpy as np
import pytest
from safetensors import safe_open
from safetensors.numpy import load_file, save_file

from hwprof import spaces
from hwprof.errors import TableError
from hwprof.predictors.fewshot import AdaptedFewShot, FewShotPredictor
from hwprof.predictors.pool import DevicePool
from hwprof.similarity import Similarity
from hwprof.spaces.analytic import Analytic
from tests.predictors.test_fewshot import make


@pytest.fixture(scope="module")
def plain():
    pool, y = make(rows=80)
    names = [f"arch {i}" for i in range(80)]
    return FewShotPredictor.fit(DevicePool(pool.features, pool.latency_s, pool.devices, names)), y


def cells():
    space = spaces.get("nasbench201")
    rng = np.random.default_rng(0)
    chosen = np.array(space.operations)[rng.integers(0, 5, (60, 6))]
    features = space.encode([space.format(row) for row in chosen])
    latency = (features @ rng.gamma(2, 1, (30, 3)) + 1) * 1e-3
    pool = DevicePool(features, latency, ("a", "b", "c"))
    return FewShotPredictor.fit(pool, similarity=space.similarity()), latency[:, 0] * 1.5


def counted():
    """A predictor whose new devices deviate by idealised machines, which are tables of parts."""
    space = spaces.get("nasbench201")
    rng = np.random.default_rng(0)
    rows = space.sample(60, rng)
    own = space.similarity()
    similarity = Similarity(own.name, own.smoothing, (Analytic(space, space.analytic_names),))
    latency = (space.analytic(rows) @ rng.gamma(2, 1, (12, 3))) * 1e-12
    pool = DevicePool(space.encode(rows), latency, ("a", "b", "c"))
    return FewShotPredictor.fit(pool, similarity=similarity), latency[:, 0] * 1.5


def same(one, two):
    assert np.array_equal(one.mean_s, two.mean_s)
    assert np.array_equal(one.std_s, two.std_s)
    assert np.array_equal(one.quantile(0.9), two.quantile(0.9))


def test_a_predictor_comes_back_equal(plain, tmp_path):
    for predictor, y in (plain, cells(), counted()):
        predictor.save(tmp_path / "pool.hwp")
        again = FewShotPredictor.load(tmp_path / "pool.hwp")
        assert again.devices == predictor.devices
        assert again.fitted.names == predictor.fitted.names
        assert np.array_equal(again.calibration.factors, predictor.calibration.factors)
        assert np.array_equal(again.fitted.prior.shares, predictor.fitted.prior.shares)
        rows = predictor.select(6)
        assert np.array_equal(again.select(6), rows)
        everything = np.arange(len(y))
        one, two = (p.adapt(rows, y[rows]).predict(everything) for p in (predictor, again))
        same(one, two)
        features = predictor.fitted.features[:5]
        same(*(p.adapt(rows, y[rows]).predict(features) for p in (predictor, again)))


def test_an_adapted_predictor_comes_back_equal(plain, tmp_path):
    predictor, y = plain
    rows = predictor.select(6)
    for errors in (None, 0.01 * y[rows]):
        adapted = predictor.adapt(rows, y[rows], device="mine", std_error_s=errors)
        adapted.save(tmp_path / "my.device")
        again = AdaptedFewShot.load(tmp_path / "my.device")
        assert again.device == "mine"
        same(adapted.predict(np.arange(len(y))), again.predict(np.arange(len(y))))
        more = [a.update([70], y[[70]]).predict([3]) for a in (adapted, again)]
        same(*more)
    back = FewShotPredictor.load(tmp_path / "my.device")
    same(back.adapt(rows, y[rows]).predict([1]), predictor.adapt(rows, y[rows]).predict([1]))


@pytest.mark.parametrize(
    ("name", "change", "says"),
    [
        ("codes", lambda a: a[:-1], "does not fit its features"),
        ("table", lambda a: a[:, :-1], "does not fit its features"),
        ("table", lambda a: a * np.nan, "is not finite"),
        ("table", lambda a: a[:0], "has the shape"),
    ],
)
def test_tables_that_do_not_fit_are_refused(tmp_path, name, change, says):
    path = tmp_path / "x.hwp"
    predictor, _ = counted()
    predictor.save(path)
    with safe_open(str(path), framework="numpy") as handle:
        metadata = handle.metadata()
    arrays = load_file(path)
    (key,) = [key for key in arrays if key.startswith(f"{name}.")]
    save_file({**arrays, key: np.ascontiguousarray(change(arrays[key]))}, path, metadata)
    with pytest.raises(TableError, match=f"damaged predictor file .*{says}"):
        FewShotPredictor.load(path)


def test_a_slow_device_stays_allowed(plain, tmp_path):
    predictor, y = plain
    adapted = predictor.adapt([0, 1], 1e3 * y[:2], check_units=False)
    adapted.save(tmp_path / "slow")
    same(AdaptedFewShot.load(tmp_path / "slow").predict([0]), adapted.predict([0]))


def test_saving_leaves_nothing_else_behind(plain, tmp_path):
    plain[0].save(tmp_path / "one")
    assert [path.name for path in tmp_path.iterdir()] == ["one"]
    with pytest.raises(TableError, match="cannot be written"):
        plain[0].save(tmp_path / "nowhere" / "one")


def rewrite(path, change):
    """Change the header that safetensors keeps in front of the arrays."""
    data = path.read_bytes()
    (size,) = struct.unpack("<Q", data[:8])
    header = json.loads(data[8 : 8 + size])
    ours = json.loads(header["__metadata__"]["hwprof.fewshot"])
    change(ours)
    header["__metadata__"]["hwprof.fewshot"] = json.dumps(ours)
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + data[8 + size :])


@pytest.mark.parametrize("share", [0.0, 0.0005, 0.5, 0.999])
def test_a_truncated_file_is_refused(plain, tmp_path, share):
    path = tmp_path / "cut"
    plain[0].save(path)
    data = path.read_bytes()
    path.write_bytes(data[: int(share * len(data))])
    with pytest.raises(TableError, match="truncated or not a predictor"):
        FewShotPredictor.load(path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda h: h.update(schema=99, more={}), "schema 99, newer"),
        (lambda h: h.update(schema=1), "schema 1, of a hwprof that was never released"),
        (lambda h: h.update(schema="one"), "header does not read"),
        (lambda h: h.pop("devices"), "header does not read"),
        (lambda h: h.update(devices=["a"]), "damaged"),
        (lambda h: h.update(widths=[1]), "damaged"),
        (lambda h: h.update(widths=[-5]), "damaged"),
        (lambda h: h.update(bases=[{"kind": "magic"}]), "unknown kind"),
        (lambda h: h.update(bases=[{"kind": "hamming"}]), "damaged"),
        (lambda h: h.update(bases=[]), "damaged"),
        (lambda h: h.update(names=["one"]), "damaged"),
    ],
)
def test_a_header_that_does_not_fit_is_refused(plain, tmp_path, change, message):
    path = tmp_path / "changed"
    plain[0].save(path)
    rewrite(path, change)
    with pytest.raises(TableError, match=message):
        FewShotPredictor.load(path)


def test_measurements_that_do_not_fit_are_refused(plain, tmp_path):
    path = tmp_path / "other"
    plain[0].save(path)
    with pytest.raises(TableError, match="not adapted"):
        AdaptedFewShot.load(path)
    rewrite(path, lambda h: h.update(adapted=True))
    with pytest.raises(TableError, match="damaged"):
        AdaptedFewShot.load(path)


def test_foreign_files_are_refused(tmp_path):
    with pytest.raises(TableError, match="no predictor file"):
        FewShotPredictor.load(tmp_path / "missing")
    save_file({"x": np.zeros(3)}, tmp_path / "foreign")
    with pytest.raises(TableError, match="not a few-shot predictor"):
        FewShotPredictor.load(tmp_path / "foreign")
    (tmp_path / "text").write_text("latency\n" * 100)
    with pytest.raises(TableError, match="truncated or not"):
        FewShotPredictor.load(tmp_path / "text")
