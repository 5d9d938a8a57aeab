"""Typed access to the rows of an open table file: the only place that runs queries."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar

from hwprof.codec import CodecError, from_json
from hwprof.device_spec import DeviceSpec
from hwprof.errors import TableError
from hwprof.lut import rows
from hwprof.lut.connection import transaction
from hwprof.lut.faults import explained
from hwprof.lut.filters import device_matches, file_stem
from hwprof.lut.moved import identity, lost, rescued
from hwprof.lut.pack import Packed, unpack
from hwprof.lut.pack_profile import PackedProfile, unpack_profile
from hwprof.lut.watch import Watch
from hwprof.measurement import Measurement
from hwprof.profile import Profile

T = TypeVar("T")


class Store:
    """A connection and the path it came from. Every method raises TableError."""

    def __init__(self, connection: sqlite3.Connection, path: Path, readonly: bool) -> None:
        self.path = path
        self.readonly = readonly
        self._connection: sqlite3.Connection | None = connection
        self._watch = Watch(connection, path)
        connection.create_function("file_stem", 1, file_stem, deterministic=True)
        self._file = identity(path)
        self._rescued: Path | None = None

    @property
    def connection(self) -> sqlite3.Connection:
        if self._connection is None:
            raise TableError(f"the table {self.path} is closed: open it again")
        return self._connection

    def close(self) -> None:
        """Close the file, folding its -wal file back in where nobody else needs it."""
        connection, self._connection = self._connection, None
        if connection is None:
            return
        try:
            if not self.readonly:
                # Whatever stops a checkpoint, everything committed is safe in the -wal file and
                # the next process to open the table will see it.
                with suppress(sqlite3.Error):
                    connection.execute("PRAGMA busy_timeout = 0")
                    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        finally:
            connection.close()

    @contextmanager
    def transaction(self, begin: str) -> Iterator[None]:
        writes = not (self.connection.in_transaction or self.readonly or begin == "BEGIN")
        try:
            with explained(self.path, self._watch), transaction(self.connection, begin):
                yield
        except TableError:
            if writes:
                self._check_place(saved=False)
            raise
        if writes:
            self._check_place(saved=True)

    def _check_place(self, *, saved: bool) -> None:
        """Raise TableError where the file is not at its path: what was saved there has no name."""
        if self._file is not None and identity(self.path) != self._file:
            self._rescued = rescued(self.connection, self.path, self._rescued)
            raise lost(self.path, self._rescued, saved=saved)

    @contextmanager
    def decoding(self, what: str) -> Iterator[None]:
        """Tell of content that cannot be decoded as a damaged table."""
        try:
            yield
        except ValueError as error:  # CodecError and what the dataclasses themselves refuse
            raise TableError(
                f"{what} in the table {self.path} is damaged ({error}): "
                "restore the table from a copy or an export"
            ) from error

    def query(self, sql: str, *parameters: str | int) -> list[tuple[Any, ...]]:
        """All rows at once: a cursor left open would keep the -wal file from being folded in."""
        self._watch.begin()
        with explained(self.path, self._watch), self._bindable():
            return self._watch.fetched(self.connection.execute(sql, parameters))

    def select(
        self,
        table: str,
        kind: type[T],
        tail: str,
        *parameters: str | int,
        what: str = "",
        on_damage: Callable[[TableError], None] | None = None,
    ) -> list[T]:
        """Rows of a table, checked against the types of `kind`; they belong to `what`.

        One that does not fit raises, or is handed to `on_damage` and left out.
        """
        found = []
        for row in self.query(rows.select(table, kind, tail), *parameters):
            try:
                with self.decoding(what or f"a row of {table}"):
                    found.append(rows.typed(row, kind))
            except TableError as error:
                if on_damage is None:
                    raise
                on_damage(error)
        return found

    def insert(self, table: str, *items: Any, once: bool = False) -> None:
        """Write rows of one class; with `once`, those already there are left alone."""
        if not items:
            return
        sql = rows.insert(table, type(items[0]), once=once)
        self._watch.begin(resting=True)
        with explained(self.path, self._watch), self._bindable():
            self.connection.executemany(sql, map(rows.values, items))

    def insert_device(self, row: rows.DeviceRow) -> None:
        self.insert("device", row, once=True)
        if self.device(row.fingerprint) != from_json(row.spec, DeviceSpec):
            raise TableError(
                f"the table {self.path} holds another device with the fingerprint "
                f"{row.fingerprint}: keep this device in a table of its own"
            )

    def insert_measurement(self, packed: Packed) -> None:
        self.insert("measurement", packed.measurement)
        self.insert("restart", *packed.restarts)
        if packed.profile is not None:
            self.insert("kernel", *packed.profile.kernels, once=True)
            self.insert("profile", packed.profile.runs)
            self.insert("kernel_occurrence", *packed.profile.occurrences)

    def remove_measurement(self, identity: str) -> None:
        """Remove a measurement with what belongs to it alone; nothing where there is none."""
        self._watch.begin(resting=True)
        with explained(self.path, self._watch), self._bindable():
            for table, column in (
                ("kernel_occurrence", "measurement_id"),
                ("profile", "measurement_id"),
                ("restart", "measurement_id"),
                ("measurement", "id"),
            ):
                # Names from this package, never input.
                statement = f"DELETE FROM {table} WHERE {column} = ?"  # noqa: S608
                self.connection.execute(statement, (identity,))

    def remove_failure(self, identity: str) -> None:
        """Remove a failure; nothing where there is none."""
        with explained(self.path), self._bindable():
            self.connection.execute("DELETE FROM failure WHERE id = ?", (identity,))

    def remove_unused(self) -> None:
        """Remove the kernels that nothing ran, and the devices that nothing was measured on."""
        with explained(self.path):
            self.connection.execute(
                "DELETE FROM kernel WHERE id NOT IN (SELECT kernel_id FROM kernel_occurrence)"
            )
            self.connection.execute(
                "DELETE FROM device WHERE fingerprint NOT IN "
                "(SELECT device_fingerprint FROM measurement UNION "
                "SELECT device_fingerprint FROM calibration)"
            )

    def device_rows(self, pattern: str | None) -> list[rows.DeviceRow]:
        """Devices that match the pattern (all, for None), by slug."""
        found = self.select("device", rows.DeviceRow, "ORDER BY slug, fingerprint")
        return [
            row
            for row in found
            if pattern is None or device_matches(pattern, row.fingerprint, row.slug, row.name)
        ]

    def device(self, fingerprint: str) -> DeviceSpec:
        with self.decoding(f"device {fingerprint}"):
            return from_json(self._device_row(fingerprint).spec, DeviceSpec)

    def measurement(self, identity: str) -> Measurement:
        """The measurement with this id, which must be there."""
        what = f"measurement {identity}"
        found = self.select("measurement", rows.MeasurementRow, "WHERE id = ?", identity, what=what)
        with self.decoding(what):
            if not found:
                raise CodecError("its row is missing")
            tail = "WHERE measurement_id = ? ORDER BY position"
            packed = Packed(
                self._device_row(found[0].device_fingerprint),
                found[0],
                tuple(self.select("restart", rows.RestartRow, tail, identity, what=what)),
                self._profile_rows(identity),
            )
            return unpack(packed)

    def profile(self, identity: str) -> Profile | None:
        """The profile of the measurement with this id, without reading the rest of it."""
        with self.decoding(f"measurement {identity}"):
            packed = self._profile_rows(identity)
            return None if packed is None else unpack_profile(packed)

    def _profile_rows(self, identity: str) -> PackedProfile | None:
        what = f"measurement {identity}"
        tail = "WHERE measurement_id = ?"
        runs = self.select("profile", rows.ProfileRow, tail, identity, what=what)
        if not runs:
            return None
        occurrences = self.select(
            "kernel_occurrence",
            rows.OccurrenceRow,
            "WHERE measurement_id = ? ORDER BY position",
            identity,
            what=what,
        )
        kernels = self.select(
            "kernel",
            rows.KernelRow,
            "WHERE id IN (SELECT kernel_id FROM kernel_occurrence WHERE measurement_id = ?)",
            identity,
            what=what,
        )
        return PackedProfile(runs[0], tuple(occurrences), tuple(kernels))

    def _device_row(self, fingerprint: str) -> rows.DeviceRow:
        found = self.select("device", rows.DeviceRow, "WHERE fingerprint = ?", fingerprint)
        if not found:
            raise CodecError(f"device {fingerprint} is missing")
        return found[0]

    @contextmanager
    def _bindable(self) -> Iterator[None]:
        try:
            yield
        except (OverflowError, UnicodeEncodeError) as error:
            raise TableError(
                f"a value cannot be held by the table {self.path} ({error}): correct it"
            ) from error
