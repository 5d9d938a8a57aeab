"""The lookup table: one SQLite file of measurements, written by any number of processes.

Every `add` is one transaction: a process that dies leaves a whole measurement or none.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Self, Unpack

from hwprof.codec import from_json
from hwprof.device_spec import DeviceSpec
from hwprof.errors import TableError, WrongTable
from hwprof.lut import filters as selection
from hwprof.lut import rows
from hwprof.lut.connection import LOCK_WAIT_S, connect
from hwprof.lut.entries import Calibration, KernelRecord
from hwprof.lut.filters import Filters
from hwprof.lut.listing import Entry, Listing
from hwprof.lut.pack import check_failure, pack, pack_calibration, unpack_plan
from hwprof.lut.plausible import check_constant
from hwprof.lut.store import Store
from hwprof.measurement import Failure, Measurement, PlanValue

OnDamage = Callable[[TableError], None]
"""Told of a row that cannot be read, so that the others can be."""


class Table:
    """An open table; a context manager that closes it. Not for use by several threads.

    Reading and writing raise TableError, whose sentence names the file and what to do.
    """

    def __init__(self, store: Store) -> None:
        """Use `Table.open`."""
        self._store = store

    @classmethod
    def open(
        cls,
        path: str | Path,
        *,
        create: bool = True,
        readonly: bool = False,
        lock_wait_s: float = LOCK_WAIT_S,
    ) -> Table:
        """Open the table at `path`; with `create`, a missing or empty file becomes a new one.

        A read-only table is never created, and works on media that cannot be written; one of an
        earlier version is read as it was on opening, from a copy in temporary space. Opened for
        writing, such a table is brought to this version. Another process that writes is waited for
        up to `lock_wait_s` seconds.
        Raises TableError for a folder, a missing parent folder, a file that is damaged, belongs to
        another program or to a newer hwprof, or cannot be written.
        """
        path = Path(path)
        connection = connect(path, create=create, readonly=readonly, lock_wait_s=lock_wait_s)
        return cls(Store(connection, path, readonly))

    @property
    def path(self) -> Path:
        return self._store.path

    @property
    def readonly(self) -> bool:
        return self._store.readonly

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the file, folding its -wal file back in where nobody else needs it."""
        self._store.close()

    def transaction(self) -> AbstractContextManager[None]:
        """Everything added inside the block is kept, or, when it raises, none of it."""
        if self.readonly:
            raise TableError(f"the table {self.path} is open for reading: open it for writing")
        return self._store.transaction("BEGIN IMMEDIATE")

    def snapshot(self) -> AbstractContextManager[None]:
        """Reads inside the block all see the table as it is now, whoever writes meanwhile."""
        return self._store.transaction("BEGIN")

    def add(self, measurement: Measurement) -> bool:
        """Store a measurement for good. False when the same one was there already.

        Raises TableError when its id is taken by a different measurement.
        """
        packed = pack(measurement)
        with self.transaction():
            if self._store.query("SELECT 1 FROM measurement WHERE id = ?", measurement.id):
                if self._store.measurement(measurement.id) == measurement:
                    return False
                raise self._taken("measurement", f"with the id {measurement.id}", "id")
            self._store.insert_device(packed.device)
            self._store.insert_measurement(packed)
        return True

    def replace(self, measurement: Measurement) -> None:
        """Store a measurement in place of an earlier state of it, if one is there.

        A latency is stored as soon as it is known; energy and kernels follow when they are.
        """
        packed = pack(measurement)
        with self.transaction():
            self._store.remove_measurement(measurement.id)
            self._store.insert_device(packed.device)
            self._store.insert_measurement(packed)

    def add_failure(self, failure: Failure) -> bool:
        """Store a failure. As `add`."""
        check_failure(failure)
        with self.transaction():
            there = self._store.select("failure", Failure, "WHERE id = ?", failure.id)
            if there and there[0] != failure:
                raise self._taken("failure", f"with the id {failure.id}", "id")
            if not there:
                self._store.insert("failure", failure)
        return not there

    @property
    def listing(self) -> Listing:
        """The rows by what names them: measurements and failures alike."""
        return Listing(self._store)

    def remove(self, entries: Iterable[Entry]) -> int:
        """Remove these rows of the `listing`, all or none; how many were still there.

        What belongs to them alone goes along: samples, kernels, and devices of which no
        measurement and no calibration is left.
        """
        with self.transaction():
            return self.listing.remove(entries)

    def get(self, prefix: str) -> Measurement:
        """The measurement with this id, or the only one whose id begins so.

        Raises TableError when there is none or more than one.
        """
        ids = [
            str(row[0])
            for row in self._store.query(
                "SELECT id FROM measurement WHERE id = ?1 OR substr(id, 1, ?2) = ?1 "
                "ORDER BY id = ?1 DESC, id LIMIT 6",
                prefix,
                len(prefix),
            )
        ]
        if not ids or not prefix:
            raise WrongTable(
                f"the table {self.path} holds no measurement with the id '{prefix}': "
                "list what it holds and copy an id from there"
            )
        if len(ids) > 1 and ids[0] != prefix:
            raise WrongTable(
                f"several measurements have ids that begin with '{prefix}' "
                f"({', '.join(ids[:5])}{', ...' if len(ids) > 5 else ''}): give more of the id"
            )
        return self._store.measurement(ids[0])

    def ids(self, **filters: Unpack[Filters]) -> list[str]:
        """Ids of the measurements that match every filter, newest first.

        Those of one `created_at` are in the order of their ids, so that the order depends on the
        content alone. Raises OptionError for a filter that makes no sense.
        """
        device = filters.get("device")
        fingerprints = None
        if device is not None:
            fingerprints = [row.fingerprint for row in self._store.device_rows(device)]
        where = selection.measurements_where(filters, fingerprints)
        return [
            str(row[0])
            for row in self._store.query(
                f"SELECT id FROM measurement {where} "  # noqa: S608 - values are parameters
                "ORDER BY created_at DESC, id DESC LIMIT ?",
                *where.parameters,
                selection.limit_of(filters),
            )
        ]

    def names(self) -> list[str]:
        """Names of the models (or architectures) that have measurements, each once, sorted."""
        found = self._store.query("SELECT DISTINCT subject_name FROM measurement ORDER BY 1")
        # A name that is not text is for the reader of its row to complain about.
        return [row[0] for row in found if isinstance(row[0], str) and rows.sound(row[0])]

    def measurements(
        self, *, on_damage: OnDamage | None = None, **filters: Unpack[Filters]
    ) -> Iterator[Measurement]:
        """The measurements that match every filter, newest first, read one at a time.

        One that cannot be read raises TableError, or is handed to `on_damage` and left out.
        """
        return self._read(self.ids(**filters), on_damage)

    def find(
        self, subject_key: str, device_fingerprint: str, plan: Mapping[str, PlanValue]
    ) -> Measurement | None:
        """The newest measurement made (not imported or predicted) of just this, under this plan."""
        found = self._store.query(
            "SELECT id, plan FROM measurement WHERE subject_key = ? AND device_fingerprint = ? "
            "AND source = 'measured' ORDER BY created_at DESC, id DESC",
            subject_key,
            device_fingerprint,
        )
        for identity, text in found:
            with self._store.decoding(f"measurement {identity}"):
                same = unpack_plan(text) == dict(plan)
            if same:
                return self._store.measurement(identity)
        return None

    def failures(
        self, *, on_damage: OnDamage | None = None, **filters: Unpack[Filters]
    ) -> Iterator[Failure]:
        """The failures that match, newest first: none where a `source` but `measured` is asked for.

        `model` and `device` are held against the names that the caller had given, `tag` against
        the tags of what was measured in the same run. `on_damage` as for `measurements`.
        """
        where = selection.failures_where(filters)
        tail = f"{where} ORDER BY created_at DESC, id DESC LIMIT ?"
        limit = selection.limit_of(filters)
        return iter(
            self._store.select(
                "failure", Failure, tail, *where.parameters, limit, on_damage=on_damage
            )
        )

    def failures_of(self, mark: str) -> Iterator[Failure]:
        """The failures of one job, newest first: those whose ids end in its `mark`, 16 digits."""
        tail = "WHERE substr(id, 17) = ? ORDER BY created_at DESC, id DESC"
        return iter(self._store.select("failure", Failure, tail, mark))

    def devices(self, device: str | None = None) -> Iterator[DeviceSpec]:
        """The devices that match, by slug. `device` as in `Filters`."""
        found = self._store.device_rows(device)
        return (self._store.device(row.fingerprint) for row in found)

    def kernels(self, device: str | None = None) -> Iterator[KernelRecord]:
        """Every kernel of every measurement on matching devices, newest measurement first.

        All sources are included: `source` of the measurement tells them apart. Kernels that are not
        to be believed have no latency but a reason.
        """
        wanted = {row.fingerprint for row in self._store.device_rows(device)}
        for measurement_id, fingerprint in self._store.query(
            "SELECT id, device_fingerprint FROM measurement ORDER BY created_at DESC, id DESC"
        ):
            if fingerprint not in wanted:
                continue
            measurement = self._store.measurement(measurement_id)
            profile = measurement.profile
            if profile is None:
                continue
            reason = measurement.kernels_reason
            for occurrence in profile.occurrences:
                narrowed = replace(profile, occurrences=(occurrence,))
                yield KernelRecord(measurement_id, fingerprint, narrowed, reason)

    def set_calibration(
        self,
        device: DeviceSpec,
        name: str,
        value: float,
        *,
        created_at: str | None = None,
        source: str = "",
    ) -> Calibration:
        """Keep an estimate of a device's constant, and in words how it was found.

        `created_at` defaults to now.
        """
        moment = created_at or datetime.now(UTC).isoformat()
        calibration = Calibration(device, name, value, moment, source)
        self.add_calibration(calibration)
        return calibration

    def add_calibration(self, calibration: Calibration) -> bool:
        """Store a calibration. As `add`, its identity being device, name and time."""
        device, row = pack_calibration(calibration)
        with self.transaction():
            self._store.insert_device(device)
            there = self._store.select(
                "calibration",
                rows.CalibrationRow,
                "WHERE device_fingerprint = ? AND name = ? AND created_at = ?",
                *(row.device_fingerprint, row.name, row.created_at),
            )
            if there and there[0] != row:
                raise self._taken(row.name, f"of {device.slug} at {row.created_at}", "time")
            if not there:
                self._store.insert("calibration", row)
        return not there

    def get_calibration(self, device: DeviceSpec | str, name: str) -> Calibration | None:
        """The newest estimate for a device (or its fingerprint), or None."""
        fingerprint = device if isinstance(device, str) else device.fingerprint
        tail = "WHERE device_fingerprint = ? AND name = ? ORDER BY created_at DESC LIMIT 1"
        for row in self._store.select("calibration", rows.CalibrationRow, tail, fingerprint, name):
            return self._calibration(row)
        return None

    def calibrations(self, device: str | None = None) -> Iterator[Calibration]:
        """Every estimate for the devices that match, by device, name and time."""
        wanted = {row.fingerprint for row in self._store.device_rows(device)}
        tail = "ORDER BY device_fingerprint, name, created_at"
        for row in self._store.select("calibration", rows.CalibrationRow, tail):
            if row.device_fingerprint in wanted:
                yield self._calibration(row)

    def counts(self) -> dict[str, int]:
        """How many `measurements`, `failures`, `devices`, `kernels` (distinct), `calibrations`."""
        names = ("measurement", "failure", "device", "kernel", "calibration")
        # Names are the constants above. Not count(*), which is one step that nothing can stop.
        query = ", ".join(f"(SELECT count(1) FROM {name})" for name in names)  # noqa: S608
        row = self._store.query(f"SELECT {query}")[0]
        return {f"{name}s": int(n) for name, n in zip(names, row, strict=True)}

    def _read(self, identities: Sequence[str], on_damage: OnDamage | None) -> Iterator[Measurement]:
        for identity in identities:
            try:
                measurement = self._store.measurement(identity)
            except TableError as error:
                if on_damage is None:
                    raise
                on_damage(error)
            else:
                yield measurement

    def _calibration(self, row: rows.CalibrationRow) -> Calibration:
        with self._store.decoding(f"calibration {row.name}"):
            notes = from_json(row.legacy_notes, dict[str, str])
            check_constant(row.value)
        device = self._store.device(row.device_fingerprint)
        return Calibration(device, row.name, row.value, row.created_at, row.source, notes)

    def _taken(self, noun: str, which: str, distinction: str) -> TableError:
        return TableError(
            f"the table {self.path} holds a different {noun} {which}: "
            f"give the new one another {distinction}"
        )
