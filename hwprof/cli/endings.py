"""Signals that end hwprof: Ctrl-C, TERM and HUP all end it in one sentence.

The first one unwinds what is under way, so that workers are ended, temporary folders removed and
the table closed. More of them must not interrupt that; who insists gets an end at once, and what is
left behind is cleared by the next run.
"""

from __future__ import annotations

import os
import signal
from contextlib import suppress
from types import FrameType
from typing import NoReturn

ENDED_BY = 128
INTERRUPTED = ENDED_BY + 2
# A second Ctrl-C is a finger that was quick.
INSISTS = 3

_heard: list[int] = []
_over: list[bool] = []


def listen() -> None:
    """Let the signals that end a program raise KeyboardInterrupt in it, once.

    Those that somebody decided on already are left alone, as `nohup` does with HUP.
    """
    for name in ("SIGINT", "SIGTERM", "SIGHUP"):
        number = getattr(signal, name, None)
        if number is None:
            continue
        if signal.getsignal(number) in (signal.SIG_DFL, signal.default_int_handler):
            signal.signal(number, _hear)


def _hear(number: int, frame: FrameType | None) -> None:
    _heard.append(number)
    if len(_heard) >= INSISTS:
        os._exit(code())
    if len(_heard) == 1 and not _over:
        raise KeyboardInterrupt


def finished() -> None:
    """All is done and said: what ends in a moment need not be interrupted."""
    _over.append(True)


def code() -> int:
    """The exit code of a run that a signal ended, as shells have it: 130, 143 or 129."""
    return ENDED_BY + _heard[0] if _heard else INTERRUPTED


def sentence() -> str:
    """What is said of it."""
    how = "interrupted"
    if code() != INTERRUPTED:
        how = f"ended by {signal.Signals(_heard[0]).name}"
    return f"{how}; what was measured before is saved"


def leave() -> NoReturn:
    """End now, where nothing but imports was under way."""
    with suppress(OSError):  # nobody may be there to read it
        os.write(2, f"error: {sentence()}\n".encode())
    os._exit(code())
