"""One dataclass per SQL table, and the statements that write and read them.

Fields carry the columns' names, so that a row read from a file is checked against their types.
"""

from __future__ import annotations

import json
import zlib
from dataclasses import dataclass, fields
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from hwprof.codec import CodecError, from_builtins, to_builtins
from hwprof.samples import FloatArray, IntArray

T = TypeVar("T")

MAX_ELEMENTS = 2**25
"""Of all arrays of a measurement, far above any: one that promises more is damaged."""


@dataclass(frozen=True, slots=True)
class DeviceRow:
    fingerprint: str
    slug: str
    name: str
    spec: str


@dataclass(frozen=True, slots=True)
class MeasurementRow:
    id: str
    run_id: str
    created_at: str
    subject_name: str
    subject_key: str
    sha256: str
    batch: int | None
    device_fingerprint: str
    source: str
    plan: str
    document: str


@dataclass(frozen=True, slots=True)
class RestartRow:
    measurement_id: str
    position: int
    setup_s: float
    first_run_s: float
    stop: str
    started_at: str
    steady_n: int
    steady_loops: int
    steady_wall: bytes
    steady_cpu: bytes | None
    steady_switches: bytes | None
    steady_busy: bytes | None
    steady_waited: bytes | None
    warmup_n: int
    warmup_loops: int
    warmup_wall: bytes
    warmup_cpu: bytes | None
    warmup_switches: bytes | None
    warmup_busy: bytes | None
    warmup_waited: bytes | None


@dataclass(frozen=True, slots=True)
class ProfileRow:
    measurement_id: str
    runs: int
    run_wall: bytes
    run_switches: bytes | None
    run_cpu: bytes | None
    run_waited: bytes | None
    node_cost_s: float | None
    node_cost_source: str
    uncovered: str
    node_cost_reason: str
    mapping: str
    never_ran: str
    pass_cost_s: float | None


@dataclass(frozen=True, slots=True)
class KernelRow:
    id: str
    key_hash: str
    key: str
    domain: str
    op: str
    attributes: str
    inputs: str
    outputs: str


@dataclass(frozen=True, slots=True)
class OccurrenceRow:
    measurement_id: str
    position: int
    name: str
    kernel_id: str
    provider: str
    input_names: str
    output_names: str
    source_nodes: str
    calls: int
    durations: bytes
    passes: int


@dataclass(frozen=True, slots=True)
class CalibrationRow:
    device_fingerprint: str
    name: str
    created_at: str
    value: float
    source: str
    legacy_notes: str


def columns(kind: type[Any]) -> str:
    """The columns of a row class, comma-separated, in the order of its fields."""
    return ", ".join(field.name for field in fields(kind))


def insert(table: str, kind: type[Any], *, once: bool = False) -> str:
    """An INSERT with one parameter per field; with `once`, a row already there is left alone."""
    marks = ", ".join("?" for _ in fields(kind))
    tail = " ON CONFLICT DO NOTHING" if once else ""
    # Table and columns are names from this package, never input.
    return f"INSERT INTO {table} ({columns(kind)}) VALUES ({marks}){tail}"  # noqa: S608


def select(table: str, kind: type[Any], tail: str) -> str:
    """A SELECT of the fields of `kind`; `tail` is WHERE and what follows it."""
    return f"SELECT {columns(kind)} FROM {table} {tail}"  # noqa: S608


def arrays(row: RestartRow, phase: str) -> tuple[bytes, ...]:
    """The packed arrays that a phase of a restart has: `steady` or `warmup`."""
    names = [f"{phase}_{name}" for name in ("wall", "cpu", "switches", "busy", "waited")]
    return tuple(blob for blob in (getattr(row, name) for name in names) if blob is not None)


def sound(text: str) -> bool:
    """Whether a text that was read is Unicode: what was not UTF-8 comes back as lone surrogates."""
    if text.isascii():
        return True
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def values(row: Any) -> tuple[Any, ...]:
    """The parameters for `insert`."""
    return tuple(getattr(row, field.name) for field in fields(row))


def typed(row: tuple[Any, ...], kind: type[T]) -> T:
    """Build `kind` from a row that `select` returned. Raises CodecError for a wrong type."""
    names = [field.name for field in fields(kind)]  # type: ignore[arg-type]
    for name, value in zip(names, row, strict=True):
        if isinstance(value, str) and not sound(value):
            raise CodecError(f"{name} is not UTF-8")
    return from_builtins(dict(zip(names, row, strict=True)), kind)


def canonical_json(value: Any) -> str:
    """JSON with sorted keys: equal values give equal text. Raises ValueError for NaN and infinity,
    which JSON cannot hold."""
    return json.dumps(
        to_builtins(value),
        ensure_ascii=False,
        allow_nan=False,
        sort_keys=True,
        separators=(",", ":"),
    )


def pack_floats(array: FloatArray) -> bytes:
    """float64, little-endian, zlib. Raises ValueError for NaN and infinity."""
    if not np.all(np.isfinite(array)):
        raise ValueError("timings must be finite")
    return zlib.compress(array.astype("<f8").tobytes())


def pack_ints(array: IntArray) -> bytes:
    """int64, little-endian, zlib."""
    return zlib.compress(array.astype("<i8").tobytes())


def pack_known(array: FloatArray | None) -> bytes | None:
    """`pack_floats` of a column that not every system has."""
    return None if array is None else pack_floats(array)


def unpack_known(blob: bytes | None, n: int) -> FloatArray | None:
    """What `pack_known` was given. Raises CodecError as `unpack_floats` does."""
    return None if blob is None else unpack_floats(blob, n)


def unpack_floats(blob: bytes, n: int) -> FloatArray:
    """Array of shape `[n]`. Raises CodecError when the blob holds anything else."""
    return _unpack(blob, n, "<f8").astype(np.float64, copy=False)


def unpack_ints(blob: bytes, n: int) -> IntArray:
    """Array of shape `[n]`. Raises CodecError when the blob holds anything else."""
    return _unpack(blob, n, "<i8").astype(np.int64, copy=False)


def _unpack(blob: bytes, n: int, dtype: str) -> NDArray[Any]:
    if not 0 <= n <= MAX_ELEMENTS:
        raise CodecError(f"an array cannot have {n} elements")
    size = n * np.dtype(dtype).itemsize
    # Bounded by what the row promises, so that a small blob cannot fill the memory.
    inflate = zlib.decompressobj()
    try:
        raw = inflate.decompress(blob, size + 1)
    except zlib.error as error:
        raise CodecError(f"an array is damaged ({error})") from error
    if len(raw) != size or not inflate.eof:
        raise CodecError(f"an array is not of the {n} elements that its row promises")
    return np.frombuffer(raw, dtype)
