from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hwprof.errors import OptionError, TableError
from hwprof.lut import Calibration, Table
from hwprof.testing.stores import (
    LAWS,
    Store,
    example_calibration,
    example_device,
    example_failure,
    example_measurement,
    example_plan,
)


@pytest.mark.parametrize("law", LAWS, ids=lambda law: law.__name__)
def test_laws_of_a_store(table: Table, law: Callable[[Store], None]) -> None:
    law(table)


@pytest.mark.parametrize("law", LAWS, ids=lambda law: law.__name__)
def test_laws_find_a_store_that_forgets(law: Callable[[Store], None]) -> None:
    class Forgetful:
        def add(self, measurement: object) -> bool:
            return True

        def get(self, prefix: str) -> Any:
            return example_measurement(99)

        def measurements(self) -> Any:
            return iter(())

    with pytest.raises(AssertionError):
        law(Forgetful())


def test_what_was_added_is_there_after_reopening(path: Path) -> None:
    with Table.open(path) as table:
        table.add(example_measurement(1))
        table.add_failure(example_failure(1))
    with Table.open(path, create=False) as table:
        assert list(table.measurements()) == [example_measurement(1)]
        assert list(table.failures()) == [example_failure(1)]


def test_closing_leaves_one_file(path: Path) -> None:
    with Table.open(path) as table:
        table.add(example_measurement(1))
    with Table.open(path, readonly=True) as reader:
        list(reader.measurements())
    assert [p.name for p in path.parent.iterdir()] == [path.name]


def test_closing_beside_a_reader_still_folds_the_wal_in(path: Path) -> None:
    with Table.open(path) as other:
        other.counts()
        with Table.open(path) as table:
            table.add(example_measurement(1))
            assert path.with_name(path.name + "-wal").stat().st_size > 0
        assert path.with_name(path.name + "-wal").stat().st_size == 0
        assert other.get(example_measurement(1).id) == example_measurement(1)


def test_a_path_may_hold_any_character(tmp_path: Path) -> None:
    path = tmp_path / "50% ?mode=ro#ü\udcff.db"
    with Table.open(path) as table:
        table.add(example_measurement(1))
    assert [p.name for p in tmp_path.iterdir()] == [path.name]


def test_a_transaction_is_all_or_nothing(table: Table) -> None:
    table.add(example_measurement(0))

    def interrupted() -> None:
        with table.transaction():
            table.add(example_measurement(1))
            table.add_failure(example_failure(1))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert list(table.measurements()) == [example_measurement(0)]
    assert list(table.failures()) == []


def test_a_snapshot_does_not_see_what_others_add(table: Table, path: Path) -> None:
    table.add(example_measurement(0))
    with table.snapshot():
        assert table.counts()["measurements"] == 1
        with Table.open(path) as other:
            other.add(example_measurement(1))
        assert table.counts()["measurements"] == 1
    assert table.counts()["measurements"] == 2


def test_a_closed_table_says_so(path: Path) -> None:
    table = Table.open(path)
    table.close()
    table.close()
    with pytest.raises(TableError, match="closed"):
        table.counts()


def test_filters(table: Table) -> None:
    added = [example_measurement(seed) for seed in range(40)]
    for measurement in added:
        table.add(measurement)
    newest_first = added[::-1]
    one = added[7]

    def check(expected: Callable[[Any], bool], **filters: Any) -> None:
        wanted = [m for m in newest_first if expected(m)]
        assert wanted
        assert list(table.measurements(**filters)) == wanted

    check(lambda m: m.subject.name == one.subject.name, model=one.subject.name)
    check(lambda m: m.subject.name.startswith("resnet"), model="resnet*")
    check(lambda m: m.subject.sha256 == one.subject.sha256, model=one.subject.sha256[:8])
    check(lambda m: m.device == one.device, device=one.device.fingerprint)
    check(lambda m: m.device.threads == 2, device="FP32-2t")
    check(lambda m: m.device.threads == 2, device="*-2t-*")
    check(lambda m: True, device="onnxruntime-cpu")
    check(lambda m: m.run_id == one.run_id, run_id=one.run_id)
    check(lambda m: m.source == "imported", source="imported")
    check(lambda m: m.created_at >= one.created_at, since=one.created_at)
    check(lambda m: m.created_at >= "2025-01-01T00:00:30", since="2025-01-01T01:00:30+01:00")
    check(lambda m: m in added[30:], since=datetime(2025, 1, 1, 0, 0, 30, tzinfo=UTC))
    check(lambda m: m in added[-3:], limit=3)
    check(lambda m: True, model=None, device=None, run_id=None, source=None, since="2025-01-01")
    assert list(table.measurements(model="nothing")) == []
    assert list(table.measurements(device="nothing")) == []
    assert list(table.measurements(limit=0)) == []


@pytest.mark.parametrize(
    "filters",
    [{"since": "soon"}, {"limit": -1}, {"source": "guessed"}, {"since": "0001-01-01T00:00+09:00"}],
)
def test_a_filter_that_makes_no_sense_is_refused_at_once(
    table: Table, filters: dict[str, Any]
) -> None:
    with pytest.raises(OptionError):
        table.measurements(**filters)


def test_a_glob_character_in_a_name_is_found_by_the_name(table: Table) -> None:
    base = example_measurement(0)
    odd = replace(base, subject=replace(base.subject, name="model[1]"))
    table.add(odd)
    assert list(table.measurements(model="model[1]")) == [odd]


