"""Tables of architectures on a made-up device, of which every layer's cost is known."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest

from hwprof import spaces
from hwprof.graph import Kernel, TensorSpec
from hwprof.lut import Table
from hwprof.measurement import Measurement, Subject
from hwprof.profile import KernelOccurrence, Profile
from hwprof.search.layers.fitting import kernel_sums
from tests.cli.conftest import hwprof  # noqa: F401 - a fixture for the command
from tests.profiler.results import result

NODE_COST_S = 2e-6
# Seconds of a unit of each work are drawn around these; every call takes the constant.
CONSTANT_S, SCALE = 5e-5, 1.1
SIDES = {"fbnet": 32, "nasbench201": 32, "transformer": 30, "gpt": 128}


@dataclass(frozen=True)
class Truth:
    """What everything costs on the device."""

    space: str
    values: tuple[np.ndarray, ...]
    """Seconds of the kernels of each part, by choices."""

    def kernels_s(self, rows: np.ndarray) -> np.ndarray:
        return kernel_sums(self.values, spaces.get(self.space).part_works, rows)

    def latency_s(self, rows: np.ndarray) -> np.ndarray:
        return SCALE * self.kernels_s(rows) + CONSTANT_S


def truth(name: str, spread: float = 0.2, seed: int = 0) -> Truth:
    """Costs that are work, but for a factor of each layer and of each choice in it."""
    rng, values = np.random.default_rng(seed), []
    parts = spaces.get(name).part_works
    unit = np.mean([part.work.reshape(-1, part.work.shape[-1]).mean(axis=0) for part in parts], 0)
    each = np.where(unit > 0, 1e-4 * rng.dirichlet(np.ones(len(unit))) / np.maximum(unit, 1), 0)
    for part in parts:
        cost = part.work @ each
        for axis in range(cost.ndim):
            shape = [1] * cost.ndim
            shape[axis] = cost.shape[axis]
            cost = cost * np.exp(spread * rng.standard_normal(shape))
        values.append(cost)
    return Truth(name, tuple(values))


def measured(known: Truth, row: np.ndarray, number: int, speed: float = 1.0) -> Measurement:
    """A measurement of an architecture with its kernels, on a machine of that speed."""
    space = spaces.get(known.space)
    arch = space.texts(row[None])[0]
    side = SIDES.get(known.space) or space.resolution(arch)
    occurrences = []
    for i, (part, values) in enumerate(zip(space.part_works, known.values, strict=True)):
        took = float(values[tuple(row[list(part.positions)])]) * speed
        if took == 0:
            continue
        scope = part.layer or "head"
        if known.space == "fbnet" and part.layer:  # numbered through in built models
            scope = f"layer{part.positions[0] + 1}"
        node = f"stage1.cell1.{scope}.Conv_{i}" if "edge" in scope else f"{scope}.Conv_{i}"
        # A layer is two kernels, the second a change of layout that covers no node.
        for share, nodes in ((0.75, (node,)), (0.25, ())):
            seconds = np.full(4, share * took + NODE_COST_S)
            kernel = Kernel("", "Conv", {}, (), ())
            name = f"{node}.{len(occurrences)}"
            occurrences.append(KernelOccurrence(name, kernel, "CPU", seconds, nodes))
    profile = Profile(tuple(occurrences), np.full(4, 1.0), node_cost_s=NODE_COST_S)
    inputs = (TensorSpec("image", "float32", (1, 3, side, side)),)
    if known.space in ("transformer", "gpt"):
        inputs = (TensorSpec("tokens", "int64", (1, side)),)
    made = result(level_s=float(known.latency_s(row[None])[0]) * speed)
    return replace(
        made,
        id=f"{number:032x}",
        subject=Subject(arch, f"{number:064x}", inputs, 1),
        profile=profile,
    )


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    """Write a table of measurements."""

    def table(measurements: list[Measurement], name: str = "kernels.db") -> Path:
        with Table.open(tmp_path / name) as opened:
            for each in measurements:
                opened.add(each)
        return tmp_path / name

    return table


@pytest.fixture
def filled(write: Callable[..., Path]) -> Callable[..., tuple[Truth, Path, np.ndarray]]:
    """A table of random architectures, what they cost, and which they are."""

    def make(name: str, count: int = 40, speeds: bool = False) -> tuple[Truth, Path, np.ndarray]:
        known, rng = truth(name), np.random.default_rng(1)
        rows = np.unique(spaces.get(name).sample(count, rng), axis=0)
        speed = np.exp(0.1 * rng.standard_normal(len(rows))) if speeds else np.ones(len(rows))
        made = [
            measured(known, row, i, s) for i, (row, s) in enumerate(zip(rows, speed, strict=True))
        ]
        return known, write(made), rows

    return make
