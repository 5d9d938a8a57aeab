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
from hwprof.lut.exchange.to_rows import Row
from hwprof.lut.version_1 import lift_calibration, lift_measurement
from hwprof.measurement import Failure, Measurement


@dataclass(frozen=True, slots=True)
class _Counted:
    """Stands in a document where Samples stood, whose arrays went to columns."""

    n: int
    cpu: bool
    switches: bool
    loops: int


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
        profile["run_wall_s"] = row["profiled_wall_s"]
        profile["run_switches"] = row["profiled_switches"]
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
    columns = {name: row[f"{phase}_{name}"] or [] for name in ("wall_s", "cpu_s", "switches")}
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
            "cpu_s": take("cpu_s", counted.n) if counted.cpu else None,
            "switches": take("switches", counted.n) if counted.switches else None,
            "loops": counted.loops,
        }
    for name, column in columns.items():
        if taken[name] != len(column):
            raise CodecError(f"{phase}_{name} holds more values than its document says")
