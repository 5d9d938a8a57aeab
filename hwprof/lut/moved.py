"""A table whose file was deleted or replaced while it was open.

SQLite goes on with the file that it opened, which then has no name: what is saved there is gone
when it closes. Until then all of it can still be read, and is written elsewhere.
"""

from __future__ import annotations

import os
import sqlite3
import tempfile
from contextlib import closing
from pathlib import Path

from hwprof.errors import TableError

Identity = tuple[int, int]


def identity(path: Path) -> Identity | None:
    """What tells the file at `path` from any other; None where there is none."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino


def rescued(connection: sqlite3.Connection, path: Path, earlier: Path | None) -> Path:
    """Write all that an open table holds to a new file, beside `path` or in the temporary folder.

    `earlier` is where it was written before, to be written again. Raises TableError.
    """
    reason: Exception | None = None
    for folder in (path.absolute().parent, Path(tempfile.gettempdir())):
        try:
            target = earlier or _new_file(path, folder)
        except OSError as error:
            reason = error
            continue
        try:
            with closing(sqlite3.connect(target, isolation_level=None)) as copy:
                connection.backup(copy)
        except sqlite3.Error as error:
            reason = error
            target.unlink(missing_ok=True)
        else:
            return target
    raise TableError(
        f"the table {path} was deleted or replaced while it was open, and what it held cannot be "
        f"written elsewhere ({reason}): what was printed is all that is left"
    )


def lost(path: Path, target: Path, *, saved: bool) -> TableError:
    """The error for a table that is no longer where it was, once all of it is in `target`.

    `saved` says whether what was written last is part of it.
    """
    last = "what was measured last included," if saved else "but not what was measured last,"
    return TableError(
        f"the table {path} was deleted or replaced while it was open: all that it held, {last} "
        f"is in {target}; name that file with --lut, or move it back"
    )


def _new_file(path: Path, folder: Path) -> Path:
    # Made by this call, so that no link can lead the copy elsewhere.
    handle, name = tempfile.mkstemp(f"-rescued{path.suffix}", f"{path.stem}-", folder)
    os.close(handle)
    return Path(name)
