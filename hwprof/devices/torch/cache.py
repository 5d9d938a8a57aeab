"""Where inductor keeps the code that it wrote: it runs what it finds there.

By default that is a folder of the temporary one, whose name anybody can guess and whoever makes it
first owns (torch/_inductor/runtime/cache_dir_utils.py of PyTorch 2.13).
"""

from __future__ import annotations

import getpass
import os
import re
import tempfile
from pathlib import Path

from hwprof.devices.private import made_private
from hwprof.devices.scratch import ScratchFolder, scratch_folder
from hwprof.errors import DeviceError

VARIABLE = "TORCHINDUCTOR_CACHE_DIR"
TRITON = "TRITON_CACHE_DIR"

# For as long as this process runs: loaded code stays where it lies.
_kept: list[ScratchFolder] = []


def run_own_code() -> None:
    """Have inductor and Triton keep code, and take it from, where nobody else can put any.

    That is inductor's usual folder where it is this user's alone, so that what was compiled before
    is found again, and else a new one. Raises DeviceError for a folder that the environment names
    and that others may write to.
    """
    named = {variable: os.environ.get(variable, "") for variable in (VARIABLE, TRITON)}
    for variable, folder in named.items():
        if folder:
            os.environ[variable] = str(_checked(Path(folder).absolute(), variable))
        else:  # torch would take an empty name for the working directory
            os.environ.pop(variable, None)
    if not named[VARIABLE]:
        path, reason = made_private(usual_folder())
        if reason:
            made = scratch_folder()
            _kept.append(made)
            path = Path(made.name)
        os.environ[VARIABLE] = str(path)


def usual_folder() -> Path:
    """Inductor's own, named without importing it: that alone makes the folder and uses it."""
    try:
        user = getpass.getuser()
    except (KeyError, ModuleNotFoundError, OSError):  # a user that the system has no name for
        user = f"uid_{os.getuid()}" if hasattr(os, "getuid") else "unknown_user"
    return Path(tempfile.gettempdir()) / ("torchinductor_" + re.sub(r'[\\/:*?"<>|]', "_", user))


def _checked(folder: Path, variable: str) -> Path:
    folder, reason = made_private(folder)
    if reason:
        raise DeviceError(
            f"compiled code would be run from '{folder}', which {variable} names, and {reason}; "
            "name a folder of your own there (chmod 700), or unset the variable"
        )
    return folder
