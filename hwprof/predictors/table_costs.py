"""What a measurement tells of a metric: value and standard error, or why there is none."""

from __future__ import annotations

from collections.abc import Callable

from hwprof.measurement import Measurement

Told = tuple[float | None, float | None, str]
"""Value and standard error in base units, or why there is no value."""


def _latency(measurement: Measurement) -> Told:
    if not all(len(restart.steady) for restart in measurement.restarts):
        return None, None, "it holds no timed runs"
    latency = measurement.latency
    ci95 = latency.ci95_s
    return latency.headline_s, None if ci95 is None else (ci95[1] - ci95[0]) / (2 * 1.96), ""


def _energy_gross(measurement: Measurement) -> Told:
    reading = measurement.energy.reading
    if reading is not None:
        return reading.gross_j_per_run, None, ""
    return None, None, measurement.energy.reason or "energy was not measured"


def _energy_net(measurement: Measurement) -> Told:
    reading = measurement.energy.reading
    if reading is None:
        return _energy_gross(measurement)
    # A difference of two readings: one that is lost in their noise is no cost of the model.
    if reading.net_j_per_run <= 0:
        return None, None, "running took no more energy than idling: its net energy is not positive"
    return reading.net_j_per_run, None, ""


def _peak_memory(measurement: Measurement) -> Told:
    memory = measurement.memory
    if memory.peak_bytes is not None:
        return float(memory.peak_bytes), None, ""
    lacking = "peak_rss_bytes" if memory.peak_rss_bytes is None else "baseline_rss_bytes"
    return None, None, memory.absent.get(lacking) or "memory was not measured"


OF_MEASUREMENT: dict[str, Callable[[Measurement], Told]] = {
    "latency": _latency,
    "energy": _energy_gross,
    "energy_gross": _energy_gross,
    "energy_net": _energy_net,
    "memory": _peak_memory,
    "peak_memory": _peak_memory,
}