def test_find_wants_the_same_subject_device_and_plan(table: Table) -> None:
    base = replace(example_measurement(1), source="measured", plan=example_plan(0))
    newer = replace(base, id="b", created_at="2026-01-01T00:00:00Z")
    for measurement in (
        newer,
        base,
        replace(base, id="c", source="predicted", created_at="2027-01-01T00:00:00Z"),
        replace(base, id="d", plan=example_plan(1), created_at="2027-01-01T00:00:00Z"),
    ):
        table.add(measurement)
    key, fingerprint = base.subject.key, base.device.fingerprint
    assert table.find(key, fingerprint, example_plan(0)) == newer
    assert table.find(key, fingerprint, dict(reversed(example_plan(0).items()))) == newer
    assert table.find(key, fingerprint, example_plan(2)) is None
    assert table.find(key, fingerprint, {}) is None
    assert table.find("other", fingerprint, example_plan(0)) is None
    assert table.find(key, "other", example_plan(0)) is None


def test_failures_are_filtered_by_the_names_given(table: Table) -> None:
    added = [example_failure(seed) for seed in range(12)]
    for failure in added:
        assert table.add_failure(failure)
    assert not table.add_failure(added[0])
    with pytest.raises(TableError, match="different failure"):
        table.add_failure(replace(added[0], reason="another: do something"))
    assert list(table.failures()) == added[::-1]
    assert list(table.failures(model="models/broken_3.onnx")) == [added[3]]
    assert list(table.failures(model="*_1?.onnx", device="ONNX")) == [added[11], added[10]]
    assert list(table.failures(device="onnxruntime-c?u", limit=1)) == [added[11]]
    assert list(table.failures(device="tvm")) == []


def test_the_newest_calibration_counts_and_none_is_lost(table: Table) -> None:
    device = example_device(1)
    assert table.get_calibration(device, "node_cost_s") is None
    newer = table.set_calibration(
        device, "node_cost_s", 2e-6, created_at="2025-02-01T00:00:00Z", source="4 models"
    )
    table.set_calibration(device, "node_cost_s", 1e-6, created_at="2025-01-01T00:00:00Z")
    table.set_calibration(example_device(2), "node_cost_s", 9e-6)
    assert table.get_calibration(device, "node_cost_s") == newer
    assert table.get_calibration(device.fingerprint, "node_cost_s") == newer
    assert table.get_calibration(device, "other") is None
    assert len(list(table.calibrations())) == 3
    assert len(list(table.calibrations(device.fingerprint))) == 2
    assert not table.add_calibration(newer)
    with pytest.raises(TableError, match="different node_cost_s"):
        table.add_calibration(replace(newer, value=3e-6))
    for wrong in ({"value": math.nan}, {"value": "1"}, {"name": ""}, {"created_at": "now"}):
        with pytest.raises(TableError, match="cannot be stored"):
            table.add_calibration(replace(newer, **wrong))  # type: ignore[arg-type]


def test_kernels_come_with_what_their_latency_needs(table: Table) -> None:
    added = [example_measurement(seed) for seed in range(12)]
    for measurement in added:
        table.add(measurement)
    expected = [
        (m.id, m.device.fingerprint, o, m.profile.call_latency_s(o))
        for m in reversed(added)
        if m.profile is not None
        for o in m.profile.occurrences
    ]
    found = [
        (
            r.measurement_id,
            r.device_fingerprint,
            r.occurrence,
            r.profile.call_latency_s(r.occurrence),
        )
        for r in table.kernels()
    ]
    assert found == expected
    # What was made up adds up to nothing that was measured: it is not to be learned from.
    assert all(r.latency_s is None and r.reason for r in table.kernels())
    device = added[0].device.fingerprint
    assert {r.device_fingerprint for r in table.kernels(device)} <= {device}
    assert all(r.kernel is r.occurrence.kernel for r in table.kernels(device))


def test_counts_and_devices(table: Table) -> None:
    assert set(table.counts().values()) == {0}
    for seed in range(10):
        table.add(example_measurement(seed))
    table.add_failure(example_failure(0))
    table.add_calibration(example_calibration(0))
    devices = list(table.devices())
    assert table.counts() == {
        "measurements": 10,
        "failures": 1,
        "devices": len(devices),
        "kernels": table.counts()["kernels"],
        "calibrations": 1,
    }
    assert [d.slug for d in devices] == sorted(d.slug for d in devices)
    assert list(table.devices(devices[0].fingerprint)) == devices[:1]


def test_two_devices_of_one_fingerprint_are_told_apart(
    table: Table, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = example_measurement(0)
    table.add(first)
    other = replace(first.device, provider="Other")
    monkeypatch.setattr(type(other), "fingerprint", first.device.fingerprint)
    with pytest.raises(TableError, match="another device"):
        table.add(replace(first, id="x", device=other))


@settings(deadline=None, max_examples=20)
@given(st.lists(st.integers(0, 8), max_size=8), st.lists(st.integers(0, 8), max_size=8))
def test_the_order_of_adding_does_not_matter(
    tmp_path_factory: pytest.TempPathFactory, first: list[int], second: list[int]
) -> None:
    folder = tmp_path_factory.mktemp("merge")
    contents = []
    for name, seeds in (("ab", first + second), ("ba", second + first)):
        with Table.open(folder / name) as table:
            for seed in seeds:
                table.add(example_measurement(seed))
                table.add_calibration(example_calibration(seed))
            contents.append((list(table.measurements()), list(table.calibrations())))
    assert contents[0] == contents[1]


def test_a_calibration_is_a_value() -> None:
    assert example_calibration(3) == example_calibration(3) != example_calibration(4)
    assert isinstance(example_calibration(3), Calibration)
