"""Tables of measured cells."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from hwprof import spaces
from hwprof.graph import TensorSpec
from hwprof.lut import Table
from hwprof.measurement import Measurement, Subject
from hwprof.testing.examples import example_device, example_measurement

CELLS = spaces.get("nasbench201")
TEXTS = tuple(
    CELLS.texts(
        [[0] * 6, [1] * 6, [2] * 6, [3] * 6, [4] * 6, [3, 0, 0, 0, 0, 3], [2, 1, 2, 1, 2, 1]]
    )
)


def measured(
    seed: int,
    text: str,
    *,
    batch: int = 1,
    side: int = 32,
    threads: int = 1,
    source: str = "measured",
) -> Measurement:
    """One of a made-up latency."""
    inputs = (TensorSpec("image", "float32", (batch, 3, side, side)),)
    subject = Subject(text, f"{seed:064x}", inputs, batch)
    device = replace(example_device(0), threads=threads)
    return replace(example_measurement(seed), subject=subject, device=device, source=source)


def filled(path: Path, *measurements: Measurement) -> Table:
    table = Table.open(path)
    for measurement in measurements:
        table.add(measurement)
    return table
