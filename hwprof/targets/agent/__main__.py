"""The worker's own process: `python -m hwprof.targets.agent`."""

from __future__ import annotations

import os
import sys
from typing import BinaryIO

from hwprof.children import die_with_parent
from hwprof.machine.host.stops import count_stops
from hwprof.targets.agent.server import Server
from hwprof.telemetry import opt_out


def own_stdout() -> BinaryIO:
    """Keep standard output for the protocol; whatever a runtime prints goes to standard error."""
    stream = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    return stream


if __name__ == "__main__":
    # No orphan keeps a core.
    die_with_parent()
    # Whoever started it, perhaps on another machine, may not have.
    opt_out()
    count_stops()
    Server(sys.stdin.buffer, own_stdout()).serve()
