"""Writing a file whole or not at all."""

from __future__ import annotations

import errno
import os
import secrets
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from hwprof.errors import HwprofError, TableError, wrong

# What a name itself is wrong with: no such folder, a folder for a file, too long.
MISNAMED = (errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.ENAMETOOLONG, errno.ELOOP)
_DRAFT = ".hwprof-{}.tmp"
# A draft that nobody has written to for so long, and that nobody holds, is of a killed process.
STALE_S = 3600.0


@contextmanager
def whole_file(target: Path, error: type[HwprofError] = TableError) -> Iterator[BinaryIO]:
    """A stream whose content takes the place of `target` once the block ends well.

    Whatever ends the block otherwise, `target` stays as it was. Devices and pipes are written to
    directly. Raises `error`, in one sentence, for a target that cannot be written and a full disk,
    and what `hwprof.errors.wrong` makes of it for a name that cannot be one.
    """
    if "\0" in str(target):
        raise wrong(error)("a file's name cannot contain the character NUL: name another file")
    try:
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
