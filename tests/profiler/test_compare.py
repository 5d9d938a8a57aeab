"""`hwprof.compare`: two models, two devices, or two measurements of a table."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import hwprof
from hwprof.errors import OptionError, TableError
from hwprof.lut import Table
from hwprof.machine.host import snapshot
from hwprof.profiler.compare import PAIRS
from hwprof.profiler.plan import Plan
from hwprof.samples import Samples
from hwprof.targets.base import Target
from hwprof.testing.examples import example_measurement
from hwprof.testing.replay import ReplayDevice, ReplayTarget, replay_spec
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
