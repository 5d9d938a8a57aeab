"""Rows of CSV or Parquet back to records."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hwprof.codec import CodecError, from_builtins, from_json
from hwprof.lut.entries import Calibration
from hwprof.lut.exchange.base import Located, Record, bad_record, check_version
from hwprof.lut.exchange.to_rows import COUNTERS, PROFILED, Row, needed
from hwprof.lut.version_1 import lift_calibration, lift_measurement
from hwprof.measurement import Failure, Measurement


@dataclass(frozen=True, slots=True)
class _Counted:
    """Stands in a document where Samples stood, whose arrays went to columns."""

    n: int
    cpu: bool
    switches: bool
    loops: int
    busy: bool = False
    waited: bool = False

    def has(self, mark: str) -> bool:
        """Whether the samples have the column that `mark` stands for in `COUNTERS`."""
        return bool(getattr(self, mark))


@dataclass(frozen=True, slots=True)
class _Skeleton:
    """The parts of a document that say how the columns fit in."""

    id: str
    restarts: list[dict[str, Any]]
    profile: dict[str, Any] | None


_Kernels = dict[str, dict[int, dict[str, Any]]]
"""Documents of kernels, durations put back, by measurement and position."""


def records_of(rows: Iterable[tuple[str, Row]], path: Path) -> Iterator[Located]:
    """The records that rows (each with its place) hold, the rows being in any order.

    Raises TableError naming the first row that does not fit, or that lacks its counterpart: a
    measurement without all of its kernels, a kernel without its measurement.
    """
    heads: list[tuple[str, Row]] = []
    kernels: _Kernels = {}
    places: dict[str, str] = {}
    for where, row in rows:
        kind = row["record"]
        with _placed(path, where, kind):
            for column in ("schema_version", "document"):
                if not row[column]:
                    raise CodecError(f"its {column} is missing")
            check_version(row["schema_version"], path)
            for column in needed(row["schema_version"]):
                if column not in row:
                    raise CodecError(f"the file lacks the column {column}")
            if kind == "kernel":
                _keep_kernel(row, kernels)
                places.setdefault(row["measurement_id"], where)
            elif kind in ("end_to_end", "failure", "calibration"):
                heads.append((where, row))
            else:
                raise CodecError("this version knows no such record")
    for where, row in heads:
        with _placed(path, where, row["record"]):
            record = _record(row, kernels)
        yield Located(where, record)
    for identity in kernels:
        with _placed(path, places[identity], "kernel"):
            raise CodecError(f"no end_to_end row holds its measurement '{identity}'")


@contextmanager
def _placed(path: Path, where: str, kind: object) -> Iterator[None]:
    try:
        yield
    except ValueError as error:  # CodecError and what the dataclasses themselves refuse
        raise bad_record(path, f"{where}, {kind}", error) from error


def _keep_kernel(row: Row, kernels: _Kernels) -> None:
    position = row["position"]
    if position is None:
        raise CodecError("its position is missing")
    content = from_json(row["document"], dict[str, Any])
    content["durations_s"] = row["durations_s"]
    if kernels.setdefault(row["measurement_id"], {}).setdefault(position, content) is not content:
        raise CodecError(f"position {position} of {row['measurement_id']} is there twice")


def _record(row: Row, kernels: _Kernels) -> Record:
    text = row["document"]
    if row["record"] == "failure":
        return from_json(text, Failure)
    document = from_json(text, dict[str, Any])
    old = row["schema_version"] < 2
    if row["record"] == "calibration":
        return from_builtins(lift_calibration(document) if old else document, Calibration)
    if old:
        document = lift_measurement(document)
    skeleton = from_builtins(document, _Skeleton)
    for phase in ("steady", "warmup"):
        _put_samples_back(row, phase, skeleton.restarts)
    profile = skeleton.profile
    if profile is not None:
        profile |= {field: row.get(column) for field, column in PROFILED.items()}
        found = kernels.pop(skeleton.id, {})
        promised = profile.get("kernels")
        if promised != len(found) or sorted(found) != list(range(len(found))):
            raise CodecError(
                f"the measurement {skeleton.id} has {promised} kernels and the file holds "
                f"rows for {len(found)}"
            )
        profile["occurrences"] = [found[position] for position in range(len(found))]
    return from_builtins(
        document | {"restarts": skeleton.restarts, "profile": profile}, Measurement
    )


def _put_samples_back(row: Row, phase: str, restarts: list[dict[str, Any]]) -> None:
    """Deal the columns of a phase out to the restarts, by the counts in their documents."""
    names = ("wall_s", *COUNTERS.values())
    columns = {name: row.get(f"{phase}_{name}") or [] for name in names}
    taken = dict.fromkeys(columns, 0)

    def take(name: str, n: int) -> list[Any]:
        start = taken[name]
        part: list[Any] = columns[name][start : start + n]
        if n < 0 or len(part) != n:
            raise CodecError(f"{phase}_{name} holds fewer values than its document says")
        taken[name] = start + n
        return part

    for restart in restarts:
        counted = from_builtins(restart.get(phase), _Counted)
        restart[phase] = {
            "wall_s": take("wall_s", counted.n),
            "loops": counted.loops,
        }
        for mark, name in COUNTERS.items():
            restart[phase][name] = take(name, counted.n) if counted.has(mark) else None
    for name, column in columns.items():
        if taken[name] != len(column):
            raise CodecError(f"{phase}_{name} holds more values than its document says")
