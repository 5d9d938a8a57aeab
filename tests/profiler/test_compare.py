"""`hwprof.compare`: two models, two devices, or two measurements of a table."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import hwprof
from hwprof.errors import MeasurementError, OptionError, TableError
from hwprof.lut import Table
from hwprof.machine.host import snapshot
from hwprof.profiler.compare import PAIRS, compare_stored, compare_turns
from hwprof.profiler.picking import stored
from hwprof.profiler.plan import Plan
from hwprof.samples import Samples
from hwprof.targets.base import Target
from hwprof.testing.examples import example_measurement
from hwprof.testing.replay import ReplayDevice, ReplayTarget, replay_spec
from tests.profiler.results import OTHER, SUBJECT, device, result, timings
from tests.small_models import mlp_proto


def recorded(level_s: float, threads: int = 1) -> Target:
    wall = np.full(64, level_s)
    samples = Samples(wall, wall, np.zeros(64, dtype=np.int64))
    return ReplayTarget([ReplayDevice(samples, spec=replay_spec(threads))], snapshot())


def test_two_devices_on_a_model(mlp: Path, tmp_path: Path) -> None:
    one, two = recorded(3e-3), recorded(1e-3, 2)
    found = hwprof.compare(one, two, model=mlp, table=tmp_path / "t.db", check_outputs=False)
    assert found.ratio == pytest.approx(3)
    assert len(found.a.restarts) == len(found.b.restarts) == PAIRS
    assert (found.a.device.threads, found.b.device.threads) == (1, 2)
    with Table.open(tmp_path / "t.db") as table:
        assert set(table.ids()) == {found.a.id, found.b.id}
        kept = hwprof.compare(found.a.id[:12], found.b.id[:12], table=table)
        assert kept.ratio == pytest.approx(3)
    # Two devices were named; two rows may have come together by accident.
    assert (found.unlike, found.different) == ((), True)
    assert (kept.unlike, kept.different) == (("threads: a has 1, b has 2",), None)


def test_two_models_on_a_device(dynamic_mlp: Path, tmp_path: Path) -> None:
    import onnx

    other = tmp_path / "other.onnx"
    onnx.save(mlp_proto("batch", width=16), str(other))
    plan = Plan(pin="none", restarts=3)
    found = hwprof.compare(
        dynamic_mlp, other, device=recorded(1e-3), batch=2, plan=plan, check_outputs=False
    )
    assert (found.a.subject.name, found.b.subject.name) == ("dynamic_mlp", "other")
    assert found.a.subject.batch == found.b.subject.batch == 2
    assert found.ratio == pytest.approx(1)
    assert sorted(p.name for p in tmp_path.glob("*.db")) == []


def test_two_measurements_by_id_or_name(tmp_path: Path) -> None:
    a, b = example_measurement(1), example_measurement(2)
    with Table.open(tmp_path / "t.db") as table:
        for measurement in (a, b):
            table.add(measurement)
    found = hwprof.compare(a.id[:10], b.subject.name, table=tmp_path / "t.db")
    assert (found.a, found.b) == (a, b)
    assert found.ratio == pytest.approx(a.latency.headline_s / b.latency.headline_s)
    with pytest.raises(TableError, match="'nothing' is neither"):
        hwprof.compare("nothing", a.id[:10], table=tmp_path / "t.db")
    with pytest.raises(TableError, match="no table"):
        hwprof.compare("x", "y", table=tmp_path / "absent.db")
    assert not (tmp_path / "absent.db").exists()


def test_sides_that_do_not_go_together(mlp: Path) -> None:
    for sides in ((mlp, "stranger"), ("stranger", mlp)):
        with pytest.raises(OptionError, match="'stranger' is not a model file"):
            hwprof.compare(*sides)
    with pytest.raises(OptionError, match="name the table"):
        hwprof.compare("x", "y")
    with pytest.raises(OptionError, match="on a model"):
        hwprof.compare(recorded(1e-3), recorded(2e-3))
    with pytest.raises(OptionError, match="which sets threads"):
        hwprof.compare("cpu", "cpu:threads=2", model=mlp, threads=2)
    with pytest.raises(OptionError, match="leave out device"):
        hwprof.compare("cpu", "cpu", model=mlp, device="cpu")


BATCHED = replace(SUBJECT, inputs=(replace(SUBJECT.inputs[0], shape=(8, 3, 8, 8)),), batch=8)


@pytest.fixture
def rows(tmp_path: Path) -> Iterator[Table]:
    """One model on two devices, two numbers of threads and two batches, and another model."""
    made = [
        result("a"),
        result("b", device=device(2)),
        result("c", device=device(name="openvino-cpu")),
        result("d", subject=BATCHED),
        result("e", subject=OTHER),
    ]
    with Table.open(tmp_path / "rows.db") as table:
        for second, measurement in enumerate(made):
            table.add(replace(measurement, created_at=f"2026-01-01T00:00:0{second}Z"))
        yield table


@pytest.mark.parametrize(
    ("options", "found"),
    [
        ({}, "d"),
        ({"batch": 1}, "c"),
        ({"batch": 8}, "d"),
        ({"threads": 2}, "b"),
        ({"device": "openvino"}, "c"),
        ({"device": "onnxruntime", "threads": 1, "batch": 1}, "a"),
        ({"device": "*onnxruntime*2t*"}, "b"),
    ],
)
def test_options_say_which_row_of_a_model_is_meant(
    rows: Table, options: dict[str, Any], found: str
) -> None:
    assert stored(rows, "net", **options).id == found * 32
    # By its id it is found as well, and what contradicts that is not passed over.
    assert stored(rows, found, **options).id == found * 32


@pytest.mark.parametrize(
    ("text", "options", "says"),
    [
        ("net", {"threads": 3}, "no measurement of 'net' in .* has 3 threads"),
        ("net", {"device": "tvm", "batch": 1}, "has a device like 'tvm' and batch 1"),
        ("a", {"threads": 2}, "'a' is a measurement of batch 1 on .* not one with 2 threads"),
        ("a", {"device": "openvino"}, "not one with a device like 'openvino'; leave that out"),
        ("nothing", {"threads": 1}, "'nothing' is neither"),
    ],
)
def test_what_no_row_has(rows: Table, text: str, options: dict[str, Any], says: str) -> None:
    with pytest.raises(TableError, match=says):
        stored(rows, text, **options)


def test_options_pick_the_rows_of_a_comparison(rows: Table) -> None:
    found = hwprof.compare("net", "other", device="onnxruntime", threads=1, batch=1, table=rows)
    assert (found.a.id[0], found.b.id[0]) == ("a", "e")
    assert found.unlike == ()
    newest = hwprof.compare("net", "other", table=rows)
    assert newest.a.id[0] == "d"
    assert newest.unlike == ("batch: a has 8, b has 1",)


@pytest.mark.parametrize("sides", [("net", "net"), ("d", "net"), ("net", "dddd"), ("d", "dd")])
def test_a_row_is_not_compared_with_itself(rows: Table, sides: tuple[str, str]) -> None:
    with pytest.raises(OptionError, match="are the same measurement, dddddddd"):
        hwprof.compare(*sides, table=rows)


def test_a_measurement_at_hand_is_not_compared_with_itself() -> None:
    with pytest.raises(OptionError, match="both sides are the measurement"):
        compare_stored(result("a"), result("a"))


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"plan": Plan(restarts=9)}, "leave out the plan"),
        ({"shapes": {"x": (1, 3)}}, "leave out shapes"),
        ({"inputs": {"x": "1"}, "check_outputs": False}, "leave out inputs, check_outputs"),
        ({"device": recorded(1e-3)}, "part of a device's slug"),
    ],
)
def test_rows_are_not_measured_anew(rows: Table, options: dict[str, Any], says: str) -> None:
    with pytest.raises(OptionError, match=says):
        hwprof.compare("net", "other", table=rows, **options)


def test_a_latency_of_nothing_has_no_ratio() -> None:
    empty = replace(result("b").restarts[0], steady=timings(1e-3, n=0))
    for bad in (result("b", 0.0), replace(result("b"), restarts=(empty,))):
        for compare in (compare_stored, compare_turns):
            with pytest.raises(MeasurementError, match="no latency above zero"):
                compare(result("a"), bad)


def test_absurd_latencies_have_no_interval() -> None:
    compared = compare_stored(result("a", 1e300), result("b", 1e-300))
    assert compared.ci95 is None
    assert compared.different is None


def test_a_name_of_several_models_is_ambiguous(tmp_path: Path) -> None:
    one = example_measurement(1)
    other = replace(one, id="b" * 32, subject=replace(one.subject, sha256="c" * 64))
    name = one.subject.name
    with Table.open(tmp_path / "t.db") as table:
        table.add(one)
        assert stored(table, name).id == one.id
        table.add(other)
        with pytest.raises(TableError, match="several models of different content are called"):
            stored(table, name)
        assert stored(table, f"{name}@cccccc").id == other.id
        assert stored(table, "b" * 8).id == other.id
