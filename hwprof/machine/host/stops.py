"""How often signals stopped this process: SIGSTOP and SIGCONT, as `cpulimit` sends them in turn.

Being stopped counts neither as a context switch nor as waiting for a processor, and where several
threads run, their CPU time does not tell it from a caller that sleeps. But what continues a process
is a signal as well, and that one can be heard.
"""

from __future__ import annotations

import signal
from types import FrameType

_HEARD = [0]


def count_stops() -> None:
    """Count from now on. For a process of hwprof's own: it takes the handler of SIGCONT.

    Only the main thread can ask for it; elsewhere, and without such a signal, nothing is counted.
    """
    number = getattr(signal, "SIGCONT", None)
    if number is None:
        return
    try:
        signal.signal(number, _continued)
        # A runtime that sleeps in a system call sleeps on.
        signal.siginterrupt(number, False)
    except ValueError:
        return


def stops() -> int:
    """How often this process was continued after a stop, as far as it was counted."""
    return _HEARD[0]


def _continued(number: int, frame: FrameType | None) -> None:
    _HEARD[0] += 1
