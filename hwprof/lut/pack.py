"""Measurements to rows and back, without a database: what is packed unpacks to an equal value."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime

from hwprof.codec import CodecError, from_json
from hwprof.device_spec import DeviceSpec
from hwprof.errors import TableError
from hwprof.graph import TensorSpec
from hwprof.lut import rows
from hwprof.lut.entries import Calibration
from hwprof.lut.pack_profile import PackedProfile, pack_profile, unpack_profile
from hwprof.lut.plausible import check_constant, check_measurement
from hwprof.lut.rows import canonical_json
from hwprof.measurement import (
    Energy,
    Failure,
    Measurement,
    MeasurementWarning,
    Memory,
    PlanValue,
    Provenance,
    Restart,
    StopReason,
    Subject,
    Values,
)
from hwprof.samples import Samples

SOURCES = ("measured", "imported", "interpolated", "predicted")

# One spelling, so that text order is time order.
_UTC_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|\+00:00)?", re.ASCII)

# A device is said in some kilobytes, and its text is read again for each of its measurements.
_LONGEST_SPEC = 1 << 16
_LONGEST_NAME = 200
# Timings take several bytes each, packed. What is a thousand times as long unpacked is no timing.
_FREE_ELEMENTS = 1 << 16
_ELEMENTS_PER_BYTE = 16


@dataclass(frozen=True, slots=True)
class Packed:
    """All rows of one measurement."""

    device: rows.DeviceRow
    measurement: rows.MeasurementRow
    restarts: tuple[rows.RestartRow, ...]
    profile: PackedProfile | None

    def rows(self) -> Iterator[object]:
        yield from (self.device, self.measurement, *self.restarts)
        if self.profile is not None:
            yield from (self.profile.runs, *self.profile.occurrences, *self.profile.kernels)


@dataclass(frozen=True, slots=True)
class _Document:
    """The parts of a measurement that nobody filters by."""

    inputs: tuple[TensorSpec, ...]
    memory: Memory
    energy: Energy
    provenance: Provenance
    warnings: tuple[MeasurementWarning, ...]
    profile_reason: str
    values: tuple[Values, ...] = ()
    tags: tuple[str, ...] = ()


def pack(measurement: Measurement) -> Packed:
    """The rows of a measurement.

    Raises TableError when it holds a value that would not come back as it went in (NaN, text that
    is not Unicode, a list in place of a tuple): found now rather than when it is read.
    """
    with _storable(f"measurement {measurement.id!r}"):
        check_identity(measurement.id, measurement.created_at)
        if measurement.source not in SOURCES:
            raise ValueError(f"source '{measurement.source}' is none of {', '.join(SOURCES)}")
        packed = _pack(measurement)
        for row in packed.rows():
            check_text(row)
        if unpack(packed) != measurement:
            raise ValueError("one of its values has a type that is not the declared one")
        return packed


def unpack(packed: Packed) -> Measurement:
    """The measurement that `pack` was given. Raises CodecError or ValueError for damaged rows.

    Whatever it gives can be worked with: see `plausible`. What rows promise is checked before it is
    unpacked.
    """
    row = packed.measurement
    check_identity(row.id, row.created_at)
    if row.source not in SOURCES:
        raise CodecError(f"source '{row.source}' is none of {', '.join(SOURCES)}")
    _check_sizes(packed)
    document = from_json(row.document, _Document)
    subject = Subject(row.subject_name, row.sha256, document.inputs, row.batch, document.values)
    if subject.key != row.subject_key:
        raise CodecError(f"the subject's key is {subject.key}, not {row.subject_key}")
    measurement = Measurement(
        id=row.id,
        run_id=row.run_id,
        created_at=row.created_at,
        subject=subject,
        device=from_json(packed.device.spec, DeviceSpec),
        plan=unpack_plan(row.plan),
        restarts=tuple(_unpack_restart(r) for r in packed.restarts),
        memory=document.memory,
        energy=document.energy,
        provenance=document.provenance,
        warnings=document.warnings,
        profile=None if packed.profile is None else unpack_profile(packed.profile),
        source=row.source,
        profile_reason=document.profile_reason,
        tags=document.tags,
    )
    check_measurement(measurement)
    return measurement


def pack_device(device: DeviceSpec) -> rows.DeviceRow:
    return rows.DeviceRow(device.fingerprint, device.slug, device.name, canonical_json(device))


def unpack_plan(text: str) -> Mapping[str, PlanValue]:
    return from_json(text, dict[str, PlanValue])


def pack_calibration(calibration: Calibration) -> tuple[rows.DeviceRow, rows.CalibrationRow]:
    """Raises TableError when the calibration cannot be stored."""
    with _storable(f"calibration {calibration.name!r}"):
        check_identity(calibration.name, calibration.created_at)
        check_constant(calibration.value)
        device = pack_device(calibration.device)
        row = rows.CalibrationRow(
            device.fingerprint,
            calibration.name,
            calibration.created_at,
            calibration.value,
            calibration.source,
            canonical_json(calibration.legacy_notes),
        )
        check_text(row)
        check_text(device)
        _check_types(calibration, Calibration)
        return device, row


def check_failure(failure: Failure) -> None:
    """Raises TableError when the failure cannot be stored."""
    with _storable(f"failure {failure.id!r}"):
        check_identity(failure.id, failure.created_at)
        check_text(failure)
        _check_types(failure, Failure)


def check_identity(identity: str, created_at: str) -> None:
    """Raises ValueError for an id that cannot be typed or a time that is not UTC in ISO 8601."""
    if not 0 < len(identity) <= _LONGEST_NAME or not identity.isprintable():
        raise ValueError(
            "its id or name must be printable, not empty and not of hundreds of letters"
        )
    if not _UTC_TIME.fullmatch(created_at):
        raise ValueError(f"created_at must be like 2025-01-31T09:30:00Z, got '{created_at}'")
    datetime.fromisoformat(created_at)


def check_text(row: object) -> None:
    """Raises ValueError (UnicodeEncodeError) for text that is not Unicode, as from a file name."""
    for value in rows.values(row):
        if isinstance(value, str):
            value.encode()


@contextmanager
def _storable(what: str) -> Iterator[None]:
    try:
        yield
    except (ValueError, TypeError, OverflowError) as error:
        raise TableError(
            f"{what} cannot be stored because {error}: correct that value and add it again"
        ) from error


def _check_sizes(packed: Packed) -> None:
    if len(packed.device.spec) > _LONGEST_SPEC:
        raise CodecError("the text of its device is longer than any")
    elements = size = 0
    for restart in packed.restarts:
        for n, arrays in (
            (restart.steady_n, rows.arrays(restart, "steady")),
            (restart.warmup_n, rows.arrays(restart, "warmup")),
        ):
            elements += max(n, 0) * len(arrays)
            size += sum(map(len, arrays))
    if elements > min(rows.MAX_ELEMENTS, _FREE_ELEMENTS + _ELEMENTS_PER_BYTE * size):
        raise CodecError(f"it promises {elements} timings in {size} bytes")


def _check_types(value: object, kind: type[object]) -> None:
    if from_json(canonical_json(value), kind) != value:
        raise ValueError("one of its values has a type that is not the declared one")


def _pack(measurement: Measurement) -> Packed:
    subject = measurement.subject
    document = _Document(
        subject.inputs,
        measurement.memory,
        measurement.energy,
        measurement.provenance,
        measurement.warnings,
        measurement.profile_reason,
        subject.values,
        measurement.tags,
    )
    row = rows.MeasurementRow(
        id=measurement.id,
        run_id=measurement.run_id,
        created_at=measurement.created_at,
        subject_name=subject.name,
        subject_key=subject.key,
        sha256=subject.sha256,
        batch=subject.batch,
        device_fingerprint=measurement.device.fingerprint,
        source=measurement.source,
        plan=canonical_json(measurement.plan),
        document=canonical_json(document),
    )
    restarts = tuple(_pack_restart(row.id, i, r) for i, r in enumerate(measurement.restarts))
    profile = measurement.profile
    return Packed(
        pack_device(measurement.device),
        row,
        restarts,
        None if profile is None else pack_profile(row.id, profile),
    )


def _pack_restart(measurement_id: str, position: int, restart: Restart) -> rows.RestartRow:
    steady, warmup = restart.steady, restart.warmup
    return rows.RestartRow(
        measurement_id=measurement_id,
        position=position,
        setup_s=restart.setup_s,
        first_run_s=restart.first_run_s,
        stop=restart.stop.value,
        started_at=restart.started_at,
        steady_n=len(steady),
        steady_loops=steady.loops,
        steady_wall=rows.pack_floats(steady.wall_s),
        steady_cpu=rows.pack_known(steady.cpu_s),
        steady_switches=None if steady.switches is None else rows.pack_ints(steady.switches),
        steady_busy=rows.pack_known(steady.busy_s),
        steady_waited=rows.pack_known(steady.waited_s),
        warmup_n=len(warmup),
        warmup_loops=warmup.loops,
        warmup_wall=rows.pack_floats(warmup.wall_s),
        warmup_cpu=rows.pack_known(warmup.cpu_s),
        warmup_switches=None if warmup.switches is None else rows.pack_ints(warmup.switches),
        warmup_busy=rows.pack_known(warmup.busy_s),
        warmup_waited=rows.pack_known(warmup.waited_s),
    )


def _unpack_restart(row: rows.RestartRow) -> Restart:
    steady, warmup = (
        Samples(
            rows.unpack_floats(wall, n),
            rows.unpack_known(cpu, n),
            None if switches is None else rows.unpack_ints(switches, n),
            loops,
            rows.unpack_known(busy, n),
            rows.unpack_known(waited, n),
        )
        for n, loops, wall, cpu, switches, busy, waited in (
            (
                row.steady_n,
                row.steady_loops,
                row.steady_wall,
                row.steady_cpu,
                row.steady_switches,
                row.steady_busy,
                row.steady_waited,
            ),
            (
                row.warmup_n,
                row.warmup_loops,
                row.warmup_wall,
                row.warmup_cpu,
                row.warmup_switches,
                row.warmup_busy,
                row.warmup_waited,
            ),
        )
    )
    return Restart(
        setup_s=row.setup_s,
        first_run_s=row.first_run_s,
        warmup=warmup,
        steady=steady,
        stop=StopReason(row.stop),
        started_at=row.started_at,
    )
