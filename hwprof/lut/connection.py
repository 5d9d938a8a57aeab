"""Opening the SQLite file of a table: new, existing, shared by several processes or read-only.

The file is never opened by anything but SQLite, not even to look at its first bytes: closing a
second descriptor would drop the locks that this process holds on it.
"""

from __future__ import annotations

import os
import sqlite3
import stat
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

from hwprof.errors import TableError, WrongTable
from hwprof.lut import layout, schema
from hwprof.lut.faults import explain
from hwprof.lut.watch import Watch

LOCK_WAIT_S = 30.0
"""How long to wait for another writer. A write takes milliseconds, an import of a large file some
seconds: longer than this means a process that hangs."""

_LONGEST_VALUE = 128 << 20
"""Bytes of one text or array: a hundred times what a long measurement has."""

# What SQLite keeps beside a file, and at the end of a journal that names another one.
_COMPANIONS = ("-wal", "-shm", "-journal")
_NAMES_ANOTHER = bytes.fromhex("d9d505f920a163d7")


def connect(path: Path, *, create: bool, readonly: bool, lock_wait_s: float) -> sqlite3.Connection:
    """An open connection to a table at the current schema version.

    Raises TableError when there is no table at `path`, none can be made there, or the file is not
    one that this version can use, or holds anything that no table does.
    """
    _check_path(path, create=create and not readonly)
    try:
        if readonly:
            return _connect_to_read(path, lock_wait_s)
        return _connect_to_write(path, create, lock_wait_s)
    except (sqlite3.Error, UnicodeDecodeError) as error:
        raise explain(error, path) from error
    except schema.ForeignFileError as error:
        raise WrongTable(
            f"{path} is an SQLite file of another program: name another file"
        ) from error
    except schema.NewerSchemaError as error:
        raise TableError(
            f"the table {path} has schema version {error.args[0]} and this hwprof reads up to "
            f"version {schema.SCHEMA_VERSION}: upgrade hwprof"
        ) from error
    except layout.StrangeLayoutError as error:
        raise TableError(
            f"the table {path} was not made by hwprof alone ({error}), and what it holds may run "
            "when it is read: ask for an export of it (`hwprof lut export`), or restore a copy"
        ) from error
    except layout.MissingPartError as error:
        raise TableError(
            f"the table {path} is damaged (it lacks {error}): restore it from a copy or an export"
        ) from error


@contextmanager
def transaction(connection: sqlite3.Connection, begin: str) -> Iterator[None]:
    """Run the block inside `begin` ... COMMIT; roll back when anything at all is raised.

    Inside another transaction the block joins that one.
    """
    if connection.in_transaction:
        yield
        return
    connection.execute(begin)
    try:
        yield
        connection.execute("COMMIT")
    except BaseException as error:
        # A full disk or a failing one has SQLite roll back on its own.
        if connection.in_transaction:
            try:
                connection.execute("ROLLBACK")
            except sqlite3.Error as second:
                error.add_note(f"and the transaction could not be rolled back: {second}")
        raise


def _check_path(path: Path, *, create: bool) -> None:
    if "\0" in str(path):
        raise WrongTable("a table's name cannot contain the character NUL: name another file")
    try:
        if path.is_dir():
            raise WrongTable(f"{path} is a folder: name a file for the table")
        if path.exists() and not path.is_file():
            raise WrongTable(f"{path} is not a regular file: name another file for the table")
        if not path.exists() and not create:
            raise WrongTable(f"there is no table at {path}: check the path")
        if not path.parent.is_dir():
            raise WrongTable(f"the folder {path.parent} does not exist: create it first")
        _check_companions(path)
    except OSError as error:
        # A name that is too long, or a folder that may not be entered.
        raise WrongTable(f"'{path}' cannot be used as a table ({error}): name another") from error


def _check_companions(path: Path) -> None:
    """Raises TableError for what SQLite would follow, or do, beside a file that someone sent."""
    real = Path(os.path.realpath(path))
    for ending in _COMPANIONS:
        companion = real.with_name(real.name + ending)
        # Another process may end its own meanwhile.
        with suppress(FileNotFoundError):
            found = companion.lstat()
            if not stat.S_ISREG(found.st_mode):
                raise TableError(
                    f"{companion} is not a regular file, and SQLite would write to it: remove it"
                )
            if ending == "-journal" and _end(companion) == _NAMES_ANOTHER:
                raise TableError(
                    f"{companion} names another file, which SQLite would remove: remove it"
                )


def _end(journal: Path) -> bytes:
    with journal.open("rb") as stream:
        stream.seek(max(0, stream.seek(0, os.SEEK_END) - len(_NAMES_ANOTHER)))
        return stream.read(len(_NAMES_ANOTHER))


