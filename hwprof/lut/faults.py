"""What went wrong in SQLite or the file system, told as a TableError."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from hwprof.errors import TableError, WrongTable
from hwprof.lut.watch import Watch

# By primary result code (https://www.sqlite.org/rescode.html).
_BUSY = "the table {path} stayed locked by another process: wait for it to finish and try again"
_READ_ONLY = "the table {path} cannot be written here: name a file in a folder you may write to"
_DAMAGED = (
    "the table {path} is damaged ({error}): restore it from a copy or an export, "
    "or try `sqlite3 {path} .recover`"
)
_SENTENCES = {
    sqlite3.SQLITE_BUSY: _BUSY,
    sqlite3.SQLITE_LOCKED: _BUSY,
    sqlite3.SQLITE_READONLY: _READ_ONLY,
    sqlite3.SQLITE_PERM: _READ_ONLY,
    sqlite3.SQLITE_CORRUPT: _DAMAGED,
    sqlite3.SQLITE_FULL: (
        "no space is left for the table {path}, which keeps everything saved before: "
        "free some disk space and run again"
    ),
    sqlite3.SQLITE_CANTOPEN: (
        "the table {path} cannot be opened with its -wal file beside it: "
        "name a file in a folder you may write to"
    ),
    sqlite3.SQLITE_INTERRUPT: _DAMAGED,
    sqlite3.SQLITE_NOTADB: "{path} is not an hwprof table: name another file",
    sqlite3.SQLITE_IOERR: (
        "the disk failed under the table {path} ({error}), which keeps everything saved before: "
        "check the disk and its free space, then run again"
    ),
    sqlite3.SQLITE_TOOBIG: (
        "a value is too large for the table {path}: measure with fewer samples"
    ),
}


def explain(error: sqlite3.Error | UnicodeDecodeError, path: Path) -> TableError:
    """The TableError for an error that SQLite raised on the table at `path`.

    A UnicodeDecodeError takes its place where it quotes the file, and that is not UTF-8.
    """
    # Absent when Python itself refused a value that it read, such as text that is not UTF-8.
    code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_CORRUPT)
    # The low byte is the primary code; the rest only refines it.
    sentence = _SENTENCES.get(code & 0xFF, _DAMAGED)
    kind = WrongTable if code & 0xFF == sqlite3.SQLITE_NOTADB else TableError
    return kind(sentence.format(path=path, error=error))


@contextmanager
def explained(path: Path, watch: Watch | None = None) -> Iterator[None]:
    """Turn SQLite's errors inside the block into TableError."""
    try:
        yield
    except sqlite3.ProgrammingError:
        raise  # a mistake in this package, not in the file
    except sqlite3.Error as error:
        code = getattr(error, "sqlite_errorcode", None)
        if code == sqlite3.SQLITE_INTERRUPT and watch is not None and not watch.ran_out:
            # Ctrl-C came while the watch looked; SQLite keeps what is raised there to itself.
            raise KeyboardInterrupt from error
        raise explain(error, path) from error
    except UnicodeDecodeError as error:
        raise explain(error, path) from error
