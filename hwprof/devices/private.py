"""Folders that code is run from: nobody else may write there.

What a compiler keeps for the next time is loaded as it lies there. A folder with a name that can be
guessed, in a place where everybody may make folders, may be somebody else's.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path

_OTHERS_WRITE = stat.S_IWGRP | stat.S_IWOTH


def intruder(folder: Path) -> str:
    """Who else could put files into `folder`, in a few words; empty where nobody could.

    The folder must be there, be no link, and belong to this user, and neither it nor any folder
    above it may be changed by others. A folder above that everybody may write to is fine where
    nobody can rename what is not theirs (the sticky bit, as /tmp has it).
    """
    if os.name != "posix":  # a system without owners
        return ""
    own = os.geteuid()
    try:
        found = folder.lstat()
        if stat.S_ISLNK(found.st_mode):
            return "it is a link"
        if not stat.S_ISDIR(found.st_mode):
            return "it is no folder"
        if found.st_uid != own:
            return "it belongs to another user"
        if found.st_mode & _OTHERS_WRITE:
            return "others may write to it"
        for above in Path(os.path.realpath(folder)).parents:
            state = above.stat()
            if state.st_uid not in (0, own):
                return f"'{above}' above it belongs to another user"
            if state.st_mode & _OTHERS_WRITE and not state.st_mode & stat.S_ISVTX:
                return f"others may write to '{above}' above it"
    except (OSError, ValueError) as error:
        return f"it cannot be looked at ({getattr(error, 'strerror', None) or error})"
    return ""


def made_private(folder: Path) -> tuple[Path, str]:
    """A folder by its real path, and what `intruder` says of it.

    Where there is none it is made, for this user alone. Links above it are resolved once, so that
    nobody can turn them later.
    """
    folder = Path(os.path.realpath(folder.parent), folder.name)
    try:
        folder.mkdir(mode=0o700, parents=True)
    except FileExistsError:
        pass
    except (OSError, ValueError) as error:
        return folder, f"it cannot be made ({getattr(error, 'strerror', None) or error})"
    return folder, intruder(folder)
