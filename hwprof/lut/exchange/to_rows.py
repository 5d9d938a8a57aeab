"""The rows that CSV and Parquet share: one per end-to-end latency, kernel, failure, calibration.

Most columns are for the reader and derived; an import takes only the `NEEDED` ones: the arrays as
they were measured and, in `document`, everything else of the record as JSON.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Literal

import numpy as np

from hwprof.codec import to_builtins
from hwprof.lut.entries import BELOW_CLOCK, Calibration
from hwprof.lut.exchange.base import EXCHANGE_VERSION, Record
from hwprof.lut.rows import canonical_json
from hwprof.measurement import Failure, Measurement

Kind = Literal["text", "int", "float", "floats", "ints"]

ARRAYS: Mapping[str, Kind] = {
    "steady_wall_s": "floats",
    "steady_cpu_s": "floats",
    "steady_switches": "ints",
    "steady_busy_s": "floats",
    "steady_waited_s": "floats",
    "warmup_wall_s": "floats",
    "warmup_cpu_s": "floats",
    "warmup_switches": "ints",
    "warmup_busy_s": "floats",
    "warmup_waited_s": "floats",
    "profiled_wall_s": "floats",
    "profiled_switches": "ints",
    "profiled_cpu_s": "floats",
    "profiled_waited_s": "floats",
    "durations_s": "floats",
}
"""Samples, those of all restarts one after the other; then what the profiler gave."""

COLUMNS: Mapping[str, Kind] = {
    "schema_version": "int",
    "record": "text",
    "measurement_id": "text",
    "position": "int",
    "run_id": "text",
    "created_at": "text",
    "subject": "text",
    "subject_key": "text",
    "batch": "int",
    "device": "text",
    "device_fingerprint": "text",
    "source": "text",
    "tags": "text",
    "metric": "text",
    "unit": "text",
    "kernel": "text",
    "op": "text",
    "name": "text",
    "provider": "text",
    "calls": "int",
    "n": "int",
    "clean_share": "float",
    "latency_s": "float",
    "p25_s": "float",
    "median_s": "float",
    "p90_s": "float",
    "p99_s": "float",
    "peak_memory_bytes": "int",
    "energy_gross_j": "float",
    "energy_net_j": "float",
    "value": "float",
    "reason": "text",
    **ARRAYS,
    "document": "text",
}
"""Every column, in order. `latency_s` is the headline of a model, and the latency of a kernel
without the profiler's own cost, all its `calls` in a run together, with the `reason` not to believe
it; percentiles are empty where too few samples support them. Of the energies of one run, gross is
all that the sensor's domain drew, net what running added."""

COUNTERS = {"cpu": "cpu_s", "switches": "switches", "busy": "busy_s", "waited": "waited_s"}
"""Columns of samples that not every system has, by the mark in the document that tells of each."""

PROFILED = {
    "run_wall_s": "profiled_wall_s",
    "run_switches": "profiled_switches",
    "run_cpu_s": "profiled_cpu_s",
    "run_waited_s": "profiled_waited_s",
}
"""Columns of a profile's runs, by the field of the profile."""

_SINCE_3 = (
    *("steady_busy_s", "steady_waited_s", "warmup_busy_s", "warmup_waited_s"),
    *("profiled_cpu_s", "profiled_waited_s"),
)

NEEDED = ("schema_version", "record", "measurement_id", "position", *ARRAYS, "document")
"""What an import takes."""


def needed(version: int) -> tuple[str, ...]:
    """The columns of `NEEDED` that files of a schema version have."""
    return tuple(name for name in NEEDED if version >= 3 or name not in _SINCE_3)


Row = dict[str, Any]
"""Values by column; absent or None where empty."""


def rows_of(record: Record) -> list[Row]:
    """The rows of a record, as mappings from column to value."""
    # Absurd timings, as from an edited file, may overflow: their statistics say inf, no more.
    with np.errstate(all="ignore"):
        return list(_rows_of(record))


