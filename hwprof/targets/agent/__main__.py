"""The worker's own process: `python -m hwprof.targets.agent`."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from typing import BinaryIO

from hwprof.targets.agent.server import Server
from hwprof.telemetry import opt_out

PR_SET_PDEATHSIG = 1


def die_with_parent() -> None:
    """Have Linux kill this process when its parent dies (prctl(2)): no orphan keeps a core."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def own_stdout() -> BinaryIO:
    """Keep standard output for the protocol; whatever a runtime prints goes to standard error."""
    stream = os.fdopen(os.dup(1), "wb", buffering=0)
    os.dup2(2, 1)
    return stream


if __name__ == "__main__":
    die_with_parent()
    # Whoever started it, perhaps on another machine, may not have.
    opt_out()
    Server(sys.stdin.buffer, own_stdout()).serve()
