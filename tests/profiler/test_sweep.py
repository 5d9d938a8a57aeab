"""`hwprof.sweep`: what is asked for, what fits together, and what comes of it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import hwprof
from hwprof.errors import DeviceError, MeasurementError, OptionError, TableError
from hwprof.lut import Table
from hwprof.machine.host import snapshot
from hwprof.models.base import Model
from hwprof.profiler.bench import UNFINISHED
from hwprof.profiler.plan import RESTARTS_IN_TURNS, Plan
from hwprof.profiler.sweep import sweep, targets_of, usual_restarts
from hwprof.samples import Samples
from hwprof.targets.base import Run
from hwprof.testing.replay import ReplayDevice, ReplayTarget, replay_spec
from tests.profiler.away import Away

CELL = "|none~0|+|none~0|none~1|+|skip_connect~0|none~1|none~2|"
QUICK = Plan(pin="none", per_op=False, restarts=1)


class Recorded(ReplayTarget):
    """A recording of one latency that notes the models it was started on."""

    def __init__(self, level_s: float, threads: int, log: list[str]) -> None:
        wall = np.full(64, level_s)
        samples = Samples(wall, wall, np.zeros(64, dtype=np.int64))
        super().__init__([ReplayDevice(samples, spec=replay_spec(threads))], snapshot())
        self.log = log

    def start(self, model: Model, *place: Any) -> Run:
        inputs = model.subject.inputs[0].shape
        self.log.append(f"{model.subject.name} {inputs[0]} {self.spec.threads}t")
        return super().start(model, *place)


@pytest.fixture
def log() -> list[str]:
    return []


@pytest.fixture
def two(log: list[str]) -> list[Recorded]:
    return [Recorded(1e-3, 1, log), Recorded(2e-3, 2, log)]


def run(*models: Path, **options: object) -> list[hwprof.Outcome]:
    return list(sweep(models, check_outputs=False, **options))  # type: ignore[arg-type]


def test_every_batch_model_and_device_in_turns(
    dynamic_mlp: Path, two: list[Recorded], log: list[str]
) -> None:
    made = sweep([dynamic_mlp], two, batches=(1, 8), check_outputs=False)
    assert made.total == 4
    assert log == []
    outcomes = list(made)
    cells = [
        (o.measurement.subject.batch, o.measurement.device.threads)
        for o in outcomes
        if o.measurement is not None
    ]
    assert cells == [(1, 1), (1, 2), (8, 1), (8, 2)]
    once = ["1t", "2t", "2t", "1t", "1t", "2t"]
    assert log == [f"dynamic_mlp {batch} {turn}" for batch in (1, 8) for turn in once]
    assert {len(o.measurement.restarts) for o in outcomes if o.measurement} == {RESTARTS_IN_TURNS}


def test_a_plan_is_kept_to_and_turns_have_as_many_restarts_for_all(
    mlp: Path, two: list[Recorded], log: list[str]
) -> None:
    assert usual_restarts(1) is None
    run(mlp, devices=two[0], plan=replace(QUICK, restarts=None))
    assert len(log) > usual_restarts(2)
    log.clear()
    run(mlp, devices=two, plan=QUICK)
    assert len(log) == 2
    # The steadier one would have gone on alone, and nothing would pair with that.
    log.clear()
    run(mlp, devices=two, plan=replace(QUICK, restarts=None))
    assert len(log) == 2 * RESTARTS_IN_TURNS


def test_results_are_kept_in_a_table_by_name_or_open_or_nowhere(
    mlp: Path, two: list[Recorded], tmp_path: Path, log: list[str]
) -> None:
    path = tmp_path / "t.db"
    made = sweep(mlp, two[0], plan=QUICK, table=path, check_outputs=False)
    assert not path.exists()
    (first,) = made
    with Table.open(path) as table:
        assert [m.id for m in table.measurements()] == [first.measurement and first.measurement.id]
        log.clear()
        (again,) = run(mlp, devices=two[0], plan=QUICK, table=table, resume=True)
        assert again.resumed
        assert log == []
        # It is the caller's, and stays open.
        assert table.counts()["measurements"] == 1
    (alone,) = run(mlp, devices=two[0], plan=QUICK)
    assert alone.measurement is not None
    assert alone.unsaved is None


def test_what_was_cut_off_after_its_latency_is_measured_again(
    mlp: Path, two: list[Recorded], tmp_path: Path
) -> None:
    (first,) = run(mlp, devices=two[0], plan=QUICK)
    assert first.measurement is not None
    with Table.open(tmp_path / "t.db") as table:
        table.add(replace(first.measurement, profile=None, profile_reason=UNFINISHED))
        (again,) = run(mlp, devices=two[0], plan=QUICK, table=table, resume=True)
        assert not again.resumed
        (kept,) = run(mlp, devices=two[0], plan=QUICK, table=table, resume=True)
        assert kept.resumed


def test_ending_it_early_closes_the_table(mlp: Path, two: list[Recorded], tmp_path: Path) -> None:
    made = sweep([mlp, mlp], two[0], plan=QUICK, table=tmp_path / "t.db", check_outputs=False)
    assert next(made).measurement is not None
    made.close()
    assert list(made) == []
    assert sorted(p.name for p in tmp_path.glob("t.db*")) == ["t.db"]
    with Table.open(tmp_path / "t.db") as table:
        assert table.counts()["measurements"] == 1


def test_a_missing_device_among_several_is_a_failure(mlp: Path, two: list[Recorded]) -> None:
    first, second = run(mlp, devices=[Away(), two[0]], plan=QUICK)
    assert first.failure is not None
    assert "it is away" in first.failure.reason
    assert second.measurement is not None


def test_what_breaks_down_leaves_the_rest_alone(mlp: Path, log: list[str]) -> None:
    class Broken(Recorded):
        def start(self, model: Model, *place: Any) -> Run:
            raise MeasurementError("it broke down; mend it")

    outcomes = run(mlp, devices=[Broken(1e-3, 1, log), Recorded(1e-3, 2, log)], plan=QUICK)
    assert [o.measurement is not None for o in outcomes] == [False, True]
    assert outcomes[0].failure is not None
    assert outcomes[0].failure.reason == "it broke down; mend it"


def test_architectures_are_built_and_called_by_their_text(two: list[Recorded]) -> None:
    options = {"devices": two[0], "space": "nasbench201", "plan": QUICK, "resolution": 16}
    (one,) = run(archs=[f" {CELL} "], **options)
    assert one.measurement is not None
    assert one.measurement.subject.name == CELL
    assert one.measurement.subject.inputs[0].shape == (1, 3, 16, 16)
    samples = [
        [o.measurement.subject.name for o in run(sample=2, **options) if o.measurement]
        for _ in range(2)
    ]
    assert len(set(samples[0])) == 2
    assert samples[0] == samples[1]
    (batch,) = run(archs=[CELL], batches=(3,), **options)
    assert batch.measurement is not None
    assert batch.measurement.subject.batch == 3


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({}, "name the models"),
        ({"devices": []}, "no device"),
        ({"models": ["a.onnx"], "space": "nasbench201", "sample": 1}, "either files or"),
        ({"space": "nasbench201"}, "which architectures"),
        ({"space": "nasbench201", "archs": [CELL], "sample": 1}, "which architectures"),
        ({"space": "nasbench201", "archs": CELL}, "in a list"),
        ({"space": "nasbench201", "sample": 0}, "at least 1 architecture"),
        ({"space": "darts", "sample": 1}, "unknown search space"),
        ({"space": "nasbench201", "archs": ["|x|"]}, "nasbench201"),
        ({"space": "nasbench201", "sample": 1, "shapes": {"x": (1,)}}, "are for files"),
        ({"archs": [CELL]}, "name their search space"),
        ({"models": ["a.onnx"], "sample": 3}, "name their search space"),
        ({"models": ["a.onnx"], "resolution": 3}, "name their search space"),
        ({"models": ["a.onnx"], "threads": [0]}, "threads must be at least 1"),
        ({"models": ["a.onnx"], "batches": [0]}, "batches must be at least 1"),
        ({"models": ["a.onnx"], "resume": True}, "name the table"),
        ({"models": ["a.onnx"], "devices": ["cpu", "ort"]}, "asked for twice"),
        ({"models": ["a.onnx"], "devices": ["cpu", "cpu:threads=1"]}, "asked for twice"),
        ({"models": ["a.onnx"], "threads": [2, 2]}, "asked for twice"),
        ({"models": ["a.onnx"], "devices": "cpu:threads=2", "threads": [1]}, "which sets threads"),
        ({"models": ["a.onnx"], "devices": "cpu:warp=9"}, "no option 'warp'"),
    ],
)
def test_what_does_not_fit_together_is_refused_at_once(
    tmp_path: Path, options: dict[str, object], says: str
) -> None:
    if "resume" not in options:
        options = {**options, "table": tmp_path / "t.db"}
    with pytest.raises(OptionError, match=says):
        sweep(**options)  # type: ignore[arg-type]
    assert list(tmp_path.iterdir()) == []


def test_an_unknown_device_is_refused_even_among_others() -> None:
    for devices in ("npu", ["cpu", "npu"]):
        with pytest.raises(DeviceError, match="unknown device 'npu'"):
            sweep("a.onnx", devices)


def test_a_target_of_ones_own_takes_no_threads_and_no_meter(two: list[Recorded]) -> None:
    for options in ({"threads": [1]}, {"meter": "rapl"}):
        with pytest.raises(OptionError, match="brings its own"):
            sweep("a.onnx", two[0], **options)  # type: ignore[arg-type]
    with pytest.raises(OptionError, match="twice"):
        sweep("a.onnx", [two[0], two[0]])


def test_devices_are_called_as_they_were_asked_for() -> None:
    labels = [label for label, _ in targets_of(["cpu", "cpu:opt=none"], [1, 2], None)]
    assert labels == [
        "cpu:threads=1", "cpu:threads=2", "cpu:opt=none,threads=1", "cpu:opt=none,threads=2",
    ]  # fmt: skip
    assert [label for label, _ in targets_of(["cpu"], [2], None)] == ["cpu"]


def test_a_table_that_cannot_be_opened_is_an_error(
    mlp: Path, two: list[Recorded], tmp_path: Path
) -> None:
    with pytest.raises(TableError, match="is a folder"):
        run(mlp, devices=two[0], table=tmp_path)
