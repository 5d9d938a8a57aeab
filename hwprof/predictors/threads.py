"""One thread for linear algebra: matrices of a few hundred columns are done sooner by one core.

A BLAS with several threads spins on all of them between products this small: on two cores a fit
took several times the processor time, and where another process ran, several times the wall time.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from threading import Lock
from typing import Any

# How many blocks are being run, and the limit that the first of them set: threads of this process
# share one BLAS, and whoever leaves last gives it back.
_lock = Lock()
_inside: list[Any] = []


@contextmanager
def one_thread() -> Iterator[None]:
    """For a block or a function (as a decorator), the BLAS of this process has one thread.

    Without threadpoolctl, which `hwprof[predict]` brings, nothing changes. Results are the same but
    for the last digits, and no longer depend on how many cores a machine has.
    """
    controller = _controller()
    if controller is None:
        yield
        return
    with _lock:
        _inside.append(_inside[0] if _inside else controller.limit(limits=1))
    try:
        yield
    finally:
        with _lock:
            limit = _inside.pop()
            if not _inside:
                limit.restore_original_limits()


@cache
def _controller() -> Any:
    """What sets the threads of the BLAS that numpy has loaded; None without threadpoolctl."""
    try:
        from threadpoolctl import ThreadpoolController
    except ImportError:
        return None
    # Looking for libraries takes milliseconds, and numpy's is loaded by now.
    return ThreadpoolController().select(user_api="blas")
