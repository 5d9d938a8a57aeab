"""Lines of bytes over two file descriptors, such as those of pipes and sockets, in bounded time."""

from __future__ import annotations

import math
import os
import select
import time
from collections.abc import Callable

from hwprof.targets.stream import Ended, Late

CHUNK = 1 << 16
# A process that was stopped itself, with its machine or by a signal, has not waited meanwhile: no
# more than this is counted at once.
SLICE_S = 1.0


class Pipes:
    """Reads lines from one file descriptor and writes to another; both stay the caller's to close.

    They are made non-blocking. `clock` gives seconds.
    """

    def __init__(self, source: int, sink: int, clock: Callable[[], float] = time.monotonic) -> None:
        os.set_blocking(source, False)
        os.set_blocking(sink, False)
        self._source = source
        self._sink = sink
        self._clock = clock
        self._came = bytearray()

    def read_line(self, limit: int, wait_s: float) -> bytes:
        """As `Stream.read_line`."""
        searched = 0
        while True:
            end = self._came.find(b"\n", searched)
            if end >= 0:
                return self._take(min(end + 1, limit))
            if len(self._came) >= limit:
                return self._take(limit)
            searched = len(self._came)
            wait_s = self._wait(self._source, select.POLLIN, wait_s)
            try:
                part = os.read(self._source, CHUNK)
            except BlockingIOError:  # somebody else read it
                continue
            if not part:
                return self._take(searched)
            self._came += part

    def write(self, data: bytes, wait_s: float) -> None:
        """As `Stream.write`."""
        left = memoryview(data)
        while left:
            wait_s = self._wait(self._sink, select.POLLOUT, wait_s)
            try:
                left = left[os.write(self._sink, left[:CHUNK]) :]
            except BlockingIOError:
                continue
            except OSError as error:  # a broken pipe, a connection that was reset
                raise Ended from error

    def _take(self, size: int) -> bytes:
        taken = bytes(self._came[:size])
        del self._came[:size]
        return taken

    def _wait(self, descriptor: int, event: int, left_s: float) -> float:
        """Wait until there is something to read, or room to write; the seconds that are left.

        Looks once more when the time is over: what came meanwhile counts. Raises Late.
        """
        poller = select.poll()
        poller.register(descriptor, event)
        while True:
            slice_s = min(max(left_s, 0.0), SLICE_S)
            began_s = self._clock()
            if poller.poll(math.ceil(slice_s * 1000)):
                return left_s - min(self._clock() - began_s, slice_s)
            if left_s <= 0:
                raise Late
            left_s -= slice_s
