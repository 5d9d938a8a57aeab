"""What HELP learns from: normalised latencies and episodes of (support, queries) per device.

Shapes: n architectures, m devices, e reference architectures, t devices of an episode.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from hwprof.errors import OptionError
from hwprof.predictors.base import IntArray
from hwprof.predictors.pool import FloatArray

# The published normalisation: latencies between these, over the middle 80 % of the cells.
_LOW, _SPAN = 0.05, 0.9
_TRIM = 0.1
_LEAST_CELLS = 4


@dataclass(frozen=True, slots=True)
class Scale:
    """Maps seconds to HELP's unit and back: `low_s` becomes 0.05 and `high_s` 0.95."""

    low_s: float
    high_s: float

    @property
    def unit_s(self) -> float:
        """Seconds per unit; a device without spread has its own latency as unit."""
        width = self.high_s - self.low_s
        return (width if width > 0 else abs(self.high_s)) / _SPAN

    def to_unit(self, latency_s: FloatArray) -> FloatArray:
        """Seconds to units, any shape."""
        return (latency_s - self.low_s) / self.unit_s + _LOW

    def to_seconds(self, unit: FloatArray) -> FloatArray:
        """Units to seconds, any shape."""
        return (unit - _LOW) * self.unit_s + self.low_s


def embedding(latency_s: FloatArray) -> FloatArray:
    """The hardware embedding: reference latencies `[e]`, seconds, scaled to 0..1."""
    spread = float(np.ptp(latency_s))
    scaled: FloatArray = (latency_s - latency_s.min()) / (spread if spread > 0 else 1.0)
    return scaled


@dataclass(frozen=True, slots=True, eq=False)
class Task:
    """One device to learn from."""

    device: str
    rows: IntArray
    """Measured architectures without the fastest and the slowest tenth, shape `[r]`."""
    unit: FloatArray
    """Their latencies in HELP's unit, shape `[r]`."""
    embedding: FloatArray
    """Shape `[e]`."""
    scale: Scale


def make_task(device: str, latency_s: FloatArray, reference_s: FloatArray) -> Task:
    """A device from its cells `[n]`, NaN where unmeasured, and its reference latencies `[e]`.

    Raises OptionError when fewer than 4 cells are measured.
    """
    rows = np.flatnonzero(~np.isnan(latency_s))
    if len(rows) < _LEAST_CELLS:
        raise OptionError(
            f"device {device!r} has {len(rows)} measured architectures where HELP needs at least "
            f"{_LEAST_CELLS}; measure more or leave the device out"
        )
    kept = np.sort(rows[_middle(latency_s[rows])])
    scale = trimmed(latency_s[rows])
    return Task(device, kept, scale.to_unit(latency_s[kept]), embedding(reference_s), scale)


def trimmed(latency_s: FloatArray) -> Scale:
    """The range of latencies `[r]`, seconds, without the fastest and the slowest tenth."""
    middle = latency_s[_middle(latency_s)]
    return Scale(float(middle.min()), float(middle.max()))


def _middle(latency_s: FloatArray) -> IntArray:
    order = np.argsort(latency_s, kind="stable")
    return order[int(len(order) * _TRIM) : int(len(order) * (1 - _TRIM))]


@dataclass(frozen=True, slots=True, eq=False)
class Episode:
    """Support and queries of t devices: rows `[t, s]`, `[t, q]`; latencies in units likewise."""

    hardware: FloatArray
    support: IntArray
    support_unit: FloatArray
    queries: IntArray
    query_unit: FloatArray


def draw(tasks: tuple[Task, ...], samples: int, queries: int, rng: np.random.Generator) -> Episode:
    """Disjoint random support and queries for each task, as many as the smallest task allows."""
    least = min(len(task.rows) for task in tasks)
    samples = min(samples, least // 2)
    queries = min(queries, least - samples)
    picks = [rng.permutation(len(task.rows))[: samples + queries] for task in tasks]
    rows = np.stack([task.rows[pick] for task, pick in zip(tasks, picks, strict=True)])
    unit = np.stack([task.unit[pick] for task, pick in zip(tasks, picks, strict=True)])
    return Episode(
        np.stack([task.embedding for task in tasks]),
        rows[:, :samples],
        unit[:, :samples],
        rows[:, samples:],
        unit[:, samples:],
    )
