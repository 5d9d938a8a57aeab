"""Pool files: what is written is read, and everything else is refused in one sentence."""

from __future__ import annotations

import json
import struct
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.numpy import load_file, save_file

from hwprof import spaces
from hwprof.errors import HwprofError, OptionError, TableError
from hwprof.metrics import Metric
from hwprof.predictors import pools
from hwprof.predictors.known import known_devices, thinned
from hwprof.predictors.pool import DevicePool
from hwprof.predictors.setting import Setting
from tests.predictors.pools.tables import SPACE, archs, full_table

QUIET = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
ONE = pools.TableFile("a.db", "ab" * 32)


def source(name: str, **changes: Any) -> pools.DeviceSource:
    return replace(
        pools.DeviceSource(
            *(name, "f" * 16, f"slug-{name}", f"{name}:spin=on", "Example CPU", "onnxruntime"),
            *("1.2", 3, "2025-01-01", "2025-01-02", ("0.1.0",), ("measured",), 1, 0),
            (ONE, pools.TableFile("b.db")),
        ),
        **changes,
    )


def stored(rows: int = 4, **changes: Any) -> pools.StoredPool:
    names = archs(rows)
    values = np.arange(1.0, 2 * rows + 1).reshape(rows, 2) / 7
    values[0, 1] = np.nan
    usual = {"metric": "energy_net", "setting": Setting(SPACE, 8, 224, "int8", 2)}
    pool = DevicePool(
        spaces.get(SPACE).encode(names), values, ("a", "b"), names, **{**usual, **changes}
    )
    error = np.full_like(values, np.nan)
    error[1] = 0.01
    return pools.StoredPool(SPACE, pool, error, (source("a"), source("b")), "measured at home")


def same(one: pools.StoredPool, two: pools.StoredPool) -> None:
    for name in ("features", "values"):
        np.testing.assert_array_equal(getattr(one.pool, name), getattr(two.pool, name))
    for name in ("names", "devices", "metric", "setting"):
        assert getattr(one.pool, name) == getattr(two.pool, name)
    assert (one.space, one.devices, one.source) == (two.space, two.devices, two.source)
    assert (one.std_error is None) == (two.std_error is None)
    if one.std_error is not None:
        np.testing.assert_array_equal(one.std_error, two.std_error)


def test_what_is_written_is_read(tmp_path: Path) -> None:
    own = stored()
    pools.write_stored(tmp_path / "x", own)
    same(pools.read_stored(tmp_path / "x"), own)
    assert own.repeat_noise[0] == pytest.approx(0.01 / own.pool.values[1, 0])
    pools.write(tmp_path / "y", own.pool)
    bare = pools.read_stored(tmp_path / "y")
    assert (bare.std_error, bare.devices, bare.source) == (None, (), "")
    assert bare.repeat_noise == (None, None)
    np.testing.assert_array_equal(pools.read(tmp_path / "y").values, own.pool.values)


def test_a_metric_of_ones_own_and_no_setting(tmp_path: Path) -> None:
    own = stored(metric=Metric("weight", {"g": 1.0, "kg": 1e3}, "3g"), setting=None)
    pools.write_stored(tmp_path / "x", own)
    again = pools.read_stored(tmp_path / "x")
    same(again, own)
    assert again.pool.metric.units == {"g": 1.0, "kg": 1e3}
    with pytest.raises(OptionError, match="names its search space"):
        pools.write(tmp_path / "y", own.pool)


@QUIET
@given(st.data())
def test_any_pool_comes_back(tmp_path: Path, data: st.DataObject) -> None:
    rows = data.draw(st.integers(2, 6))
    cells = st.floats(min_value=1e-300, max_value=1e300, allow_nan=False)
    values = np.array(data.draw(st.lists(cells, min_size=2 * rows, max_size=2 * rows)))
    text = st.text(min_size=1, max_size=9)
    devices = data.draw(st.lists(text, min_size=2, max_size=2, unique=True))
    names = archs(rows)
    pool = DevicePool(
        spaces.get(SPACE).encode(names),
        values.reshape(rows, 2),
        devices,
        names,
        setting=Setting(
            SPACE,
            data.draw(st.integers(1, 512)),
            data.draw(st.none() | st.integers(1, 999)),
            data.draw(text),
            data.draw(st.integers(1, 99)),
        ),
    )
    own = pools.StoredPool(SPACE, pool, source=data.draw(st.text(max_size=20)))
    pools.write_stored(tmp_path / "x", own)
    same(pools.read_stored(tmp_path / "x"), own)


