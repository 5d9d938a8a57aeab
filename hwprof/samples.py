"""Raw timings, and which of them may be believed."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]
Scalar = TypeVar("Scalar", bound=np.generic)


class Basis(StrEnum):
    """Which figure of a sample the statistics are made of."""

    WALL_CLEAN = "wall, clean"
    """Wall time of the runs that were never interrupted."""
    CPU_TIME = "cpu time"
    """CPU time of the one running thread: used when hardly any run went uninterrupted."""
    WALL_ALL = "wall, all"
    """Wall time of every run: interruptions could not be told, or could not be undone."""


# Fewer clean samples than this, or a smaller share, cannot carry a lower quartile: the few runs
# that escaped interruption are then the short ones, not typical ones.
MIN_CLEAN = 8
MIN_CLEAN_SHARE = 0.10
# Threads of a quiet run wait for up to about 1 % of it, for the kernel's own work.
MAX_WAITED = 0.01
# A run on one thread that was never stopped takes its CPU time, reading the clocks, and some page
# faults. What is stopped by a signal (SIGSTOP, cpulimit) counts neither as a switch nor as waiting.
MAX_PAUSE = 0.05
MAX_PAUSE_S = 50e-6
# More CPU time than this over wall time is that of several threads. There the caller may sleep
# while others work, more in one run than in another.
ALONE = 1.1
MAX_PAUSE_OF_SEVERAL = 0.2
BEST_RUNS = 0.9


@dataclass(frozen=True, slots=True, eq=False)
class Samples:
    """Timings of consecutive runs, seconds per run, shape `[n]`.

    `cpu_s` is the CPU time of the timing thread, `busy_s` that of all threads of the process;
    `switches` counts involuntary context switches during the sample, and stops by signals where
    those are counted; `waited_s` is for how long threads of the process were ready to run and had
    to wait for a processor, summed over threads. Each is None where the system has no such counter.
    Each sample times `loops` runs back to back and holds their mean (`switches` those of all).
    """

    wall_s: FloatArray
    cpu_s: FloatArray | None = None
    switches: IntArray | None = None
    loops: int = 1
    busy_s: FloatArray | None = None
    waited_s: FloatArray | None = None

    def __post_init__(self) -> None:
        # Arrays arrive from JSON and SQLite too, so shape and sign are checked here, once.
        if self.wall_s.ndim != 1:
            raise ValueError(f"wall_s must have shape [n], got {self.wall_s.shape}")
        for name in ("cpu_s", "switches", "busy_s", "waited_s"):
            column = getattr(self, name)
            if column is not None and column.shape != self.wall_s.shape:
                raise ValueError(f"{name} must have shape {self.wall_s.shape}, got {column.shape}")
        if self.loops < 1:
            raise ValueError(f"loops must be at least 1, got {self.loops}")
        for name in ("wall_s", "cpu_s", "busy_s", "waited_s"):
            column = getattr(self, name)
            if column is not None and not np.all(np.isfinite(column) & (column >= 0)):
                raise ValueError(f"{name} must be finite and not negative")

    def __len__(self) -> int:
        return int(self.wall_s.size)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Samples):
            return NotImplemented
        return (
            self.loops == other.loops
            and np.array_equal(self.wall_s, other.wall_s)
            and same_array(self.cpu_s, other.cpu_s)
            and same_array(self.switches, other.switches)
            and same_array(self.busy_s, other.busy_s)
            and same_array(self.waited_s, other.waited_s)
        )

    __hash__ = None  # type: ignore[assignment]

    @property
    def clean(self) -> BoolArray | None:
        """Mask of the samples during which nobody took the processor away; None if unknown.

        Where it is known for how long threads ran and waited, that must tell the same: nothing
        waited for, and no pause.
        """
        if self.switches is None:
            return None
        clean: BoolArray = self.switches == 0
        if self.waited_s is not None:
            clean &= self.waited_s <= MAX_WAITED * self.wall_s
        if self.busy_s is not None and self.cpu_s is not None and len(self):
            clean &= ~self._paused(self.cpu_s, self.busy_s)
        return clean

    def _paused(self, cpu_s: FloatArray, busy_s: FloatArray) -> BoolArray:
        """Samples in which nothing ran for longer than in others."""
        slack_s = MAX_PAUSE_S / self.loops
        if busy_s.sum() <= ALONE * self.wall_s.sum():
            # Another thread may do the caller's work, who sleeps meanwhile.
            return self.wall_s > (1 + MAX_PAUSE) * np.maximum(cpu_s, busy_s) + slack_s
        # Where several run, like runs have like shares of the caller's time. That of the others is
        # known only up to their last tick (1 to 10 ms).
        usual = float(np.quantile(cpu_s / np.maximum(self.wall_s, 1e-12), BEST_RUNS))
        return cpu_s + slack_s < (1 - MAX_PAUSE_OF_SEVERAL) * usual * self.wall_s

    @property
    def clean_share(self) -> float | None:
        clean = self.clean
        return None if clean is None or not len(self) else float(clean.mean())

    def basis(self, threads: int) -> Basis:
        """The most trustworthy basis these samples allow for a run on `threads` threads."""
        clean = self.clean
        if clean is None:
            return Basis.WALL_ALL
        if clean.sum() >= MIN_CLEAN and clean.mean() >= MIN_CLEAN_SHARE:
            return Basis.WALL_CLEAN
        # With several threads the caller's CPU time is not the run's duration (20 % off).
        return Basis.CPU_TIME if threads == 1 and self.cpu_is_work else Basis.WALL_ALL

    @property
    def cpu_is_work(self) -> bool:
        """Whether the caller's CPU time is known and most of the process's: it does the work."""
        if self.cpu_s is None or self.busy_s is None:
            return self.cpu_s is not None
        return bool(self.cpu_s.sum() >= self.busy_s.sum() / 2)

    def values(self, basis: Basis) -> FloatArray:
        """The timings that `basis` selects, seconds, shape `[m]` with m <= n."""
        if basis is Basis.WALL_CLEAN and self.clean is not None:
            return self.wall_s[self.clean]
        if basis is Basis.CPU_TIME and self.cpu_s is not None:
            return self.cpu_s
        return self.wall_s

    @staticmethod
    def concatenate(parts: list[Samples]) -> Samples:
        """All samples of `parts` in order. Raises ValueError when their `loops` differ."""
        if not parts:
            return Samples(np.empty(0), np.empty(0), np.empty(0, dtype=np.int64))
        if len({part.loops for part in parts}) > 1:
            raise ValueError("samples of different loop counts cannot be joined")
        return Samples(
            np.concatenate([part.wall_s for part in parts]),
            _joined([part.cpu_s for part in parts]),
            _joined([part.switches for part in parts]),
            parts[0].loops,
            _joined([part.busy_s for part in parts]),
            _joined([part.waited_s for part in parts]),
        )


def _joined(columns: list[NDArray[Scalar] | None]) -> NDArray[Scalar] | None:
    known = [column for column in columns if column is not None]
    return np.concatenate(known) if len(known) == len(columns) else None


def same_array(a: NDArray[np.generic] | None, b: NDArray[np.generic] | None) -> bool:
    """Whether two columns are equal, or are both absent."""
    if a is None or b is None:
        return a is b
    return np.array_equal(a, b)
