"""The profiler's cost per pass through a loop, on a machine where it is known."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest

from hwprof.codec import to_json
from hwprof.devices.base import ProfiledRun
from hwprof.errors import DeviceError
from hwprof.graph import Kernel
from hwprof.lut import Table
from hwprof.machine.host import Pin, snapshot
from hwprof.measurement import Energy
from hwprof.models.base import Model
from hwprof.profile import KernelOccurrence, Profile
from hwprof.profiler import node_cost
from hwprof.profiler.node_cost import NAME, NodeCostEstimate, NodeCosts
from hwprof.profiler.pass_cost import KINDS, TURNS, estimate_pass_cost, loop_model
from hwprof.profiler.pass_cost import NAME as PASS_NAME
from hwprof.samples import Samples
from hwprof.targets.base import ANYWHERE, Run
from hwprof.targets.local import LocalRun
from hwprof.testing.replay import ReplayDevice, ReplayTarget

RUNS = 20
TURN_S = 9e-6
NODE_COST_S = 2e-6
CALLS = 4


class LoopTarget(ReplayTarget):
    """Runs a loop in 9 us per turn; its profiler adds 2 us per call and `cost_s` per turn."""

    def __init__(self, cost_s: float, refused: str = "", looks_inside: bool = True) -> None:
        self.cost_s = cost_s
        self.refused = refused
        self.looks_inside = looks_inside
        self.models: list[str] = []
        super().__init__([ReplayDevice(Samples(np.ones(1)))], snapshot())

    def start(self, model: Model, pin: Pin = ANYWHERE) -> Run:
        kind, turns = model.subject.name.split("-")
        self.models.append(model.subject.name)
        if self.refused in (kind, "all"):
            raise DeviceError(f"no {kind} here; use another")
        count = int(turns)
        wall = np.full(64, TURN_S * count)
        inner = np.full(RUNS, count * (TURN_S + self.cost_s + CALLS * NODE_COST_S))
        outer = np.full(RUNS, NODE_COST_S)
        kernel = Kernel("", kind, {}, (), ())
        passes = count if self.looks_inside else 0
        occurrences = (
            KernelOccurrence("loop", kernel, "", outer, passes=passes),
            KernelOccurrence("loop/all", kernel, "", inner, calls=CALLS * count),
        )
        device = ReplayDevice(
            Samples(wall, wall, np.zeros(64, dtype=np.int64)),
            profiled=ProfiledRun(Profile(occurrences, np.ones(RUNS))),
        )
        return LocalRun(device.open(model), energy=lambda: Energy(reason="none"))


@pytest.mark.parametrize("cost_s", [1.5e-6, 0.0, -0.4e-6])
def test_the_estimate_is_the_cost_whatever_its_sign(cost_s: float) -> None:
    target = LoopTarget(cost_s)
    estimate = estimate_pass_cost(target, NODE_COST_S)
    assert estimate.seconds == pytest.approx(cost_s, abs=1e-12)
    assert sorted(target.models) == sorted(f"{k}-{n}" for k in KINDS for n in TURNS)
    assert to_json(estimate)
    assert f"Scan {cost_s * 1e6:.2f} us" in estimate.source


def test_a_kind_that_the_device_refuses_is_left_out() -> None:
    estimate = estimate_pass_cost(LoopTarget(1e-6, refused="Scan"), NODE_COST_S)
    assert [kind for kind, _ in estimate.by_kind] == ["Loop"]


@pytest.mark.parametrize(
    "target", [LoopTarget(0.0, refused="all"), LoopTarget(0.0, looks_inside=False)]
)
def test_without_loops_there_is_no_estimate(target: LoopTarget) -> None:
    with pytest.raises(DeviceError, match="--no-per-op"):
        estimate_pass_cost(target, NODE_COST_S)


@pytest.mark.parametrize("kind", KINDS)
def test_loops_are_valid_models_and_the_same_every_time(kind: str, tmp_path: Path) -> None:
    first, again = (loop_model(kind, 20, tmp_path).path.read_bytes() for _ in range(2))
    assert first == again
    onnx.checker.check_model(onnx.load_from_string(first), full_check=True)


def test_both_costs_are_kept_in_the_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = NodeCostEstimate(NODE_COST_S, (("Sin", NODE_COST_S),))
    monkeypatch.setattr(node_cost, "estimate_node_cost", lambda target: made)
    monkeypatch.setattr(NodeCosts, "_known", {})
    target = LoopTarget(1e-6)
    with Table.open(tmp_path / "t.db") as table:
        costs = NodeCosts(table).of(target)
        assert costs.per_pass()[0] == pytest.approx(1e-6, abs=1e-12)
        assert costs() == costs.per_kernel() == (NODE_COST_S, made.source)
        kept = {c.name: c.value for c in table.calibrations()}
        assert kept[NAME] == NODE_COST_S
        assert kept[PASS_NAME] == costs.per_pass()[0]
        # Another process finds them there.
        monkeypatch.setattr(NodeCosts, "_known", {})
        starts = len(target.models)
        assert NodeCosts(table).of(target).per_pass()[0] == kept[PASS_NAME]
        assert len(target.models) == starts
