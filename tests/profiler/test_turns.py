"""Several devices taking turns, and what becomes of those that fail."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from hwprof.device_spec import DeviceSpec
from hwprof.errors import DeviceError, MeasurementError, OptionError
from hwprof.lut import Table
from hwprof.machine.host import Pin, snapshot
from hwprof.models.base import Model
from hwprof.profiler.campaign import Job, in_turns, jobs_for, run_campaign
from hwprof.profiler.compare import compare_turns
from hwprof.profiler.plan import Plan
from hwprof.samples import Samples
from hwprof.spread import between_pairs
from hwprof.targets.base import ANYWHERE, Run, Target
from hwprof.testing.replay import ReplayDevice, ReplayTarget, replay_spec

PLAN = Plan(pin="none", per_op=False, restarts=3)


class Named(ReplayTarget):
    """A recording that notes when it is started; it may break down at one of its turns."""

    def __init__(self, name: str, log: list[str], level_s: float, breaks_at: int = 0) -> None:
        wall = np.full(64, level_s)
        # Threads tell the specs apart.
        spec = replay_spec(threads=len(name))
        samples = Samples(wall, wall, np.zeros(64, dtype=np.int64))
        super().__init__([ReplayDevice(samples, spec=spec)], snapshot())
        self.name, self.log, self.breaks_at = name, log, breaks_at

    def start(self, model: Model, pin: Pin = ANYWHERE) -> Run:
        self.log.append(self.name)
        if self.log.count(self.name) == self.breaks_at:
            raise MeasurementError("it broke down; mend it")
        return super().start(model, pin)


class Away(Target):
    """A target whose device is not there."""

    @property
    def spec(self) -> DeviceSpec:
        raise DeviceError("device 'x' is unavailable, because it is away")

    def start(self, model: Model, pin: Pin = ANYWHERE) -> Run:
        raise NotImplementedError


@pytest.fixture
def table(tmp_path: Path) -> Table:
    return Table.open(tmp_path / "t.db")


def sweep(model: Path, *targets: tuple[str, Target]) -> list[tuple[Job, ...]]:
    return list(in_turns([Job(model, targets[0][1])], targets))


def test_turns_go_forwards_and_backwards(mlp: Path, table: Table) -> None:
    log: list[str] = []
    a, bb = Named("a", log, 1e-3), Named("bb", log, 2e-3)
    outcomes = list(run_campaign(sweep(mlp, ("a", a), ("bb", bb)), PLAN, table))
    assert log == ["a", "bb", "bb", "a", "a", "bb"]
    one, two = (o.measurement for o in outcomes)
    assert one is not None
    assert two is not None
    compared = compare_turns(two, one)
    assert compared.ratio == pytest.approx(2)
    assert compared.method == "3 interleaved pairs of fresh processes"
    assert compared.unlike == ()
    # Three pairs that agree to the last digit are luck.
    assert compared.ci95 is not None
    half = between_pairs(np.zeros(3), (1, 2))
    assert np.log(compared.ci95[1] / compared.ratio) == pytest.approx(half)
    assert table.counts()["measurements"] == 2
    table.close()


def test_one_that_fails_leaves_the_others_alone(mlp: Path, table: Table) -> None:
    log: list[str] = []
    targets = (
        ("a", Named("a", log, 1e-3)),
        ("bb", Named("bb", log, 2e-3, breaks_at=2)),
        ("x:threads=4", Away()),
    )
    outcomes = list(run_campaign(sweep(mlp, *targets), PLAN, table))
    assert [o.failure is None for o in outcomes] == [True, False, False]
    # What it gave before it broke down is kept, with the failure.
    assert [len(o.measurement.restarts) for o in outcomes if o.measurement] == [3, 1]
    assert log == ["a", "bb", "bb", "a", "a"]
    failures = {f.device: f.reason for f in table.failures()}
    assert failures["x:threads=4"].endswith("because it is away")
    assert "it broke down; mend it" in failures.values()
    table.close()


def test_resuming_takes_up_only_what_is_missing(mlp: Path, table: Table) -> None:
    log: list[str] = []
    a, bb = Named("a", log, 1e-3), Named("bb", log, 2e-3)
    list(run_campaign(sweep(mlp, ("a", a)), PLAN, table))
    log.clear()
    jobs = sweep(mlp, ("a", a), ("bb", bb))
    outcomes = list(run_campaign(jobs, PLAN, table, resume=True))
    assert [o.resumed for o in outcomes] == [True, False]
    assert set(log) == {"bb"}
    table.close()


def test_a_shape_finds_its_input_whatever_the_format(dynamic_mlp: Path, tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    from hwprof.convert.torch.export import save

    class Net(torch.nn.Module):  # type: ignore[misc, name-defined]
        def forward(self, tokens: object) -> object:
            return torch.relu(tokens)

    folder = tmp_path / "program"
    folder.mkdir()
    program, _ = save(Net().eval(), torch.zeros(2, 3), folder)
    target = Away()
    shapes = {"tokens": (2, 3), "x": (5, 8)}
    first, second = jobs_for([program, dynamic_mlp], target, shapes)
    assert (first.shapes, second.shapes) == ({"tokens": (2, 3)}, {"x": (5, 8)})
    with pytest.raises(OptionError, match="no model has an input 'y'"):
        jobs_for([program, dynamic_mlp], target, {"y": (1,)})
