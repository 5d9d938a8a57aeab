"""Work on what a received file asks for, in bounded memory."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def bounded_memory(room_bytes: int) -> Iterator[None]:
    """Allow this process `room_bytes` of memory more than it has, for a while.

    What asks for more gets MemoryError, or what a library makes of it. Memory is that of
    setrlimit(2), RLIMIT_AS: addresses, used or not. Where the system does not tell or does not
    limit it, nothing is bounded.
    """
    try:
        import resource

        pages = int(Path("/proc/self/statm").read_text().split()[0])
        before = resource.getrlimit(resource.RLIMIT_AS)
        most = pages * resource.getpagesize() + room_bytes
        if before[0] != resource.RLIM_INFINITY:
            most = min(most, before[0])
        resource.setrlimit(resource.RLIMIT_AS, (most, before[1]))
    except (ImportError, OSError, ValueError):
        yield
        return
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, before)
