"""Predictor files, pools and measurements that someone damaged, or made to do harm."""

from __future__ import annotations

import json
import os
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from hwprof.errors import HwprofError, OptionError, TableError
from hwprof.predictors import pools
from hwprof.predictors.fewshot import AdaptedFewShot, FewShotPredictor
from hwprof.predictors.fewshot.bounds import check_cost
from hwprof.predictors.measurements import read_measurements
from hwprof.predictors.shipped import load_adapted

STORED = Path(__file__).parents[1] / "stored/second"
ADAPTED = STORED / "nasbench201-adapted.safetensors"
KEY = "hwprof.fewshot"
SPACE = "nasbench201"


def rewritten(
    path: Path,
    source: Path = ADAPTED,
    tensors: Callable[[dict[str, Any]], None] = lambda tensors: None,
    header: Callable[[dict[str, Any]], None] = lambda header: None,
    key: str = KEY,
) -> Path:
    """A copy of a stored file with some of its parts changed."""
    content = source.read_bytes()
    (size,) = struct.unpack("<Q", content[:8])
    metadata = json.loads(content[8 : 8 + size])["__metadata__"]
    own = json.loads(metadata[key])
    header(own)
    arrays = dict(load_file(source))
    tensors(arrays)
    save_file(arrays, path, {**metadata, key: json.dumps(own)})
    return path


def put(name: str, value: Any) -> Callable[[dict[str, Any]], None]:
    return lambda tensors: tensors.__setitem__(name, np.asarray(value))


def fill(name: str, value: float) -> Callable[[dict[str, Any]], None]:
    return lambda tensors: tensors.__setitem__(
        name, np.full_like(tensors[name], value, dtype=np.float64)
    )


@pytest.mark.parametrize(
    "change",
    [
        fill("matrix.0", 1e300),
        fill("matrix.0", np.nan),
        fill("constant", 1e308),
        fill("shares", -1.0),
        fill("scale_s", 0.0),
        fill("scale_s", np.inf),
        fill("amplitudes", -1.0),
        fill("noises", -1.0),
        fill("log_prior", np.nan),
        fill("calibration.factors", np.nan),
        fill("calibration.counts", 0.0),
        fill("measured.latency_s", -1.0),
        fill("measured.latency_s", 1e308),
        put("measured.std_error_s", np.full(9, np.nan)),
        put("measured.std_error_s", np.zeros(3)),
        put("calibration.counts", np.zeros(0)),
        put("measured.indices", np.array([10**9])),
        put("features", np.zeros((0, 2**20))),
        put("features", np.zeros(9)),
        put("noises", np.full(10**5, 0.01)),
        put("amplitudes", np.ones((3, 0))),
        lambda tensors: tensors.pop("measured.indices"),
        lambda tensors: tensors.pop("constant"),
    ],
)
def test_a_damaged_predictor_is_one_sentence(
    tmp_path: Path, change: Callable[[dict[str, Any]], None]
) -> None:
    path = rewritten(tmp_path / "x", tensors=change)
    with pytest.raises(HwprofError, match=r"damaged|latency_s is|gives no latency") as caught:
        load_adapted(path).answer()
    assert "\n" not in str(caught.value)


