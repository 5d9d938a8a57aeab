"""Writing a file whole or not at all."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from hwprof.errors import TableError


@contextmanager
def whole_file(target: Path, table: Path) -> Iterator[BinaryIO]:
    """A stream whose content takes the place of `target` once the block ends well.

    Devices and pipes are written to directly. Raises TableError for a target that cannot be
    written, a full disk, or the table's own file.
    """
    if "\0" in str(target):
        raise TableError("a file's name cannot contain the character NUL: name another file")
    try:
        # A link stays a link: the file it points to is replaced.
        target = Path(os.path.realpath(target))
        if target.is_dir():
            raise TableError(f"{target} is a folder: name a file to export to")
        if target.exists() and table.exists() and target.samefile(table):
            raise TableError(f"{target} is the table itself: export to another file")
        with _open(target) as stream:
            yield stream
    except OSError as error:
        raise TableError(
            f"{target} cannot be written ({error}): check its folder and free space, "
            "or export elsewhere"
        ) from error


@contextmanager
def _open(target: Path) -> Iterator[BinaryIO]:
    if target.exists() and not target.is_file():
        with target.open("wb") as stream:
            yield stream
        return
    # In the same folder, as a rename cannot cross file systems.
    draft = target.with_name(f".hwprof-{secrets.token_hex(6)}.tmp")
    try:
        with draft.open("xb") as stream:
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        draft.replace(target)
    finally:
        draft.unlink(missing_ok=True)
