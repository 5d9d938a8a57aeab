"""Child processes that end with the process that started them, however that ends.

Linux kills a child that asked for it when its parent dies (prctl(2), PR_SET_PDEATHSIG). The child
asks itself, at its very start: what runs between fork and exec must not be Python where there are
threads. A parent that died before is noticed by its number.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

PARENT = "HWPROF_PARENT"
PR_SET_PDEATHSIG = 1
_KILL = 9
# Asks, and becomes the program: a parent's death stays asked for across exec.
_BECOME = (
    "import ctypes, os, sys\n"
    f"ctypes.CDLL(None).prctl({PR_SET_PDEATHSIG}, {_KILL})\n"
    "if os.getppid() != int(sys.argv[1]): sys.exit(1)\n"
    "try: os.execv(sys.argv[2], sys.argv[2:])\n"
    "except OSError as error: sys.exit(f'it does not start: {error}')\n"
)


def die_with_parent() -> None:
    """Have Linux kill this process when its parent dies, and end it if that is gone already.

    The parent's number is taken from the environment, where it was put for this process alone.
    """
    if sys.platform != "linux":
        return
    import ctypes  # here: nobody else needs it

    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, _KILL)
    parent = os.environ.pop(PARENT, "")
    # Somebody may stand in between, such as a script that starts the interpreter.
    if parent.isdecimal() and int(parent) != os.getppid() and not Path("/proc", parent).exists():
        os._exit(1)


def bound(command: Sequence[str]) -> list[str]:
    """`command`, such that Linux kills it when this process dies.

    Raises FileNotFoundError for a program that is not there.
    """
    found = shutil.which(command[0])
    if found is None:
        raise FileNotFoundError(2, "there is no such program", command[0])
    program = str(Path(found).absolute())
    if sys.platform != "linux":
        return [program, *command[1:]]
    # -I and -S: it starts in some milliseconds, and reads nothing of the folder that it is in.
    prefix = [sys.executable, "-I", "-S", "-c", _BECOME, str(os.getpid())]
    return [*prefix, program, *command[1:]]
