"""Writing a file whole or not at all, and never over a file of another kind."""

from __future__ import annotations

import errno
import os
import secrets
import stat
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from hwprof.errors import HwprofError, TableError, wrong

# What a name itself is wrong with: no such folder, a folder for a file, too long.
MISNAMED = (errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.ENAMETOOLONG, errno.ELOOP)
_DRAFT = ".hwprof-{}.tmp"
# A draft that nobody has written to for so long, and that nobody holds, is of a killed process.
STALE_S = 3600.0


Kind = Callable[[bytes], bool]
"""Whether a file that begins with these bytes is of a kind."""

_BEGINNING = 4096
# What SQLite keeps beside a table.
_COMPANIONS = ("-wal", "-shm", "-journal")


def is_table(start: bytes) -> bool:
    """An SQLite file."""
    return start.startswith(b"SQLite format 3\0")


def is_safetensors(start: bytes) -> bool:
    """Safetensors: a length of eight bytes, then JSON."""
    return start[8:9] == b"{" and int.from_bytes(start[:8], "little") < 2**32


def is_parquet(start: bytes) -> bool:
    """Parquet."""
    return start.startswith(b"PAR1")


def is_json(start: bytes) -> bool:
    """JSON objects, one or one per line."""
    return start.removeprefix(b"\xef\xbb\xbf").lstrip()[:1] == b"{" and b"\0" not in start


def is_csv(start: bytes) -> bool:
    """Text whose first line has columns, as spreadsheets write it too."""
    first = start.partition(b"\n")[0]
    return any(mark in first for mark in (b",", b";", b"\t")) and b"\0" not in start


def is_unknown(start: bytes) -> bool:
    """None of the kinds that hwprof writes, but models, which begin in many ways."""
    known = (is_table, is_safetensors, is_parquet, is_json)
    return not any(kind(start) for kind in known) and not start.startswith(b"PK\3\4")


@contextmanager
def whole_file(
    target: Path, error: type[HwprofError] = TableError, *, replaces: Kind | None = None
) -> Iterator[BinaryIO]:
    """A stream whose content takes the place of `target` once the block ends well.

    Whatever ends the block otherwise, `target` stays as it was. Devices and pipes are written to
    directly. A file that is there must be empty or of the kind that `replaces` tells, any but a
    table where it is None; what SQLite keeps beside a table is left alone. Raises `error`, in one
    sentence, for such a target, for one that cannot be written and a full disk, and what
    `hwprof.errors.wrong` makes of it for a name that cannot be one.
    """
    if "\0" in str(target):
        raise wrong(error)("a file's name cannot contain the character NUL: name another file")
    try:
        check_kind(target, error, replaces)
        with replacing(target) as stream:
            yield stream
    except IsADirectoryError as problem:
        raise wrong(error)(f"'{target}' is a folder: name a file") from problem
    except OSError as problem:
        kind = wrong(error) if problem.errno in MISNAMED else error
        raise kind(
            f"'{target}' cannot be written ({problem.strerror or problem}): check its folder and "
            "free space, or name another file"
        ) from problem


@contextmanager
def replacing(target: Path) -> Iterator[BinaryIO]:
    """As `whole_file`, for callers with a sentence of their own: raises OSError."""
    # A link stays a link: the file it points to is replaced.
    target = Path(os.path.realpath(target))
    try:
        mode: int | None = target.stat().st_mode
    except FileNotFoundError:
        mode = None
    if mode is not None and stat.S_ISDIR(mode):
        raise IsADirectoryError(f"{target} is a folder")
    if mode is not None and not stat.S_ISREG(mode):
        with target.open("wb") as stream:
            yield stream
        return
    _remove_stale(target.parent)
    # In the same folder, as a rename cannot cross file systems.
    draft = target.with_name(_DRAFT.format(secrets.token_hex(6)))
    try:
        with draft.open("xb") as stream:
            _hold(stream.fileno())
            if mode is not None:
                # Some file systems keep no permissions.
                with suppress(OSError):
                    os.fchmod(stream.fileno(), stat.S_IMODE(mode))
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        draft.replace(target)
    finally:
        draft.unlink(missing_ok=True)


def check_kind(target: Path, error: type[HwprofError], replaces: Kind | None) -> None:
    """What `whole_file` checks first, for what takes long to make. Raises `error`, or OSError."""
    real = Path(os.path.realpath(target))
    for ending in _COMPANIONS:
        table = real.name.removesuffix(ending)
        if table not in ("", real.name) and real.with_name(table).exists():
            raise error(f"'{target}' is a part of the table {table}: name another file")
    if not real.is_file() or not real.stat().st_size:
        return
    with real.open("rb") as stream:
        start = stream.read(_BEGINNING)
    if is_table(start) or not (replaces is None or replaces(start)):
        kind = "a table" if is_table(start) else "a file of another kind"
        raise error(f"'{target}' is {kind} and was left alone: name another file, or remove it")


def _remove_stale(folder: Path) -> None:
    """Remove the drafts that killed processes left here; whatever cannot be told stays."""
    with suppress(OSError):
        for draft in folder.glob(_DRAFT.format("*")):
            with suppress(OSError):
                found = draft.lstat()
                old = time.time() - found.st_mtime > STALE_S
                if old and stat.S_ISREG(found.st_mode) and _let_go(draft):
                    draft.unlink()


def _hold(descriptor: int) -> bool:
    """Lock an open file until it is closed; False where another has it or none can be locked."""
    import fcntl

    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def _let_go(draft: Path) -> bool:
    """Whether no process holds the draft: a writer that was merely stopped still does."""
    descriptor = os.open(draft, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    try:
        return _hold(descriptor)
    finally:
        os.close(descriptor)
