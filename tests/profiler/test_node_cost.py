"""The profiler's own cost, on a machine where it is known."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest

from hwprof.codec import to_json
from hwprof.devices.base import ProfiledRun
from hwprof.errors import DeviceError
from hwprof.graph import Kernel
from hwprof.machine.host import Pin, snapshot
from hwprof.measurement import Energy
from hwprof.models.base import Model
from hwprof.profile import KernelOccurrence, Profile
from hwprof.profiler.node_cost import KINDS, LENGTHS, PROFILED_RUNS, chain_model, estimate_node_cost
from hwprof.samples import Samples
from hwprof.targets.base import ANYWHERE, Run
from hwprof.targets.local import LocalRun
from hwprof.testing.replay import ReplayDevice, ReplayTarget

KERNEL_S = 2e-6
FIXED_S = 5e-6


class ChainTarget(ReplayTarget):
    """Runs a chain in 5 us + 2 us per kernel; its profiler adds `cost_s` to each kernel."""

    def __init__(self, cost_s: float, profiles: bool = True) -> None:
        self.cost_s = cost_s
        self.profiles = profiles
        self.models: list[str] = []
        super().__init__([ReplayDevice(Samples(np.ones(1)))], snapshot())

    def start(self, model: Model, pin: Pin = ANYWHERE) -> Run:
        self.models.append(model.subject.name)
        length = int(model.subject.name.split("-")[1])
        wall = np.full(64, FIXED_S + KERNEL_S * length)
        kernel = Kernel("", "Sin", {}, (), ())
        durations = np.full(PROFILED_RUNS, KERNEL_S + self.cost_s)
        occurrences = tuple(KernelOccurrence(f"n{i}", kernel, "", durations) for i in range(length))
        profiled = ProfiledRun(Profile(occurrences, np.ones(PROFILED_RUNS)))
        device = ReplayDevice(
            Samples(wall, wall, np.zeros(64, dtype=np.int64)),
            profiled=profiled if self.profiles else None,
        )
        return LocalRun(device.open(model), energy=lambda: Energy(reason="none"))


@pytest.mark.parametrize("cost_s", [1.5e-6, 0.0, -0.4e-6])
def test_the_estimate_is_the_cost_whatever_its_sign(cost_s: float) -> None:
    target = ChainTarget(cost_s)
    estimate = estimate_node_cost(target)
    assert estimate.seconds == pytest.approx(cost_s, abs=1e-12)
    assert sorted(target.models) == sorted(f"{k}-{n}" for k in KINDS for n in LENGTHS)
    assert to_json(estimate)
    assert f"{cost_s * 1e6:.2f} us" in estimate.source


def test_a_kind_that_the_device_refuses_is_left_out() -> None:
    class Picky(ChainTarget):
        def start(self, model: Model, pin: Pin = ANYWHERE) -> Run:
            if model.subject.name.startswith("Sin"):
                raise DeviceError("no kernel for Sin; use another")
            return super().start(model, pin)

    estimate = estimate_node_cost(Picky(1e-6))
    assert [kind for kind, _ in estimate.by_kind] == [kind for kind in KINDS if kind != "Sin"]
    assert estimate.seconds == pytest.approx(1e-6, abs=1e-12)


def test_a_device_without_profile_has_no_estimate() -> None:
    with pytest.raises(DeviceError, match="--no-per-op"):
        estimate_node_cost(ChainTarget(0.0, profiles=False))


# The first 16 digits of the SHA-256 of the chains. What one costs is kept in tables.
STORED = {
    "Sin": ["a825a0fb35e540f5", "7934aa28850b9fef"],
    "MatMul": ["68a21105ab6d5a07", "7a527088356d9a12"],
    "Conv": ["f0d24f9ee8078d19", "66438aad3b285c75"],
}


@pytest.mark.parametrize("kind", KINDS)
def test_chains_are_the_stored_ones(kind: str, tmp_path: Path) -> None:
    found = []
    for length in LENGTHS:
        chain_model(kind, length, tmp_path)
        data = (tmp_path / f"{kind}-{length}.onnx").read_bytes()
        found.append(hashlib.sha256(data).hexdigest()[:16])
    assert found == STORED[kind]
