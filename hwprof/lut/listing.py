"""The rows of a table by what names them: to list, to find by a short id, to remove.

Nothing that was measured is read, so that a damaged row is listed, and can be removed, like others.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Unpack

from hwprof.codec import CodecError
from hwprof.errors import OptionError
from hwprof.lut import filters as selection
from hwprof.lut.filters import Filters
from hwprof.lut.store import Store
from hwprof.measurement import Failure, Measurement

SHORT = 8
"""Digits of an id that are shown where no two rows share them."""
# More than this nobody reads in one sentence.
_NAMED = 5


@dataclass(frozen=True, slots=True)
class Entry:
    """One row: a measurement, or a failure."""

    id: str
    created_at: str
    model: str
    """Name of the measured model, or what a failure calls it."""
    device: str
    """Slug of the device; of a failure, how it was asked for where it has none."""
    failed: bool


class Listing:
    """The rows of one table. Reading raises TableError."""

    def __init__(self, store: Store) -> None:
        """Use `Table.listing`."""
        self._store = store

    def entries(self, *, failures_only: bool = False, **filters: Unpack[Filters]) -> list[Entry]:
        """The measurements and failures that match every filter, newest first, by id downwards.

        Filters are those of `Table.measurements` and `Table.failures`; `limit` counts both kinds
        together. Raises OptionError for a filter that makes no sense.
        """
        limit = selection.limit_of(filters)
        found = [] if failures_only else self._measurements(filters, limit)
        found += self._failures(filters, limit)
        found.sort(key=lambda entry: (entry.created_at, entry.id), reverse=True)
        return found if limit < 0 else found[:limit]

    def find(self, prefix: str) -> Entry:
        """The row with this id, or the only one whose id begins so.

        Raises OptionError when there is none, and when there are several, which it names.
        """
        condition = "WHERE id = ?1 OR substr(id, 1, ?2) = ?1"
        found = self._of_measurements(condition, prefix, len(prefix))
        found += self._of_failures(condition, prefix, len(prefix))
        exact = [entry for entry in found if entry.id == prefix]
        if not found or not prefix:
            raise OptionError(
                f"the table {self._store.path} holds no row with the id '{prefix}': "
                "list what it holds with 'hwprof lut show' and copy an id from there"
            )
        if len(exact or found) > 1:
            named = [f"{entry.id} {entry.model}" for entry in found[:_NAMED]]
            more = ", ..." if len(found) > _NAMED else ""
            raise OptionError(
                f"{len(found)} rows have ids that begin with '{prefix}' "
                f"({', '.join(named)}{more}): give more of the id"
            )
        return (exact or found)[0]

    def read(self, entry: Entry) -> Measurement | Failure:
        """All that the table holds of a row. Raises TableError for one that is damaged or gone."""
        if not entry.failed:
            return self._store.measurement(entry.id)
        found = self._store.select("failure", Failure, "WHERE id = ?", entry.id)
        with self._store.decoding(f"failure {entry.id}"):
            if not found:
                raise CodecError("its row is missing")
            return found[0]

    def remove(self, entries: Iterable[Entry]) -> int:
        """Use `Table.remove`, which keeps the transaction."""
        removed = 0
        for entry in entries:
            kind = "failure" if entry.failed else "measurement"
            there = self._store.query(
                f"SELECT 1 FROM {kind} WHERE id = ?",  # noqa: S608 - one of two names
                entry.id,
            )
            removed += len(there)
            if entry.failed:
                self._store.remove_failure(entry.id)
            else:
                self._store.remove_measurement(entry.id)
        self._store.remove_unused()
        return removed

    def digits(self) -> int:
        """How much of an id names one row of the table and no other: `SHORT`, or more."""
        found = self._store.query("SELECT id FROM measurement UNION SELECT id FROM failure")
        ids = sorted(str(row[0]) for row in found)
        return max([SHORT, *(_shared(*pair) + 1 for pair in pairwise(ids))])

    def shared_names(self) -> frozenset[str]:
        """Names that models of different content have in the table."""
        found = self._store.query(
            "SELECT subject_name FROM measurement GROUP BY subject_name "
            "HAVING count(DISTINCT sha256) > 1"
        )
        return frozenset(str(row[0]) for row in found)

    def tags(self) -> list[str]:
        """Every tag in the table, each once, sorted."""
        found = self._store.query(
            "SELECT DISTINCT value FROM measurement, json_each("
            "CASE WHEN json_valid(document) THEN document ELSE '{}' END, '$.tags') ORDER BY 1"
        )
        return [str(row[0]) for row in found]

    def _measurements(self, filters: Filters, limit: int) -> list[Entry]:
        device = filters.get("device")
        fingerprints = None
        if device is not None:
            fingerprints = [row.fingerprint for row in self._store.device_rows(device)]
        where = selection.measurements_where(filters, fingerprints)
        tail = f"{where} ORDER BY created_at DESC, id DESC LIMIT ?"
        return self._of_measurements(tail, *where.parameters, limit)

    def _failures(self, filters: Filters, limit: int) -> list[Entry]:
        where = selection.failures_where(filters)
        tail = f"{where} ORDER BY created_at DESC, id DESC LIMIT ?"
        return self._of_failures(tail, *where.parameters, limit)

    def _of_measurements(self, tail: str, *parameters: str | int) -> list[Entry]:
        found = self._store.query(
            "SELECT id, created_at, subject_name, coalesce(slug, device_fingerprint) "  # noqa: S608
            f"FROM measurement LEFT JOIN device ON fingerprint = device_fingerprint {tail}",
            *parameters,
        )
        return [_entry(row, failed=False) for row in found]

    def _of_failures(self, tail: str, *parameters: str | int) -> list[Entry]:
        found = self._store.query(
            f"SELECT id, created_at, subject, device FROM failure {tail}",  # noqa: S608
            *parameters,
        )
        return [_entry(row, failed=True) for row in found]


def _shared(one: str, other: str) -> int:
    """How many letters two ids begin with alike."""
    pairs = zip(one, other, strict=False)
    return next((n for n, (a, b) in enumerate(pairs) if a != b), min(len(one), len(other)))


def _entry(row: tuple[Any, ...], *, failed: bool) -> Entry:
    # A damaged row may hold anything; it is for the reader of the whole row to complain.
    identity, created_at, model, device = map(str, row)
    return Entry(identity, created_at, model, device, failed)