def _connect(path: Path, options: str, lock_wait_s: float) -> sqlite3.Connection:
    connection = sqlite3.connect(
        f"{path.absolute().as_uri()}?{options}",
        uri=True,
        timeout=lock_wait_s,
        isolation_level=None,  # transactions are begun by hand, see transaction()
    )
    _harden(connection, path)
    connection.execute("PRAGMA foreign_keys = ON")
    return connection


def _harden(connection: sqlite3.Connection, path: Path) -> None:
    """Read the file as one that may come from anyone."""
    Watch(connection, path)
    connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, _LONGEST_VALUE)
    connection.setlimit(sqlite3.SQLITE_LIMIT_ATTACHED, 0)
    # Its schema may not call functions with side effects, and its pages may lie about themselves.
    connection.execute("PRAGMA trusted_schema = OFF")
    connection.execute("PRAGMA cell_size_check = ON")
    # Text that is not UTF-8 spoils its own row alone: `rows.typed` refuses it.
    connection.text_factory = _text


def _text(content: bytes) -> str:
    return content.decode("utf-8", "surrogateescape")


def _connect_to_write(path: Path, create: bool, lock_wait_s: float) -> sqlite3.Connection:
    connection = _connect(path, "mode=rwc" if create else "mode=rw", lock_wait_s)
    try:
        # Reading first leaves a foreign file untouched and unlocked.
        version = _version(connection)
        if version == 0 and not create:
            raise _empty(path)
        if version < schema.SCHEMA_VERSION:
            with transaction(connection, "BEGIN IMMEDIATE"):
                # Whoever comes second waited for the lock and finds the work done.
                schema.lift(connection, schema.read_version(connection))
        else:
            # A file that cannot be written shows now, not after an hour of measuring.
            connection.execute("BEGIN IMMEDIATE")
            connection.execute("ROLLBACK")
        _use_wal(connection, lock_wait_s)
        # NORMAL would do against kill -9. FULL adds one fsync (milliseconds) to a measurement that
        # took seconds, and keeps it even when a small board loses power.
        connection.execute("PRAGMA synchronous = FULL")
    except BaseException:
        connection.close()
        raise
    return connection


def _use_wal(connection: sqlite3.Connection, lock_wait_s: float) -> None:
    # SQLite does not wait for the lock that changing the journal mode needs: it fails at once when
    # another process is opening the same new file.
    deadline = time.monotonic() + lock_wait_s
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                raise
            time.sleep(0.01)


def _connect_to_read(path: Path, lock_wait_s: float) -> sqlite3.Connection:
    try:
        # mode=rw, not ro: SQLite falls back to reading where it must, and elsewhere the last
        # reader can remove the -wal and -shm files it needed. query_only keeps writes out.
        return _checked(_connect(path, "mode=rw", lock_wait_s), path)
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode & 0xFF not in (
            sqlite3.SQLITE_CANTOPEN,
            sqlite3.SQLITE_READONLY,
            sqlite3.SQLITE_IOERR,
        ):
            raise
        # On read-only media the -shm file cannot be made. Without a -wal file nobody can be
        # writing, so the file may be read without one.
        wal = path.with_name(path.name + "-wal")
        if wal.exists() and wal.stat().st_size:
            raise TableError(
                f"the table {path} cannot be read here while {wal.name} holds part of it: "
                "copy both files to a folder you may write to"
            ) from error
        return _checked(_connect(path, "mode=ro&immutable=1", lock_wait_s), path)


def _checked(connection: sqlite3.Connection, path: Path) -> sqlite3.Connection:
    try:
        version = _version(connection)
        if version == 0:
            raise _empty(path)
        if version < schema.SCHEMA_VERSION:
            connection = _lifted_copy(connection, path)
        connection.execute("PRAGMA query_only = ON")
    except BaseException:
        connection.close()
        raise
    return connection


def _lifted_copy(old: sqlite3.Connection, path: Path) -> sqlite3.Connection:
    """The content of an older file at today's version; the file is closed and left as it is."""
    # A database without a name is private, spills to temporary space and ends with its connection.
    copy = sqlite3.connect("", isolation_level=None)
    try:
        _harden(copy, path)
        with closing(old):
            old.backup(copy)
        # The file may have been lifted meanwhile.
        with transaction(copy, "BEGIN IMMEDIATE"):
            schema.lift(copy, schema.read_version(copy))
    except BaseException:
        copy.close()
        raise
    return copy


def _version(connection: sqlite3.Connection) -> int:
    # In one transaction: another process may be creating the file between two reads.
    with transaction(connection, "BEGIN"):
        version = schema.read_version(connection)
        if version:
            layout.check(connection, version)
        return version


def _empty(path: Path) -> WrongTable:
    return WrongTable(f"{path} is an empty file: measure or import something into it first")