def test_no_answer_is_no_number(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    predictor = load_adapted(ADAPTED)
    object.__setattr__(predictor.adapted, "width", float("nan"))
    with pytest.raises(TableError, match=r"gives no latency for '\|.*adapt to the measurements"):
        predictor.answer()


def test_a_small_file_asks_for_no_large_work(tmp_path: Path) -> None:
    """A row for each byte, and as many prior features as there is room for besides."""
    rows, wide = 200_000, 4_000

    def tensors(arrays: dict[str, Any]) -> None:
        arrays["features"] = np.zeros((rows, 1), dtype=np.uint8)
        arrays["matrix.0"] = np.zeros((1, wide), dtype=np.float32)
        arrays["constant"] = np.zeros(wide)
        for name in [n for n in arrays if n.startswith(("matrix", "landmarks", "scale.", "edges"))]:
            if name != "matrix.0":
                arrays.pop(name)

    def header(own: dict[str, Any]) -> None:
        own["bases"] = [{"kind": "identity"}]
        own["names"] = None
        own["widths"] = [wide - 1 - len(own["devices"])]

    path = rewritten(tmp_path / "x", tensors=tensors, header=header)
    for load in (AdaptedFewShot.load, FewShotPredictor.load):
        with pytest.raises(TableError, match=r"asks for \d+ numbers in \d+ bytes"):
            load(path)


def test_shipped_pools_ask_for_what_they_may() -> None:
    check_cost(10, 4096, 4)
    check_cost(900, 4096, 4)
    with pytest.raises(OptionError, match=r"give 1\d\d\d at most, 10 are usual"):
        check_cost(100_000, 4096, 4)


@pytest.mark.parametrize("dtype", ["BF16", "F8_E4M3", "NONE"])
def test_a_type_that_numpy_lacks_is_one_sentence(tmp_path: Path, dtype: str) -> None:
    for source, load in (
        (ADAPTED, AdaptedFewShot.load),
        (STORED / "nasbench201-pool.safetensors", pools.read),
    ):
        content = source.read_bytes()
        (size,) = struct.unpack("<Q", content[:8])
        header = json.loads(content[8 : 8 + size])
        name = next(n for n in header if n != "__metadata__")
        begin, end = header[name]["data_offsets"]
        width = {"BF16": 2, "F8_E4M3": 1, "NONE": 1}[dtype]
        header[name] |= {"dtype": dtype, "shape": [(end - begin) // width]}
        text = json.dumps(header).encode()
        path = tmp_path / "x"
        path.write_bytes(struct.pack("<Q", len(text)) + text + content[8 + size :])
        with pytest.raises(TableError) as caught:
            load(path)
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize("devices", ["[" * 100_000, "9" * 5000, '[{"a":1}]', "[1]", "null"])
def test_a_pool_with_strange_devices(tmp_path: Path, devices: str) -> None:
    source = STORED / "nasbench201-pool.safetensors"
    content = source.read_bytes()
    (size,) = struct.unpack("<Q", content[:8])
    metadata = json.loads(content[8 : 8 + size])["__metadata__"]
    save_file(load_file(source), tmp_path / "x", {**metadata, "devices": devices})
    with pytest.raises(TableError, match="damaged pool file"):
        pools.read(tmp_path / "x")


DEEP = "[" * 100_000 + "]" * 100_000


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("a.jsonl", f'{{"arch": "x", "latency_s": {DEEP}}}', "line 1 .* not JSON"),
        ("a.jsonl", DEEP, "line 1 .* not JSON"),
        ("a.jsonl", f'{{"arch": "x", "latency_s": {"9" * 5000}}}', "line 1"),
        ("a.jsonl", f'{{"arch": "x", "latency_s": {"9" * 400}}}', "where a number should stand"),
        ("a.jsonl", '{"arch": "x", "latency_s": true}', "where a number should stand"),
        ("a.jsonl", '{"arch": "x", "latency_s": {"a": [1]}}', "where a number should stand"),
        ("a.jsonl", '{"arch": "x", "latency_s": NaN}', "line 1"),
        ("a.jsonl", "\ufffe\x00", "line 1"),
        ("a.csv", f"arch,latency_s\nx,{'9' * 5000}\n", "positive and finite"),
        ("a.csv", f"arch,latency_s\nx,{'x' * 5000}\n", "where a number should stand"),
        ("a.csv", f"arch,latency_s\n{'x' * 200_000},1\n", "field larger"),
        ("a.csv", "arch,latency_s\n" + "," * 100_000, "needs arch"),
        ("a.csv", "," * 100_000 + "\n" + "\n".join("a" * 1000), "needs arch"),
        ("a.csv", "arch,latency_s\n\n\nx\n", "line 4 .* needs arch"),
    ],
)
def test_measurements_that_are_none(tmp_path: Path, name: str, content: str, says: str) -> None:
    (tmp_path / name).write_text(content, encoding="utf-8")
    with pytest.raises(OptionError, match=says) as caught:
        read_measurements(tmp_path / name, SPACE)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 1000


def test_measurements_are_files_of_some_size(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", Path("/dev/zero")):
        with pytest.raises(OptionError, match="not a regular file"):
            read_measurements(path, SPACE)
    (tmp_path / "n.csv").write_text("arch,latency_s\n" * 9)
    monkeypatch.setattr("hwprof.predictors.measurements._MOST_BYTES", 99)
    with pytest.raises(OptionError, match="has more than 0 MiB"):
        read_measurements(tmp_path / "n.csv", SPACE)
    with pytest.raises(OptionError, match="cannot be read"):
        read_measurements(tmp_path / "n\0", SPACE)
