"""Temporary folders that are gone at the latest when hwprof runs the next time.

A worker is killed rather than asked to stop, so what it leaves behind is its parent's to remove:
the parent names a folder in the environment. A parent may be killed as well. It holds a lock on
each of its folders (flock(2), which ends with its holder however that ends), and the folder's name
says its number: the next process that makes a folder removes those that nobody holds.
"""

from __future__ import annotations

import os
import re
import shutil
import tempfile
import time
import weakref
from functools import cache
from types import TracebackType

from hwprof.errors import MeasurementError

try:
    import fcntl
except ImportError:  # Windows: nothing can be told of who holds what, and nothing is cleared
    fcntl = None  # type: ignore[assignment]

VARIABLE = "HWPROF_SCRATCH"
# Between making a folder and locking it lie microseconds.
FRESH_S = 60.0
_NAME = re.compile(r"hwprof-([0-9]{1,9})-[a-z0-9_]{4,32}")


class ScratchFolder:
    """A temporary folder, removed by `cleanup`; a context manager that gives its path."""

    def __init__(self, parent: str | None = None) -> None:
        """Use `scratch_folder`. Raises MeasurementError when there can be none."""
        try:
            self._folder = tempfile.TemporaryDirectory(
                prefix=f"hwprof-{os.getpid()}-", dir=parent, ignore_cleanup_errors=True
            )
        except OSError as error:
            raise MeasurementError(
                f"no temporary folder can be made ({error.strerror or error}); free some disk "
                "space, or name another place with TMPDIR"
            ) from error
        lock = _lock(self._folder.name)
        self._unlock = None if lock is None else weakref.finalize(self, os.close, lock)

    @property
    def name(self) -> str:
        """Its path."""
        return self._folder.name

    def cleanup(self) -> None:
        """Remove it with all that is in it. Calling it again does nothing."""
        self._folder.cleanup()
        if self._unlock is not None:
            self._unlock()

    def __enter__(self) -> str:
        return self.name

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.cleanup()


def scratch_folder() -> ScratchFolder:
    """A new folder for converted models, profiles and the like.

    The first one of a process that is no worker also clears what killed processes left behind.
    Raises MeasurementError when the temporary folder takes none.
    """
    parent = os.environ.get(VARIABLE)
    if parent is None:
        _clear_once(tempfile.gettempdir())
    return ScratchFolder(parent)


@cache
def _clear_once(place: str) -> None:
    clear_leftovers(place)


def clear_leftovers(place: str) -> tuple[str, ...]:
    """Remove the folders in `place` whose owners are gone; their names.

    Only folders of this user that `ScratchFolder` made, and never through a link.
    """
    try:
        with os.scandir(place) as entries:
            found = [(entry.name, entry.path) for entry in entries]
    except OSError:
        return ()
    cleared = []
    for name, path in found:
        made = _NAME.fullmatch(name)
        if made is not None and _clear(path, int(made[1])):
            cleared.append(name)
    return tuple(cleared)


def _clear(path: str, owner: int) -> bool:
    """Remove one folder unless somebody holds it; whether it was removed."""
    lock = _lock(path)
    if lock is None:
        return False
    try:
        status = os.fstat(lock)
        if status.st_uid != os.getuid():
            return False
        # One that was made this moment, and is not locked yet.
        if time.time() - status.st_mtime < FRESH_S and _runs(owner):
            return False
        # It opens each folder without following links, and compares it with what it listed.
        shutil.rmtree(path, ignore_errors=True)
        return True
    finally:
        os.close(lock)


def _lock(path: str) -> int | None:
    """An open folder that this process holds alone; None where another does, or nobody can."""
    if fcntl is None:
        return None
    try:
        folder = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    except OSError:
        return None
    try:
        fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(folder)
        return None
    return folder


def _runs(process: int) -> bool:
    """Whether there is a process of this number, if only as far as this one can see."""
    try:
        os.kill(process, 0)
    except PermissionError:
        return True
    except OSError:
        return False
    return True
