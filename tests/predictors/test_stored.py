"""Predictors and pools that earlier versions wrote load, and say what they said."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from hwprof.errors import OptionError, TableError
from hwprof.predictors import pools
from hwprof.predictors.fewshot import AdaptedFewShot, FewShotPredictor
from hwprof.predictors.help import HelpPredictor

STORED = Path(__file__).parent.parent / "stored" / "second"
EXPECTED = json.loads((STORED / "expected.json").read_text())
# What was measured on the new device: every fourth of the stored pool's forty architectures.
ROWS = np.arange(10) * 4
# Means of rows are single precision, and a BLAS may add them up in another order.
SINGLE = 1e-6
DOUBLE = 1e-9


def pool(space):
    return pools.read(STORED / f"{space}-pool.safetensors")


def agrees(prediction, expected):
    # The first guess of a device's speed was another one: means moved in the fourth digit.
    np.testing.assert_allclose(prediction.mean_s, expected["mean_s"], rtol=1e-3)
    # Settings that were left out are in the intervals now: they are wider, not elsewhere.
    low, high = prediction.interval(0.9)
    was = np.array(expected["high_s"]) - expected["low_s"]
    assert (low < prediction.mean_s).all()
    assert (prediction.mean_s < high).all()
    assert (high - low > 0.9 * was).all()
    assert (high - low < 2 * was).all()


@pytest.mark.parametrize("space", ["nasbench201", "fbnet"])
def test_an_adapted_predictor_says_what_it_said(space):
    adapted = AdaptedFewShot.load(STORED / f"{space}-adapted.safetensors")
    assert adapted.fitted.similarity == space
    assert (adapted.device, adapted.fitted.devices) == ("new", pool(space).devices[:4])
    agrees(adapted.predict(np.arange(40)), EXPECTED[space])


def test_a_fitted_predictor_adapts_as_it_did():
    fitted = FewShotPredictor.load(STORED / "nasbench201-fewshot.safetensors")
    measured = pool("nasbench201").latency_s[ROWS, 5]
    adapted = fitted.adapt(ROWS, measured, "new")
    agrees(adapted.predict(np.arange(40)), EXPECTED["nasbench201"])


def test_a_stored_predictor_is_stored_alike_again(tmp_path):
    before = STORED / "nasbench201-adapted.safetensors"
    AdaptedFewShot.load(before).save(tmp_path / "again.safetensors")
    one, two = load_file(before), load_file(tmp_path / "again.safetensors")
    assert one.keys() == two.keys()
    for name, tensor in one.items():
        assert tensor.dtype == two[name].dtype
        np.testing.assert_array_equal(tensor, two[name])
    # The header is the first line of the file: its field is still called kernels.
    assert b'kernels\\":\\"nasbench201' in (tmp_path / "again.safetensors").read_bytes()[:4096]


@pytest.fixture
def help_predictor():
    torch = pytest.importorskip("torch")
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield HelpPredictor.load(STORED / "nasbench201-help.safetensors")
    torch.set_num_threads(threads)


def test_help_adapts_as_it_did(help_predictor):
    adapted = help_predictor.adapt(ROWS, pool("nasbench201").latency_s[ROWS, 5], "new")
    mean_s = adapted.predict(np.arange(40)).mean_s
    np.testing.assert_allclose(mean_s, EXPECTED["help"]["mean_s"], rtol=DOUBLE)


def test_the_stored_network_of_help_is_the_one_that_was_trained(help_predictor):
    # So little training was worse than the mixture of devices, which answers above.
    report = replace(help_predictor.report, fell_back=False)
    own = replace(help_predictor, report=report)
    adapted = own.adapt(ROWS, pool("nasbench201").latency_s[ROWS, 5], "new")
    assert adapted.answering == "fine-tuned network"
    mean_s = adapted.predict(np.arange(4)).mean_s
    np.testing.assert_allclose(
        mean_s, [0.005946006499, 0.005928684667, 0.005964694879, 0.005970468942], rtol=SINGLE
    )


@pytest.mark.parametrize(("space", "width"), [("nasbench201", 30), ("fbnet", 198)])
def test_a_stored_pool_is_the_part_of_the_shipped_one(space, width):
    stored, shipped = pool(space), pools.load(space)
    assert (stored.rows, stored.width, stored.devices) == (40, width, shipped.devices)
    rows = [shipped.names.index(name) for name in stored.names]
    np.testing.assert_array_equal(stored.latency_s, shipped.latency_s[rows])
    np.testing.assert_array_equal(stored.features, shipped.features[rows])


def written(path, tensors=None, **header):
    given = {"format": "hwprof-pool", "version": "1", "space": "nasbench201"}
    given |= {"devices": '["a", "b"]', "source": "made up"} | header
    whole = {
        "operations": np.zeros((3, 6), dtype=np.uint8),
        "latency_ms": np.ones((3, 2), dtype=np.float32),
    }
    save_file(whole if tensors is None else tensors, path, metadata=given)
    return path


def test_a_pool_of_ones_own_is_read(tmp_path):
    own = pools.read(written(tmp_path / "own.safetensors"))
    assert (own.rows, own.devices, own.latency_s[0, 0]) == (3, ("a", "b"), pytest.approx(1e-3))


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"format": "other"}, "is not a pool of hwprof"),
        ({"version": "3"}, "version 3 of pool files where this hwprof reads up to 2; upgrade"),
        ({"version": "2"}, "damaged pool file"),
        ({"version": "two"}, "is not a pool of hwprof"),
        ({"devices": "no list"}, "damaged pool file"),
        ({"devices": '["a"]'}, "damaged pool file"),
        ({"tensors": {"latency_ms": np.ones((3, 2), dtype=np.float32)}}, "damaged pool file"),
        (
            {
                "tensors": {
                    "operations": np.full((3, 6), 9, dtype=np.uint8),
                    "latency_ms": np.ones((3, 2), dtype=np.float32),
                }
            },
            "damaged pool file .* chooses 9",
        ),
    ],
)
def test_files_that_are_no_pool(tmp_path, change, sentence):
    with pytest.raises(TableError, match=sentence) as error:
        pools.read(written(tmp_path / "bad.safetensors", **change))
    assert "\n" not in str(error.value)


def test_files_that_are_not_there_or_not_whole(tmp_path):
    with pytest.raises(TableError, match="there is no pool file"):
        pools.read(tmp_path / "gone.safetensors")
    whole = written(tmp_path / "cut.safetensors").read_bytes()
    (tmp_path / "cut.safetensors").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(TableError, match="truncated"):
        pools.read(tmp_path / "cut.safetensors")
    with pytest.raises(OptionError, match="unknown search space 'darts'"):
        pools.read(written(tmp_path / "darts.safetensors", space="darts"))


@pytest.mark.parametrize("space", ["nasbench201", "fbnet"])
def test_one_of_schema_3_says_what_it_said_and_has_no_setting(space):
    third = STORED.parent / "third"
    expected = json.loads((third / "expected.json").read_text())[space]
    adapted = AdaptedFewShot.load(third / f"{space}-adapted.safetensors")
    assert adapted.fitted.setting is None
    assert adapted.metric.name == "latency"
    prediction = adapted.predict(np.arange(40))
    low, high = prediction.interval(0.9)
    np.testing.assert_allclose(prediction.mean_s, expected["mean_s"], rtol=SINGLE)
    np.testing.assert_allclose(low, expected["low_s"], rtol=1e-4)
    np.testing.assert_allclose(high, expected["high_s"], rtol=1e-4)
