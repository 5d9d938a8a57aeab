"""Tables of made-up measurements of architectures, whose truth is known."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from hwprof import spaces
from hwprof.device_spec import DeviceSpec
from hwprof.graph import TensorSpec
from hwprof.lut import Table
from hwprof.measurement import Energy, EnergyReading, Measurement, Memory, Restart, StopReason
from hwprof.samples import Samples
from hwprof.testing.examples import example_device, example_measurement

SPACE = "mobilenetv3"


def archs(count: int, space: str = SPACE, seed: int = 0) -> list[str]:
    """Different architectures of a space, sorted."""
    known = spaces.get(space)
    drawn = known.texts(known.sample(2 * count, np.random.default_rng(seed)))
    return sorted(dict.fromkeys(drawn))[:count]


def device(name: str = "a", **changes: Any) -> DeviceSpec:
    """A device of that name, on one thread, whose runtime takes models as they are."""
    usual = {"name": name, "precision": "native", "threads": 1, "options": {"spin": "on"}}
    return replace(example_device(), **{**usual, **changes})


def row(
    seed: int,
    arch: str,
    on: DeviceSpec,
    latency_s: float = 0.01,
    *,
    side: int | None = None,
    batch: int = 1,
    peak: int | None = 1000,
    joules: tuple[float, float] | None = None,
    **changes: Any,
) -> Measurement:
    """One measurement. `joules` are gross and idle of one run; `side` is the architecture's own."""
    own = spaces.get(SPACE).resolution(arch) if side is None else side
    image = TensorSpec("image", "float32", (batch, 3, own, own))
    one = example_measurement(seed)
    reading = None
    if joules is not None:
        reading = EnergyReading("rapl", "package", 10, 2.0, 10 * joules[0], 2.0, 10 * joules[1], 1)
    return replace(
        one,
        **{
            "subject": replace(one.subject, name=arch, inputs=(image,), batch=batch, values=()),
            "device": on,
            "restarts": tuple(restart(latency_s) for _ in range(2)),
            "memory": Memory(5000, None if peak is None else 5000 + peak),
            "energy": Energy(reading, "" if reading else "there is no sensor"),
            "source": "measured",
            "warnings": (),
            "tags": (),
            **changes,
        },
    )


def restart(latency_s: float) -> Restart:
    """A process in which every run took as long."""
    steady = Samples(np.full(9, latency_s))
    return Restart(0.1, latency_s, Samples(np.zeros(0)), steady, StopReason.PRECISION)


def written(path: Path, rows: Iterable[Measurement]) -> Path:
    """A table of these rows."""
    with Table.open(path) as table, table.transaction():
        for each in rows:
            table.add(each)
    return path


def costs(names: list[str], devices: int, seed: int = 0, noise: float = 0.01) -> np.ndarray:
    """Seconds `[n, m]`: what idealised machines take, each in a share of the device's own."""
    rng = np.random.default_rng(seed)
    machines = spaces.get(SPACE).analytic(names)
    machines = machines / machines.mean(axis=0)
    shares = rng.dirichlet(np.ones(machines.shape[1]), devices).T
    scatter = np.exp(noise * rng.standard_normal((len(names), devices)))
    return 0.01 * (machines @ shares) * rng.uniform(0.5, 2, devices) * scatter


def full_table(path: Path, count: int, names: str = "abcde", seed: int = 0) -> Path:
    """Every device has measured every architecture."""
    known = archs(count)
    seconds = costs(known, len(names), seed)
    return written(
        path,
        (
            row(1000 * j + i, arch, device(name), float(seconds[i, j]))
            for j, name in enumerate(names)
            for i, arch in enumerate(known)
        ),
    )