@QUIET
@given(place=st.floats(0, 1), byte=st.integers(0, 255), cut=st.booleans())
def test_a_damaged_file_is_refused_or_read(
    tmp_path: Path, place: float, byte: int, cut: bool
) -> None:
    pools.write_stored(tmp_path / "x", stored())
    content = bytearray((tmp_path / "x").read_bytes())
    where = min(int(place * len(content)), len(content) - 1)
    if cut:
        del content[where:]
    else:
        content[where] = byte
    (tmp_path / "y").write_bytes(content)
    refused = ""
    try:
        pools.read_stored(tmp_path / "y")
    except HwprofError as error:
        refused = str(error)
    assert "\n" not in refused
    assert refused or not cut


def changed(path: Path, header: dict[str, Any] | None = None, **tensors: Any) -> Path:
    """A file with some of its parts changed; a part that is None is left out."""
    pools.write_stored(path, stored())
    content = path.read_bytes()
    (size,) = struct.unpack("<Q", content[:8])
    text = json.loads(content[8 : 8 + size])["__metadata__"]
    own = json.loads(text["pool"]) | (header or {})
    found = load_file(path) | tensors
    save_file(
        {name: array for name, array in found.items() if array is not None},
        path,
        {**text, "pool": json.dumps(own)},
    )
    return path


@pytest.mark.parametrize(
    ("header", "tensors", "says"),
    [
        ({}, {"values": np.zeros((4, 2))}, "must be positive finite joules"),
        ({}, {"values": np.ones((3, 2))}, "one row per architecture"),
        ({}, {"values": np.full((4, 2), np.inf)}, "8 cells are not"),
        ({}, {"values": None}, "values"),
        ({}, {"operations": np.full((4, 46), 250, dtype=np.uint8)}, "chooses 250"),
        ({}, {"operations": np.zeros((4, 46), dtype=np.float32)}, "whole numbers"),
        ({}, {"operations": None}, "operations"),
        ({}, {"std_error": np.ones((2, 2))}, "std_error must be as the values"),
        ({}, {"std_error": np.full((4, 2), -1.0)}, "not negative"),
        ({"devices": ["a", "a"]}, {}, "repeats"),
        ({"devices": "ab"}, {}, "array"),
        ({"devices": ["a", "c"]}, {}, "in the order of the pool's devices"),
        ({"space": "fbnet"}, {}, "architectures of fbnet"),
        ({"metric": {"name": "energy_net", "units": {"J": 2.0}, "example": ""}}, {}, "units"),
        ({"setting": {"space": "fbnet"}}, {}, "measured on architectures of fbnet"),
        ({"setting": {"space": SPACE, "batch": "x"}}, {}, "int"),
    ],
)
def test_parts_that_do_not_fit(tmp_path: Path, header, tensors, says) -> None:
    path = changed(tmp_path / "x", header, **tensors)
    with pytest.raises(TableError, match=f"damaged pool file .*{says}") as error:
        pools.read(path)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("version", "says"),
    [
        ("3", "version 3 of pool files where this hwprof reads up to 2; upgrade"),
        ("9" * 5000, "version 999999999 of pool files"),
        ("-1", "is not a pool of hwprof"),
    ],
)
def test_versions_that_are_not_read(tmp_path: Path, version: str, says: str) -> None:
    path = changed(tmp_path / "x")
    save_file(load_file(path), path, {"format": "hwprof-pool", "version": version})
    with pytest.raises(TableError, match=says):
        pools.read(path)


