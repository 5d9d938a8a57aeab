"""Queries that end, whatever is in the file.

The pages of a made-up file may lead back to each other, so that a table of a hundred kilobytes has
more rows than there are atoms. A query that takes more steps, or gives more, than a sound file of
that size could ask for is stopped.
"""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

_STEPS = 1_000_000  # of SQLite's machine, between two looks; some milliseconds
_FREE_STEPS = 50_000_000
_STEPS_PER_BYTE = 16
_FREE_BYTES = 16 << 20
_CELL_BYTES = 8


class Watch:
    """Stops a connection's queries. Nobody is stopped while `resting`."""

    def __init__(self, connection: sqlite3.Connection, path: Path) -> None:
        self._path = path
        self._looks = 0
        self._resting = False
        self.ran_out = False
        connection.set_progress_handler(self._look, _STEPS)

    def begin(self, *, resting: bool = False) -> None:
        """A query begins; what this process itself writes rests the watch."""
        self._looks, self._resting, self.ran_out = 0, resting, False

    def fetched(self, cursor: sqlite3.Cursor) -> list[tuple[Any, ...]]:
        """All rows of a query. Raises sqlite3.DatabaseError for more than the file can hold."""
        rows: list[tuple[Any, ...]] = []
        held, allowed = 0, _FREE_BYTES
        for row in cursor:
            held += sum(len(cell) if isinstance(cell, str | bytes) else _CELL_BYTES for cell in row)
            if held > allowed:
                # Text of UTF-16 tables is shorter here, that of others as long.
                allowed = max(_FREE_BYTES, 2 * self._size())
                if held > allowed:
                    cursor.close()
                    raise sqlite3.DatabaseError("it gives more rows than its size allows")
            rows.append(row)
        return rows

    def _look(self) -> int:
        if self._resting:
            return 0
        self._looks += 1
        if self._looks * _STEPS <= _FREE_STEPS:
            return 0
        self.ran_out = self._looks * _STEPS > _FREE_STEPS + _STEPS_PER_BYTE * self._size()
        return int(self.ran_out)

    def _size(self) -> int:
        size = 0
        for suffix in ("", "-wal"):
            try:
                size += Path(f"{self._path}{suffix}").stat().st_size
            except OSError:
                continue
        return size
