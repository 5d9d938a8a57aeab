"""Files that end and fit into memory: what a caller names may be anything else as well."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

from hwprof.errors import HwprofError, ModelError, wrong

SHOWN = 80


def plain_size(path: Path, error: type[HwprofError] = ModelError, what: str = "model") -> int:
    """Size in bytes of the file at `path`, which messages call a `what`.

    Raises what `hwprof.errors.wrong` makes of `error`, in one sentence, where there is nothing, for
    a folder, and for what need not end: a device, a pipe, a socket. Links are followed.
    """
    name = printable(str(path))
    error = wrong(error)
    try:
        found = path.stat()
    except (FileNotFoundError, NotADirectoryError) as problem:
        raise error(f"there is no file '{name}'; check the path") from problem
    except (OSError, ValueError) as problem:  # ValueError: the character NUL
        raise error(unreachable(name, problem)) from problem
    if stat.S_ISDIR(found.st_mode):
        raise error(f"'{name}' is a folder; name the {what} file inside it")
    if not stat.S_ISREG(found.st_mode):
        raise error(f"'{name}' is a device or a pipe, and no file; name a {what} file")
    return found.st_size


def refuse_beyond_memory(path: Path, size: int, error: type[HwprofError] = ModelError) -> None:
    """Raise `error` where `size` bytes, which are to be read at once, are more than memory is."""
    memory = memory_bytes()
    if memory is not None and size > memory:
        raise error(
            f"'{printable(path.name)}' takes {size / 2**30:.1f} GiB, and this machine has "
            f"{memory / 2**30:.1f} GiB of memory; check the file, or use a larger machine"
        )


def memory_bytes() -> int | None:
    """All memory of this machine; None where the system does not tell."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, OSError, ValueError):
        return None


def unreachable(name: str, problem: Exception) -> str:
    """The sentence for a path that leads nowhere: a name too long, links in a circle, others."""
    if isinstance(problem, PermissionError):
        return f"'{name}' may not be read; check its permissions"
    number = problem.errno if isinstance(problem, OSError) else None
    if number == errno.ENAMETOOLONG:
        return f"the name '{name[:SHOWN]}...' is too long for a file; check the path"
    # Python's own functions tell of a circle by a RuntimeError.
    if number == errno.ELOOP or isinstance(problem, RuntimeError):
        return f"'{name}' is a link in a circle of links; name the file itself"
    if isinstance(problem, OSError):
        return f"'{name}' cannot be read: {problem.strerror or problem}; check the disk"
    return f"{name[:SHOWN]!r} is no name of a file ({problem}); check the path"


def printable(name: str) -> str:
    """A file's name as text: bytes that are not UTF-8 become escapes, so that it can be stored."""
    try:
        raw = os.fsencode(name)
    except UnicodeEncodeError:  # halves of characters, which no file system has
        raw = name.encode("utf-8", "backslashreplace")
    return raw.decode("utf-8", "backslashreplace")
