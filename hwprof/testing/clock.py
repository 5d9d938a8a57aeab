"""A clock that moves only when told, so that tests of timing neither wait nor flicker."""

from __future__ import annotations


class FakeClock:
    """Stands in for `time.perf_counter` (`now`) and `time.sleep` (`sleep`). Seconds."""

    def __init__(self, start_s: float = 0.0) -> None:
        self._now_s = start_s
        self.slept: list[float] = []
        """Every wait that was asked for, in order."""

    def now(self) -> float:
        return self._now_s

    def sleep(self, seconds: float) -> None:
        """Move on at once by `seconds`, and remember that a wait was asked for."""
        self.slept.append(seconds)
        self.advance(seconds)

    def advance(self, seconds: float) -> None:
        """Let time pass without a wait. Raises ValueError for a negative duration."""
        if seconds < 0:
            raise ValueError(f"time cannot go back by {-seconds} s")
        self._now_s += seconds
