"""JSON lines: one record a line, in a fixed order with sorted keys, for diffs and for eyes.

The first line is a header. A device has a line of its own before the first record that names its
fingerprint. The last line says that it is the last, so that a cut file is noticed; lines before it
may be filtered out by hand. Every other line is a measurement with all its samples, a failure or a
calibration.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any, BinaryIO

from hwprof.codec import CodecError, from_builtins, from_json, to_builtins
from hwprof.device_spec import DeviceSpec
from hwprof.lut.entries import Calibration
from hwprof.lut.exchange.base import (
    FORMAT_NAME,
    Format,
    Located,
    Record,
    bad_record,
    check_version,
    cut_off,
    header,
    not_ours,
)
from hwprof.lut.rows import canonical_json
from hwprof.lut.version_1 import lift_calibration, lift_measurement
from hwprof.measurement import Failure, Measurement

# The header is short: a longer first line is some other file, perhaps a huge one.
_HEADER_BYTES = 4096
# A thousand times a usual measurement; and a device, whose line is read again for each of its own.
_LINE_BYTES = 64 << 20
_DEVICE_BYTES = 1 << 16
_KIND_LETTERS = 20


@dataclass(frozen=True, slots=True)
class _Header:
    format: str
    schema_version: int


@dataclass(frozen=True, slots=True)
class _Line:
    """`record` names the one field among the last five that is filled; a header has none."""

    record: str = ""
    format: str = ""
    schema_version: int = 0
    device_fingerprint: str = ""
    device: dict[str, Any] | None = None
    measurement: dict[str, Any] | None = None
    failure: dict[str, Any] | None = None
    calibration: dict[str, Any] | None = None
    records: int | None = None


def write(records: Iterable[Record], stream: BinaryIO) -> None:
    """Header, then one line per record, each device before its first use."""
    _put(stream, header())
    told: set[str] = set()
    written = 0
    for written, record in enumerate(records, 1):  # noqa: B007 - written after the loop
        if isinstance(record, Failure):
            _put(stream, {"record": "failure", "failure": record})
            continue
        device = record.device
        fingerprint = device.fingerprint
        if fingerprint not in told:
            told.add(fingerprint)
            _put(stream, {"record": "device", "device_fingerprint": fingerprint, "device": device})
        kind = "measurement" if isinstance(record, Measurement) else "calibration"
        content = to_builtins(record)
        del content["device"]
        _put(stream, {"record": kind, "device_fingerprint": fingerprint, kind: content})
    _put(stream, {"record": "end", "records": written})


def read(path: Path) -> Iterator[Located]:
    """The records of a file. Raises TableError naming the line that does not fit."""
    with path.open("rb") as stream:
        version = _check_header(stream.readline(_HEADER_BYTES), path)
        devices: dict[str, dict[str, Any]] = {}
        seen, ended = 0, False
        for number in count(2):
            line = stream.readline(_LINE_BYTES + 1)
            if not line:
                break
            if not line.strip():
                continue
            where = f"line {number}"
            kind = "record"
            try:
                if len(line) > _LINE_BYTES:
                    raise CodecError(f"it is longer than {_LINE_BYTES >> 20} MiB")
                parts = from_json(line, _Line)
                if parts.format == FORMAT_NAME:
                    # Files that were joined by `cat` have a header each.
                    check_version(parts.schema_version, path)
                    if seen and not ended:
                        raise cut_off(path, f"a new header at {where}, but no end before it")
                    version = parts.schema_version
                    seen, ended = 0, False
                    continue
                if parts.record == "end":
                    ended = True
                    continue
                kind = parts.record[:_KIND_LETTERS] or "record"
                if kind == "device" and len(line) > _DEVICE_BYTES:
                    raise CodecError(f"it is longer than {_DEVICE_BYTES >> 10} KiB")
                record = _record(parts, devices, version)
            except ValueError as error:  # CodecError and what the dataclasses themselves refuse
                raise bad_record(path, f"{where}, {kind}", error) from error
            if record is not None:
                seen += 1
                yield Located(where, record)
        if not ended:
            raise cut_off(path, f"its last line is missing after {seen} records")


def _put(stream: BinaryIO, content: dict[str, Any]) -> None:
    stream.write(canonical_json(content).encode() + b"\n")


def _check_header(line: bytes, path: Path) -> int:
    """The file's schema version. Raises TableError for the first line of any other file."""
    try:
        found = from_json(line, _Header)
    except CodecError as error:
        raise not_ours(path, "its first line is not the header") from error
    if found.format != FORMAT_NAME:
        raise not_ours(path, f"its format is '{found.format}'")
    check_version(found.schema_version, path)
    return found.schema_version


def _record(line: _Line, devices: dict[str, dict[str, Any]], version: int) -> Record | None:
    match line:
        case _Line(record="device", device=dict() as content):
            spec = from_builtins(content, DeviceSpec)
            if spec.fingerprint != line.device_fingerprint:
                raise CodecError(
                    f"the device's fingerprint is {spec.fingerprint}, not {line.device_fingerprint}"
                )
            devices[spec.fingerprint] = content
            return None
        case _Line(record="failure", failure=dict() as content):
            return from_builtins(content, Failure)
        case _Line(record="measurement", measurement=dict() as content):
            content = lift_measurement(content) if version < 2 else content
            return from_builtins(content | _device(line, devices), Measurement)
        case _Line(record="calibration", calibration=dict() as content):
            content = lift_calibration(content) if version < 2 else content
            return from_builtins(content | _device(line, devices), Calibration)
        case _:
            raise CodecError("this version knows no such record")


def _device(line: _Line, devices: dict[str, dict[str, Any]]) -> dict[str, Any]:
    if line.device_fingerprint not in devices:
        raise CodecError(f"no line before it holds the device {line.device_fingerprint}")
    return {"device": devices[line.device_fingerprint]}


FORMAT = Format("jsonl", (".jsonl", ".ndjson"), write, read)
