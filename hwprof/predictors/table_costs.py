"""What a measurement tells of a metric: value and standard error, or why there is none."""

from __future__ import annotations

from collections.abc import Callable

from hwprof.measurement import Measurement

Told = tuple[float | None, float | None, str]
"""Value and standard error in base units, or why there is no value."""


def _latency(measurement: Measurement) -> Told:
    latency = measurement.latency
    ci95 = latency.ci95_s
    return latency.headline_s, None if ci95 is None else (ci95[1] - ci95[0]) / (2 * 1.96), ""


def _energy(measurement: Measurement) -> Told:
    reading = measurement.energy.reading
    # Gross: what running added is a difference, which may be zero or less.
    if reading is not None:
        return reading.gross_j_per_run, None, ""
    return None, None, measurement.energy.reason or "energy was not measured"


def _peak_memory(measurement: Measurement) -> Told:
    memory = measurement.memory
    if memory.peak_bytes is not None:
        return float(memory.peak_bytes), None, ""
    lacking = "peak_rss_bytes" if memory.peak_rss_bytes is None else "baseline_rss_bytes"
    return None, None, memory.absent.get(lacking) or "memory was not measured"


OF_MEASUREMENT: dict[str, Callable[[Measurement], Told]] = {
    "latency": _latency,
    "energy": _energy,
    "memory": _peak_memory,
    "peak_memory": _peak_memory,
}
