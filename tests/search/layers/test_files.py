"""Layers' costs in a file: written, read, damaged."""

from __future__ import annotations

import json

import numpy as np
import pytest
from safetensors import safe_open
from safetensors.numpy import save_file

from hwprof import spaces
from hwprof.errors import HwprofError, TableError
from hwprof.search.layers import LayerCosts, layer_costs

KEY = "hwprof.layers"


@pytest.fixture
def stored(filled, tmp_path):
    _, path, _ = filled("fbnet")
    costs = layer_costs([path], "fbnet")
    costs.save(tmp_path / "fbnet.costs")
    return costs, tmp_path / "fbnet.costs"


def _edited(path, change):
    """The file again, with another header and other arrays."""
    with safe_open(str(path), framework="numpy") as handle:
        header = json.loads(handle.metadata()[KEY])
        tensors = {name: handle.get_tensor(name) for name in handle.keys()}  # noqa: SIM118
    change(header, tensors)
    save_file(tensors, str(path), metadata={KEY: json.dumps(header)})


def test_what_is_saved_loads(stored):
    costs, path = stored
    again = LayerCosts.load(path)
    rows = spaces.get("fbnet").sample(100, np.random.default_rng(0))
    np.testing.assert_array_equal(again(rows), costs(rows))
    np.testing.assert_array_equal(again.covered(rows), costs.covered(rows))
    for name in ("space", "device", "setting", "constant", "agreement", "profiled", "unmeasured"):
        assert getattr(again, name) == getattr(costs, name)
    again.save(path)
    assert LayerCosts.load(path).agreement == costs.agreement


def _no_such_part(header, tensors):
    del tensors["values.3"]


def _negative(header, tensors):
    tensors["values.1"] = -tensors["values.1"]


def _infinite(header, tensors):
    tensors["values.1"] = tensors["values.1"] + np.inf


def _misshapen(header, tensors):
    tensors["values.1"] = tensors["values.1"][:4]


def _not_told(header, tensors):
    tensors["measured.1"] = tensors["measured.1"].astype(np.float64)


def _outside(header, tensors):
    header["parts"][1][1] = [99]


def _before(header, tensors):
    header["parts"][1][1] = [-1]


def _unknown(header, tensors):
    header["space"] = "imagenet"


def _less_than_none(header, tensors):
    header["constant"] = -1.0


def _no_number(header, tensors):
    header["constant"] = "a lot"


def _newer(header, tensors):
    header["schema"] = 99


@pytest.mark.parametrize(
    "change",
    [
        _no_such_part,
        _negative,
        _infinite,
        _misshapen,
        _not_told,
        _outside,
        _before,
        _unknown,
        _less_than_none,
        _no_number,
        _newer,
    ],
)
def test_damage_is_one_sentence(stored, change):
    _, path = stored
    _edited(path, change)
    with pytest.raises(TableError) as error:
        LayerCosts.load(path)
    assert str(path) in str(error.value)
    assert "\n" not in str(error.value)


def test_files_of_another_kind(stored, tmp_path):
    _, path = stored
    whole = path.read_bytes()
    wrong = {
        "cut": whole[: len(whole) // 2],
        "empty": b"",
        "text": b"latency",
    }
    for name, content in wrong.items():
        (tmp_path / name).write_bytes(content)
        with pytest.raises(HwprofError, match=name):
            LayerCosts.load(tmp_path / name)
    save_file({"x": np.ones(3)}, str(tmp_path / "foreign"))
    with pytest.raises(HwprofError, match="holds no layers' costs"):
        LayerCosts.load(tmp_path / "foreign")
    with pytest.raises(HwprofError, match="there is no file"):
        LayerCosts.load(tmp_path / "nowhere")
    with pytest.raises(HwprofError, match="there is no file"):
        LayerCosts.load(tmp_path)
