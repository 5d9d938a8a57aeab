"""For how long threads were ready to run and had to wait for a processor.

`/proc/self/task/TID/schedstat` (Linux, Documentation/scheduler/sched-stats.rst) holds nanoseconds
of running, nanoseconds of waiting, and time slices. A wait is added when it ends, in one lump: who
reads in between finds nothing, then all of it. The caller's own waits are over when it reads.
"""

from __future__ import annotations

import os
import threading
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from hwprof.machine.host.roots import SYSTEM, Roots
from hwprof.samples import FloatArray, IntArray

# "ran waited slices", three numbers of at most 20 digits.
_LINE = 64


def waits_of_threads(roots: Roots = SYSTEM) -> ThreadWaits | None:
    """A reader of this process's threads; None where the system does not count their waits."""
    waits = ThreadWaits(roots.proc / "self/task", threading.get_native_id())
    # Without the accounting, files that are there hold zeros: even the caller never ran.
    if not waits.list_again() or not waits.counts():
        waits.close()
        return None
    return waits


@dataclass(slots=True)
class ThreadWaits:
    """Waits of this process's threads since each began. Files stay open between readings.

    Use `waits_of_threads`. Reading a thread takes about a microsecond.
    """

    folder: Path
    """Where the threads of this process are listed."""
    caller: int
    """Id of the calling thread."""
    _files: dict[int, int] = field(default_factory=dict)
    _waited: dict[int, int] = field(default_factory=dict)
    _links: int = -1

    def read(self) -> dict[int, int]:
        """Nanoseconds that each thread has waited so far, by its id.

        A thread that ended keeps its last figure; one that began is among them from now on.
        """
        if self._folder_links() != self._links:
            self.list_again()
        for thread, file in self._files.items():
            found = _numbers(file)
            if found is not None:
                self._waited[thread] = found[1]
        return dict(self._waited)

    def counts(self) -> bool:
        """Whether any thread is known to have run at all."""
        found = [_numbers(file) for file in self._files.values()]
        return any(numbers is not None and numbers[0] > 0 for numbers in found)

    def list_again(self) -> bool:
        """Open the files of threads that are new; whether there is any thread at all."""
        self._links = self._folder_links()
        try:
            names = [path.name for path in self.folder.iterdir()]
        except OSError:
            names = []
        for name in names:
            if not name.isdecimal() or int(name) in self._files:
                continue
            try:
                file = os.open(f"{self.folder}/{name}/schedstat", os.O_RDONLY)
            except OSError:  # it ended since, or the system has no such file
                continue
            thread = int(name)
            self._files[thread] = file
            found = _numbers(file)
            # What it waited before it was seen is nobody's.
            self._waited.setdefault(thread, found[1] if found else 0)
        return bool(self._files)

    def close(self) -> None:
        """Close the files; what was read stays known."""
        for file in self._files.values():
            os.close(file)
        self._files.clear()

    def _folder_links(self) -> int:
        # A folder has a link for each folder in it: as many as threads, and two.
        try:
            return self.folder.stat().st_nlink
        except OSError:
            return -1


def _numbers(file: int) -> tuple[int, int] | None:
    """Nanoseconds that the thread of an open file ran and waited; None if it ended."""
    try:
        words = os.pread(file, _LINE, 0).split()
        return int(words[0]), int(words[1])
    except (OSError, IndexError, ValueError):
        return None


def waits_within(
    start_ns: IntArray,
    end_ns: IntArray,
    read_ns: IntArray,
    waited_ns: IntArray,
) -> FloatArray:
    """Seconds of the windows `start_ns` to `end_ns`, shape `[n]`, that one thread waited for.

    `read_ns` is when its counter was read after each window, `waited_ns` how much it had grown
    since the reading before, both of shape `[n]`. A wait that is read after a window is taken to
    have ended there, so growth D covers the time from D before the reading: windows before that one
    get their part of it, and time between windows too, which is nobody's.
    """
    found = np.zeros(len(start_ns))
    for i in np.flatnonzero(waited_ns > 0):
        begin = read_ns[i] - waited_ns[i]
        within = end_ns[: i + 1] - np.maximum(start_ns[: i + 1], begin)
        found[: i + 1] += np.maximum(within, 0)
    # Lumps of several waits may be laid over each other: no window is waited for more than whole.
    waited: FloatArray = np.minimum(found, end_ns - start_ns) * 1e-9
    return waited
