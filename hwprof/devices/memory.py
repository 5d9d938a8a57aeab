"""Memory of this process from a moment on: what loading and running a model took."""

from __future__ import annotations

import ctypes
import gc

from hwprof.machine.host import peak_reset_obstacle, peak_rss_bytes, reset_peak_rss, rss_bytes
from hwprof.measurement import Memory


class ProcessMemory:
    """Counts from the last `start`. A session starts it before it loads its program.

    A loader that compiles in this process starts it again, by `start_after`, once the compiler is
    done: its memory is not the model's.
    """

    def __init__(self) -> None:
        self._baseline: int | None = None
        self._reason = "nobody started to count"

    def start(self) -> None:
        """Count from here."""
        # A peak that could not be reset may date from before the model: no baseline fits it.
        if not reset_peak_rss():
            self._baseline, self._reason = None, peak_reset_obstacle()
            return
        reading = rss_bytes()
        self._baseline, self._reason = reading.bytes, reading.reason

    def start_after(self, what: str) -> None:
        """Hand freed memory back to the system, then count from here; `what` left it behind."""
        gc.collect()
        if return_heap():
            self.start()
        else:
            self._baseline = None
            self._reason = (
                f"what {what} left in the heap cannot be told from the program's memory here"
            )

    def read(self) -> Memory:
        """Memory since the start. Raises nothing: unknown figures are absent."""
        peak = peak_rss_bytes()
        absent = {}
        if self._reason:
            absent["baseline_rss_bytes"] = self._reason
        if peak.bytes is None:
            absent["peak_rss_bytes"] = peak.reason
        return Memory(baseline_rss_bytes=self._baseline, peak_rss_bytes=peak.bytes, absent=absent)


def return_heap() -> bool:
    """Give freed heap back to the system; whether it can: malloc_trim(3), which only glibc has."""
    try:
        ctypes.CDLL(None).malloc_trim(0)
    except (AttributeError, OSError, TypeError):
        return False
    return True