def _rows_of(record: Record) -> Iterator[Row]:
    common = {"schema_version": EXCHANGE_VERSION, "created_at": record.created_at}
    match record:
        case Measurement():
            yield from _measurement_rows(record, common)
        case Failure():
            yield common | {
                "record": "failure",
                "run_id": record.run_id,
                "subject": record.subject,
                "device": record.device,
                "reason": record.reason,
                "document": canonical_json(record),
            }
        case Calibration():
            yield common | {
                "record": "calibration",
                "device": record.device.slug,
                "device_fingerprint": record.device.fingerprint,
                "metric": record.name,
                "value": record.value,
                "document": canonical_json(record),
            }


def _measurement_rows(measurement: Measurement, common: Row) -> Iterator[Row]:
    subject, device = measurement.subject, measurement.device
    common = common | {
        "measurement_id": measurement.id,
        "run_id": measurement.run_id,
        "subject": subject.name,
        "subject_key": subject.key,
        "batch": subject.batch,
        "device": device.slug,
        "device_fingerprint": device.fingerprint,
        "source": measurement.source,
        "tags": ",".join(measurement.tags),
        "metric": "latency",
        "unit": "s",
    }
    document = to_builtins(measurement)
    arrays = _take_arrays(document)
    profile = measurement.profile
    occurrences = []
    why = ""
    if profile is not None:
        why = measurement.kernels_reason
        occurrences = document["profile"].pop("occurrences")
        document["profile"]["kernels"] = len(occurrences)
    yield {
        **common,
        "record": "end_to_end",
        "peak_memory_bytes": measurement.memory.peak_bytes,
        **_energy(measurement),
        **_latency(measurement),
        **arrays,
        "document": canonical_json(document),
    }
    for position, content in enumerate(occurrences):
        assert profile is not None
        occurrence = profile.occurrences[position]
        yield {
            **common,
            "record": "kernel",
            "position": position,
            "kernel": occurrence.kernel.key,
            "op": occurrence.kernel.op,
            "name": occurrence.name,
            "provider": occurrence.provider,
            "calls": occurrence.calls,
            "n": int(occurrence.durations_s.size),
            "latency_s": profile.latency_s(occurrence),
            "reason": why or (BELOW_CLOCK if profile.below_clock(occurrence) else None),
            "durations_s": content.pop("durations_s"),
            "document": canonical_json(content),
        }


def _take_arrays(document: dict[str, Any]) -> Row:
    """Move the arrays of a measurement out of its document; counts stay in their place."""
    arrays: Row = {}
    for phase in ("steady", "warmup"):
        for restart in document["restarts"]:
            samples = restart[phase]
            wall = samples.pop("wall_s")
            arrays.setdefault(f"{phase}_wall_s", []).extend(wall)
            samples["n"] = len(wall)
            for mark, column in COUNTERS.items():
                part = samples.pop(column)
                samples[mark] = part is not None
                if part is not None:
                    arrays.setdefault(f"{phase}_{column}", []).extend(part)
    profile = document["profile"]
    if profile is not None:
        arrays |= {column: profile.pop(field) for field, column in PROFILED.items()}
    return arrays


def _latency(measurement: Measurement) -> Row:
    steady = [restart.steady for restart in measurement.restarts]
    if not all(len(part) for part in steady):
        return {"n": sum(len(part) for part in steady)}
    latency = measurement.latency
    return {
        "n": latency.n,
        "clean_share": latency.clean_share,
        "latency_s": latency.headline_s,
        "p25_s": latency.p25_s,
        "median_s": latency.median_s,
        "p90_s": latency.percentiles_s.get(0.9),
        "p99_s": latency.percentiles_s.get(0.99),
    }


def _energy(measurement: Measurement) -> Row:
    reading = measurement.energy.reading
    if reading is None:
        return {}
    return {"energy_gross_j": reading.gross_j_per_run, "energy_net_j": reading.net_j_per_run}