def test_a_space_that_is_not_known(tmp_path: Path) -> None:
    with pytest.raises(OptionError, match="unknown search space 'darts'; choose among"):
        pools.read(changed(tmp_path / "x", {"space": "darts"}))


def test_files_of_another_kind(tmp_path: Path) -> None:
    table = full_table(tmp_path / "t.db", 2, "ab")
    save_file({"x": np.zeros(2)}, tmp_path / "weights")
    for name in ("gone", "t.db", "weights", "a\0b"):
        with pytest.raises(TableError) as error:
            pools.read(tmp_path / name)
        assert "\n" not in str(error.value)
    # And no table is written over.
    with pytest.raises(TableError):
        pools.write_stored(table, stored())


def test_what_cannot_be_written(tmp_path: Path) -> None:
    own = stored()
    bare = DevicePool(own.pool.features, own.pool.values, own.pool.devices)
    with pytest.raises(OptionError, match="give the pool names"):
        pools.write(tmp_path / "x", bare, space=SPACE)
    moved = DevicePool(own.pool.features[::-1], own.pool.values, own.pool.devices, own.pool.names)
    with pytest.raises(OptionError, match="features of the pool are not what mobilenetv3 makes"):
        pools.write(tmp_path / "x", moved, space=SPACE)
    assert not (tmp_path / "x").exists()


def test_a_pool_is_opened_by_its_space_or_its_file(tmp_path: Path) -> None:
    pools.write_stored(tmp_path / "x", stored())
    known = known_devices(None, tmp_path / "x")
    assert (known.pool.setting, known.space.name) == (Setting(SPACE, 8, 224, "int8", 2), SPACE)
    assert known_devices(SPACE, tmp_path / "x").pool.devices == ("a", "b")
    with pytest.raises(OptionError, match="is of mobilenetv3, not of fbnet"):
        known_devices("fbnet", tmp_path / "x")
    with pytest.raises(OptionError, match="name a search space with --space, or a pool's file"):
        known_devices(None, None)
    with pytest.raises(OptionError, match=r"no pool ships .*hwprof pool make TABLE --space mobile"):
        pools.load(SPACE)
    with pytest.raises(OptionError, match="a seed must be 0 or more"):
        known_devices(SPACE, seed=-1)
    shipped = known_devices("fbnet", None).pool
    assert (shipped.rows, shipped.setting) == (5000, None)


def test_naming_one_part_of_a_setting_lets_only_that_differ(tmp_path: Path) -> None:
    pools.write_stored(tmp_path / "x", stored())
    known = known_devices(None, tmp_path / "x")
    other = Setting(SPACE, 1, 224, "fp32", 2)
    for asked, left in (((), "batch 8 and 1; precision"), (("batch",), "differ: precision int8")):
        with pytest.raises(OptionError, match=left):
            known.check_setting(other, asked)
    known.check_setting(other, ("batch", "precision"))
    known.check_setting(None)


def test_a_source_without_measurements_is_no_source() -> None:
    whole = stored()
    for wrong in ({"rows": 0}, {"contended": 10**6}, {"noisy": -1}):
        first, *others = whole.devices
        with pytest.raises(OptionError, match="a device's source needs measurements"):
            replace(whole, devices=(replace(first, **wrong), *others))


def test_a_device_with_few_cells_keeps_them_where_a_pool_is_thinned() -> None:
    rng = np.random.default_rng(0)
    values = rng.uniform(1, 2, (500, 3))
    few = np.arange(500) >= 8
    values[rng.permutation(500)[few], 2] = np.nan
    pool = DevicePool(rng.random((500, 4)), values, ("a", "b", "few"))
    thin = thinned(pool, 60)
    assert thin.measured.sum(axis=0).tolist()[2] == 8
    assert thin.measured.any(axis=1).sum() == 60
    # Rows that nobody measured do not count.
    none = np.full((400, 3), np.nan)
    wide = DevicePool(rng.random((900, 4)), np.concatenate([none, values]), pool.devices)
    assert thinned(wide, 500).measured.sum() == pool.measured.sum()
