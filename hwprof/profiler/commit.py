"""The git commit of the caller's work tree, read from git's own files without running git.

What a hostile folder above may hold is only ever compared with a pattern: a commit's digits come
out, or nothing. The layout of the files: gitrepository-layout(5).
"""

from __future__ import annotations

import os
import re
import stat
from pathlib import Path

_COMMIT = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_REF = re.compile(r"refs/[^\x00-\x20\x7f~^:?*\[\\]+")
# A reference is some fifty bytes long; packed ones of a large project come to megabytes.
_MOST_BYTES = 4096
_MOST_PACKED_BYTES = 64 << 20
_MOST_LINKS = 5


def current_commit(folder: Path | None = None) -> str | None:
    """The commit that is checked out where `folder`, else the current folder, lies.

    40 or 64 hex digits; None outside of a work tree, before its first commit, and where git's
    files cannot be read. Whether files were changed since is not looked at. Raises nothing.
    """
    try:
        here = Path.cwd() if folder is None else folder.absolute()
        for above in (here, *here.parents):
            repository = _repository(above / ".git")
            if repository is not None:
                return _head(repository)
    except (OSError, ValueError):
        # A current folder that was removed, a link that leads nowhere, a name with a NUL.
        return None
    return None


def _repository(entry: Path) -> Path | None:
    """The folder with HEAD: `.git` itself, or where it points to in linked trees and submodules."""
    if entry.is_dir():
        return entry if (entry / "HEAD").is_file() else None
    pointer = _text(entry)
    if pointer is None or not pointer.startswith("gitdir:"):
        return None
    return entry.parent / pointer.removeprefix("gitdir:").strip()


def _head(repository: Path) -> str | None:
    """The commit that HEAD names, through as many references as it takes."""
    shared = _text(repository / "commondir")
    common = repository if shared is None else repository / shared
    name = "HEAD"
    for _ in range(_MOST_LINKS):
        # A linked tree has its own HEAD; branches are the main one's.
        text = _text(repository / name) or _text(common / name) or _packed(common, name)
        if text is None or not text.startswith("ref:"):
            return text if text is not None and _COMMIT.fullmatch(text) else None
        name = text.removeprefix("ref:").strip()
        if not _REF.fullmatch(name) or ".." in name:
            return None
    return None


def _packed(common: Path, name: str) -> str | None:
    """A reference among those that git has packed into one file: `digits name` each line."""
    for line in (_text(common / "packed-refs", _MOST_PACKED_BYTES) or "").splitlines():
        digits, _, packed = line.partition(" ")
        if packed == name:
            return digits
    return None


def _text(path: Path, most_bytes: int = _MOST_BYTES) -> str | None:
    """What a regular file begins with, without blanks around; None for whatever else is there."""
    try:
        # Not waiting for the other end, should it be a pipe.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            return None
        return os.read(descriptor, most_bytes).decode("utf-8", errors="replace").strip()
    finally:
        os.close(descriptor)
