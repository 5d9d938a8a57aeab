"""Results whose every fact is chosen, to be compared and judged."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from hwprof.device_spec import DeviceSpec
from hwprof.graph import TensorSpec
from hwprof.measurement import (
    Energy,
    Measurement,
    MeasurementWarning,
    Memory,
    Provenance,
    Restart,
    StopReason,
    Subject,
    WarningCode,
)
from hwprof.samples import Samples
from hwprof.testing.examples import example_device

SUBJECT = Subject("net", "1" * 64, (TensorSpec("x", "float32", (1, 3, 8, 8)),), 1)
OTHER = replace(SUBJECT, name="other", sha256="2" * 64)


def device(threads: int = 1, **changes: Any) -> DeviceSpec:
    """A processor with ONNX Runtime."""
    return replace(example_device(threads - 1), **changes)


def timings(level_s: float, basis: str = "wall, clean", n: int = 64) -> Samples:
    """Runs that all take as long, of which nothing, everything or nobody knows was interrupted."""
    cpu_s = np.full(n, level_s)
    switches = np.full(n, basis != "wall, clean", dtype=np.int64)
    if basis == "wall, all":
        return Samples(cpu_s)
    return Samples(cpu_s if basis == "wall, clean" else 2 * cpu_s, cpu_s, switches)


def result(
    identity: str = "a",
    level_s: float = 3e-3,
    *,
    basis: str = "wall, clean",
    restarts: int = 3,
    warned: tuple[WarningCode, ...] = (),
    busy_beside: float | None = None,
    n: int = 64,
    **changes: Any,
) -> Measurement:
    """A quiet result on one thread, unless something else is said."""
    part = timings(level_s, basis, n)
    measurement = Measurement(
        id=identity * 32,
        run_id="run",
        created_at="2026-01-01T00:00:00Z",
        subject=SUBJECT,
        device=device(),
        plan={"kind": "hot"},
        restarts=(Restart(0.1, level_s, part, part, StopReason.PRECISION),) * restarts,
        memory=Memory(absent={"peak_rss_bytes": "not read"}),
        energy=Energy(reason="no sensor"),
        provenance=Provenance("1", "3.11", "6.1", pinned=True, busy_beside=busy_beside),
        warnings=tuple(MeasurementWarning(code, "it was so") for code in warned),
    )
    return replace(measurement, **changes)
