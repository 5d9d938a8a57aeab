"""What was measured is kept, whatever ends the rest of it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import hwprof
from hwprof.devices.base import ProfiledRun
from hwprof.errors import DeadlineError, MeasurementError, TableError, UnsavedError
from hwprof.lut import Table
from hwprof.machine.host import Pin, snapshot
from hwprof.measurement import Measurement, WarningCode
from hwprof.models.base import Model
from hwprof.profile import Profile
from hwprof.profiler.campaign import Outcome
from hwprof.profiler.failures import job_mark, whole
from hwprof.profiler.node_cost import NodeCosts
from hwprof.profiler.plan import Plan
from hwprof.profiler.sweep import sweep
from hwprof.samples import Samples
from hwprof.targets.base import ANYWHERE, Run, Target
from hwprof.targets.patience import lateness
from hwprof.testing.replay import ReplayDevice, ReplayTarget, replay_spec

PLAN = Plan(pin="none", per_op=False, restarts=3)
GONE = MeasurementError("the worker was killed; try again")


class Recorded(ReplayTarget):
    """A recording of one latency; `breaks` are raised at the starts that they are numbered by."""

    def __init__(
        self,
        threads: int = 1,
        breaks: dict[int, BaseException] | None = None,
        profiled: ProfiledRun | None = None,
    ) -> None:
        wall = np.full(64, 1e-3 * threads)
        samples = Samples(wall, wall, np.zeros(64, dtype=np.int64))
        device = ReplayDevice(samples, spec=replay_spec(threads), profiled=profiled)
        super().__init__([device], snapshot())
        self.breaks = breaks or {}
        self.starts = 0

    def start(self, model: Model, pin: Pin = ANYWHERE) -> Run:
        self.starts += 1
        if self.starts in self.breaks:
            raise self.breaks[self.starts]
        return super().start(model, pin)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "t.db"


def outcomes(models: Path | list[Path], *targets: Target, **options: object) -> list[Outcome]:
    options = {"plan": PLAN, **options}
    return list(sweep(models, targets, check_outputs=False, **options))  # type: ignore[arg-type]


def kept(path: Path) -> list[Measurement]:
    with Table.open(path, create=False) as table:
        return list(table.measurements())


def test_every_restart_is_kept_before_the_next_one_starts(mlp: Path, path: Path) -> None:
    seen: list[tuple[int, bool, str]] = []

    class Looking(Recorded):
        def start(self, model: Model, pin: Pin = ANYWHERE) -> Run:
            for one in kept(path):
                (warning,) = [w for w in one.warnings if w.code is WarningCode.CUT_OFF]
                seen.append((len(one.restarts), whole(one), warning.message))
            return super().start(model, pin)

    (outcome,) = outcomes(mlp, Looking(), table=path)
    assert [each[:2] for each in seen] == [(1, False), (2, False)]
    assert seen[0][2].startswith("1 of 3 processes were measured: ")
    assert outcome.measurement is not None
    assert whole(outcome.measurement)
    assert kept(path) == [outcome.measurement]


def test_a_restart_that_fails_takes_no_other_along(mlp: Path, path: Path) -> None:
    (outcome,) = outcomes(mlp, Recorded(breaks={3: GONE}), table=path)
    assert outcome.measurement is not None
    assert outcome.failure is not None
    assert outcome.failure.reason == str(GONE)
    (warning,) = [w for w in outcome.measurement.warnings if w.code is WarningCode.CUT_OFF]
    assert warning.message == f"2 of 3 processes were measured: {GONE}; measure it again"
    assert outcome.measurement.latency.headline_s == pytest.approx(1e-3)
    assert kept(path) == [outcome.measurement]
    # It is made whole by the next run, and not kept beside it.
    (again,) = outcomes(mlp, Recorded(), table=path, resume=True)
    assert again.measurement is not None
    assert not again.resumed
    assert again.measurement.id == outcome.measurement.id
    assert kept(path) == [again.measurement]
    (same,) = outcomes(mlp, Recorded(), table=path, resume=True)
    assert same.resumed


def test_python_gets_what_there_is_too(mlp: Path) -> None:
    found = hwprof.measure(mlp, Recorded(breaks={2: GONE}), PLAN, check_outputs=False)
    assert len(found.restarts) == 1
    assert found.warned(WarningCode.CUT_OFF)
    with pytest.raises(MeasurementError, match="the worker was killed"):
        hwprof.measure(mlp, Recorded(breaks={1: GONE}), PLAN, check_outputs=False)


def test_a_comparison_that_breaks_down_keeps_both_sides(mlp: Path, path: Path) -> None:
    second = Recorded(2, {3: GONE})
    with pytest.raises(MeasurementError, match="the worker was killed"):
        hwprof.compare(Recorded(), second, model=mlp, table=path, check_outputs=False)
    assert {m.device.threads: len(m.restarts) for m in kept(path)} == {1: 3, 2: 2}
    assert all(m.warned(WarningCode.CUT_OFF) for m in kept(path))


class Broken(Table):
    """A table on a disk that fails as soon as something is read or written by these methods."""

    def __init__(self, path: Path, *methods: str) -> None:
        with Table.open(path):
            pass
        opened = Table.open(path)
        super().__init__(opened._store)
        self.methods = methods

    def _try(self, method: str) -> None:
        if method in self.methods:
            raise TableError("no space is left for the table; free some disk space and run again")

    def replace(self, measurement: Measurement) -> None:
        self._try("replace")
        super().replace(measurement)

    def get_calibration(self, *arguments: object) -> None:
        self._try("get_calibration")
        return None

    def set_calibration(self, *arguments: object, **options: object) -> None:  # type: ignore[override]
        self._try("set_calibration")


def test_a_full_disk_hides_no_device_of_a_turn(mlp: Path, path: Path) -> None:
    targets = [Recorded(threads) for threads in (1, 2, 3)]
    with Broken(path, "replace") as table:
        found = outcomes([mlp, mlp], *targets, table=table)
    # All three of the first model, and nothing of the second: none of it could be saved.
    assert [o.measurement and o.measurement.device.threads for o in found] == [1, 2, 3]
    assert all("no space is left" in str(o.unsaved) for o in found)


def test_python_gets_what_could_not_be_saved(mlp: Path, path: Path) -> None:
    with Broken(path, "replace") as table:
        with pytest.raises(UnsavedError, match="no space is left") as error:
            hwprof.measure(mlp, Recorded(), PLAN, table=table, check_outputs=False)
        assert isinstance(error.value.result, Measurement)
        with pytest.raises(UnsavedError, match="no space is left") as error:
            hwprof.compare(Recorded(), Recorded(2), model=mlp, table=table, check_outputs=False)
        assert isinstance(error.value.result, hwprof.Comparison)


@pytest.mark.parametrize("method", ["get_calibration", "set_calibration"])
def test_a_disk_that_fails_under_the_calibration_takes_no_measurement_along(
    mlp: Path, path: Path, method: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Estimate:
        seconds, source = 1e-6, "chains"

    monkeypatch.setattr("hwprof.profiler.node_cost.estimate_node_cost", lambda target: Estimate)
    monkeypatch.setattr(NodeCosts, "_known", {})
    profiled = ProfiledRun(Profile((), np.ones(4)))
    with Broken(path, method) as table:
        plan = replace(PLAN, per_op=True)
        (found,) = outcomes(mlp, Recorded(profiled=profiled), plan=plan, table=table)
        assert found.unsaved is None
        assert found.measurement is not None
        assert found.measurement.profile is not None
        assert found.measurement.profile.node_cost_s == 1e-6
        assert list(table.measurements()) == [found.measurement]


def test_whatever_the_calibration_raises_the_measurement_is_kept(
    mlp: Path, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(target: Target) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("hwprof.profiler.node_cost.estimate_node_cost", fails)
    monkeypatch.setattr(NodeCosts, "_known", {})
    profiled = ProfiledRun(Profile((), np.ones(4)))
    plan = replace(PLAN, per_op=True)
    (found,) = outcomes(mlp, Recorded(profiled=profiled), plan=plan, table=path)
    assert found.measurement is not None
    assert found.measurement.profile is not None
    assert "No space left on device" in found.measurement.profile.node_cost_reason
    assert kept(path) == [found.measurement]


FULL_DISK = Path(__file__).with_name("full_disk.py")


def test_a_disk_that_is_really_full_hides_nothing_either(mlp: Path, path: Path) -> None:
    done = subprocess.run(
        [sys.executable, str(FULL_DISK), str(mlp), str(path)],
        capture_output=True,
        text=True,
        # Coverage has no room for its file either, and would say so.
        env={name: value for name, value in os.environ.items() if "COV" not in name},
    )
    assert done.stderr == ""
    assert done.stdout.splitlines() == ["1 unsaved", "2 unsaved", "3 unsaved"]
    # What was saved before is sound.
    assert [m.device.threads for m in kept(path)] == [4]


@pytest.mark.parametrize("replaced", [False, True])
def test_a_table_that_is_taken_away_meanwhile_is_noticed(
    mlp: Path, path: Path, replaced: bool
) -> None:
    class Taking(Recorded):
        def start(self, model: Model, pin: Pin = ANYWHERE) -> Run:
            if self.starts == 1:
                path.unlink()
                if replaced:
                    path.write_bytes(b"")
            return super().start(model, pin)

    (found,) = outcomes([mlp, mlp], Taking(), table=path)
    assert found.measurement is not None
    assert "was deleted or replaced while it was open" in str(found.unsaved)
    (rescued,) = path.parent.glob("t-*-rescued.db")
    assert kept(rescued) == [found.measurement]
    assert str(rescued) in str(found.unsaved)


class Strange(Exception):
    """Nothing that anybody foresaw."""


@pytest.mark.parametrize("error", [Strange("odd"), MemoryError(), RecursionError("too deep")])
def test_an_error_that_nobody_foresaw_is_one_jobs_failure(
    mlp: Path, path: Path, error: Exception
) -> None:
    found = outcomes([mlp, mlp], Recorded(breaks={1: error}), Recorded(2), table=path)
    assert [o.measurement is not None for o in found] == [False, True, True, True]
    assert found[0].failure is not None
    reason = found[0].failure.reason
    assert "hwprof.profiler.bench, line " in reason
    assert ("report it" in reason) != isinstance(error, MemoryError)
    assert "\n" not in reason
    with Table.open(path) as table:
        assert [f.reason for f in table.failures()] == [reason]


def test_a_target_that_cannot_even_say_what_it_is_fails_alone(mlp: Path) -> None:
    class Odd(Recorded):
        @property
        def spec(self) -> object:  # type: ignore[override]
            raise Strange("odd")

    # It is asked first by the sweep, which several devices do not let end.
    from hwprof.profiler.campaign import Job, run_campaign

    jobs = [(Job(mlp, Odd(), device="odd"), Job(mlp, Recorded(), device="fine"))]
    first, second = run_campaign(jobs, PLAN, None)
    assert first.failure is not None
    assert first.failure.device == "odd"
    assert "Strange (odd)" in first.failure.reason
    assert second.measurement is not None


def test_ctrl_c_is_no_failure(mlp: Path, path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        outcomes([mlp, mlp], Recorded(breaks={2: KeyboardInterrupt()}), table=path)
    (one,) = kept(path)
    assert len(one.restarts) == 1
    with Table.open(path) as table:
        assert table.counts()["failures"] == 0


def test_an_architecture_that_cannot_be_built_fails_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from hwprof import spaces

    space = spaces.get("nasbench201")
    build = type(space).build
    built: list[object] = []

    def fails_once(self: object, *arguments: object) -> object:
        built.append(arguments)
        if len(built) == 1:
            raise OSError(28, "No space left on device")
        return build(self, *arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(type(space), "build", fails_once)
    options = {"space": "nasbench201", "sample": 2, "resolution": 16, "plan": PLAN}
    found = list(sweep((), Recorded(), check_outputs=False, **options))  # type: ignore[arg-type]
    assert [o.measurement is not None for o in found] == [False, True]
    assert found[0].failure is not None
    assert "No space left on device" in found[0].failure.reason


def hung(seconds: float) -> DeadlineError:
    return DeadlineError(lateness("the worker measuring 'mlp.onnx'", "time", seconds))


@pytest.mark.parametrize(
    ("timeout", "tried"), [(None, False), (30.0, False), (60.0, False), (61.0, True)]
)
def test_what_hung_is_tried_again_only_where_it_is_given_longer(
    mlp: Path, path: Path, timeout: float | None, tried: bool
) -> None:
    from hwprof.profiler.campaign import Job, run_campaign

    def run(target: Target) -> list[Outcome]:
        with Table.open(path) as table:
            jobs = [Job(mlp, target)]
            return list(run_campaign(jobs, PLAN, table, resume=True, timeout_s=timeout))

    (first,) = run(Recorded(breaks={1: hung(60)}))
    assert first.failure is not None
    assert not first.resumed
    target = Recorded()
    (second,) = run(target)
    assert (target.starts > 0) is tried
    assert (second.measurement is not None) is tried
    if not tried:
        assert (second.failure, second.resumed) == (first.failure, True)


def test_what_failed_otherwise_is_tried_again(mlp: Path, path: Path) -> None:
    outcomes(mlp, Recorded(breaks={1: GONE}), table=path)
    (again,) = outcomes(mlp, Recorded(), table=path, resume=True)
    assert again.measurement is not None


def test_another_batch_of_what_hung_is_another_job(dynamic_mlp: Path, path: Path) -> None:
    def run(batch: int, target: Target) -> Outcome:
        (found,) = outcomes(dynamic_mlp, target, batches=[batch], table=path, resume=True)
        return found

    assert run(1, Recorded(breaks={1: hung(60)})).failure is not None
    assert run(2, Recorded()).measurement is not None
    assert run(1, Recorded()).resumed
    assert job_mark("a", "b") != job_mark("a", "c") != job_mark("ab", "")


def test_runs_that_take_no_time_do_not_go_on_for_ever(mlp: Path) -> None:
    def measured(walls: Iterable[float]) -> Callable[[], Measurement]:
        wall = np.array(list(walls))
        device = ReplayDevice(Samples(wall, wall, np.zeros(len(wall), dtype=np.int64)))
        target = ReplayTarget([device], snapshot())
        return lambda: hwprof.measure(mlp, target, PLAN, check_outputs=False)

    for walls in ([0.0] * 9, [1e-15] * 9, [1e-3] * 22 + [0.0] * 500):
        with pytest.raises(MeasurementError, match="which no clock can tell"):
            measured(walls)()
    # Short ones are no fault.
    assert measured([1e-6] * 9)().latency.headline_s == pytest.approx(1e-6)
