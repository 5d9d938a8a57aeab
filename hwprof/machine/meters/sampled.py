"""Energy from sensors that have to be polled: a thread samples, and an integral adds up.

A power sensor tells watts at a moment. Joules are the area under its readings, by the trapezoidal
rule over the times at which they were really taken. A charge counter tells what is left; joules
are how far it fell. Either way nothing is filled in: when no sample was taken for too long, or the
reading never moves, there is no answer but a fault.
"""

from __future__ import annotations

import math
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable

from hwprof.errors import DeviceError

# A thread is late when the processor is taken, or when a runtime holds Python's interpreter lock.
# Beyond this the power in between is anybody's guess.
MAX_GAP_PERIODS = 10
MAX_GAP_S = 0.5
"""Bridged even where ten periods are shorter: a busy system lets a thread wait as long."""
# An idle window and a loaded one take 100 samples each (hwprof.machine.meters.window): a reading
# that is the same throughout did not notice the load.
MAX_UNCHANGED = 150
# Two changes may lie close by accident, as when voltage and current are updated in turn.
_MIN_CHANGES = 3


class Accumulator(ABC):
    """Turns timed readings into joules."""

    joules: float = 0.0
    """Since the first reading; never falling."""

    @abstractmethod
    def add(self, at_s: float, value: float) -> None:
        """Take one reading in. Raises DeviceError for one that cannot follow the last."""


class PowerIntegral(Accumulator):
    """Area under readings of power, in watts, by the trapezoidal rule."""

    def __init__(self, longest_gap_s: float = math.inf) -> None:
        self._longest_gap_s = longest_gap_s
        self._last: tuple[float, float] | None = None

    def add(self, at_s: float, value: float) -> None:
        """`value` in watts. Raises DeviceError if negative, not finite, or after too long a gap."""
        if not (math.isfinite(value) and value >= 0):
            raise DeviceError(f"the power sensor gave {value} W; check its wiring and its driver")
        if self._last is not None:
            before_s, before_w = self._last
            gap_s = at_s - before_s
            if gap_s > self._longest_gap_s:
                raise DeviceError(
                    f"power went unsampled for {gap_s:.3g} s, and {self._longest_gap_s:.3g} s is "
                    "the most that can be bridged; measure on a machine with a processor to spare"
                )
            self.joules += max(gap_s, 0.0) * (before_w + value) / 2
        self._last = at_s, value


class Drain(Accumulator):
    """How far a counter of the joules that are left has fallen."""

    def __init__(self) -> None:
        self._last: float | None = None

    def add(self, at_s: float, value: float) -> None:
        """`value` in joules, from any origin. Raises DeviceError if there is more than before."""
        if self._last is not None:
            if not value <= self._last:
                raise DeviceError(
                    f"the charge rose by {value - self._last:.4g} J; "
                    "unplug the charger and measure again"
                )
            self.joules += self._last - value
        self._last = value


class Sampler:
    """Polls a sensor once per period, in a thread of its own once started.

    `read` gives watts or joules, as `accumulator` takes them, and may raise DeviceError. Without
    `start` nothing happens but by `sample` and `read_j`, which is how tests drive it.
    """

    def __init__(
        self,
        read: Callable[[], float],
        period_s: float,
        accumulator: Accumulator | None = None,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Takes the first reading. Raises what `read` raises."""
        self._read = read
        self._nominal_s = period_s
        self._accumulator = accumulator or PowerIntegral(max(MAX_GAP_PERIODS * period_s, MAX_GAP_S))
        self._clock = clock
        self._lock = threading.Lock()
        self._fault: DeviceError | None = None
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None

        self._value = read()
        self._first_s = self._last_s = clock()
        self._accumulator.add(self._first_s, self._value)
        self._ticks = 0
        self._unchanged = 0
        self._changed_s = math.nan
        self._changes = 0
        self._shortest_change_s = math.inf

    def start(self) -> Sampler:
        """Begin to poll. Returns itself."""
        self._thread = threading.Thread(target=self._poll, name="hwprof-power", daemon=True)
        self._thread.start()
        return self

    def _poll(self) -> None:
        while self._fault is None and not self._stopping.wait(self._nominal_s):
            self.sample()

    def sample(self) -> None:
        """Take one reading in. Raises nothing: a fault is kept, and `read_j` raises it."""
        with self._lock:
            self._take()
            self._ticks += 1
            self._last_s = self._clock()
            self._unchanged += 1
            if self._unchanged >= MAX_UNCHANGED and self._fault is None:
                self._fault = DeviceError(
                    f"the reading stayed the same for {self._unchanged} samples, idle or not; "
                    "check that the sensor is alive"
                )

    def _take(self) -> None:
        if self._fault is not None:
            return
        try:
            value = self._read()
            at_s = self._clock()
            self._accumulator.add(at_s, value)
        except DeviceError as error:
            self._fault = error
            return
        except Exception as error:  # in a thread nobody would see it
            self._fault = DeviceError(f"the sensor failed: {type(error).__name__}: {error}")
            return
        if value != self._value:
            if not math.isnan(self._changed_s):
                self._shortest_change_s = min(self._shortest_change_s, at_s - self._changed_s)
            self._changes += 1
            self._changed_s, self._unchanged, self._value = at_s, 0, value

    @property
    def period_s(self) -> float:
        """Seconds between updates, as far as known: the longest of three.

        They are the period asked for, the mean time between samples really taken, and the
        shortest time between two changes of the reading, which a slow sensor cannot go below.
        """
        with self._lock:
            mean_s = (self._last_s - self._first_s) / self._ticks if self._ticks else 0.0
            slow_s = self._shortest_change_s if self._changes >= _MIN_CHANGES else 0.0
            return max(self._nominal_s, mean_s, slow_s)

    def read_j(self) -> float:
        """Joules up to now; a reading is taken for the purpose. Raises DeviceError on a fault."""
        with self._lock:
            self._take()
            if self._fault is not None:
                raise DeviceError(str(self._fault))
            return self._accumulator.joules

    def close(self) -> None:
        """End the thread. Calling it again does nothing."""
        self._stopping.set()
        if self._thread is not None:
            self._thread.join()
            self._thread = None
