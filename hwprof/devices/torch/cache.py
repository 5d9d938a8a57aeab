"""Where inductor keeps the code that it wrote: it runs what it finds there.

By default that is a folder of the temporary one, whose name anybody can guess and whoever makes it
first owns (torch/_inductor/runtime/cache_dir_utils.py of PyTorch 2.13).
"""

from __future__ import annotations

import os
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
    from torch._inductor.runtime.cache_dir_utils import default_cache_dir

    for variable in (VARIABLE, TRITON):
        named = os.environ.get(variable)
        if named:
            os.environ[variable] = str(_checked(Path(named).absolute(), variable))
    if not os.environ.get(VARIABLE):
        folder, reason = made_private(Path(default_cache_dir()))
        if reason:
            made = scratch_folder()
            _kept.append(made)
            folder = Path(made.name)
        os.environ[VARIABLE] = str(folder)


def _checked(folder: Path, variable: str) -> Path:
    folder, reason = made_private(folder)
    if reason:
        raise DeviceError(
            f"compiled code would be run from '{folder}', which {variable} names, and {reason}; "
            "name a folder of your own there (chmod 700), or unset the variable"
        )
    return folder
