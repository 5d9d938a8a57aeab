"""Energy per run: a window long enough for the sensor, beside what the machine draws when idle."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from hwprof.errors import DeviceError
from hwprof.machine.meters.base import Absent, EnergyMeter

if TYPE_CHECKING:
    from hwprof.measurement import Energy

# The counter steps once per period, so each edge of the window is off by up to one period: with
# 100 periods the energy is right to 2 %.
MIN_PERIODS = 100
# A sensor of 1 ms would be content with 0.1 s, in which a single burst of another process weighs
# too much, in the idle window above all.
MIN_WINDOW_S = 1.0
# A stretch is at most this many times what was run before: a rate guessed from few runs (timer
# resolution, one hiccup) must not overshoot the window by much.
_GROWTH = 8
_MAX_RUNS = 1 << 30
# Waits until the idle window is long enough for a sensor that turns out slower than it said.
_MAX_WAITS = 100


class _SensorFault(Exception):
    """Why there is no reading. Its own class, so that an error raised by a run is not taken in."""


def measure_energy(
    meter: EnergyMeter | Absent,
    run: Callable[[int], object],
    *,
    idle: Callable[[float], None] = time.sleep,
    clock: Callable[[], float] = time.perf_counter,
    min_periods: int = MIN_PERIODS,
    min_window_s: float = MIN_WINDOW_S,
) -> Energy:
    """Energy of `run(n)`, which does n runs and is warm already.

    First the meter is read around an idle window (`idle` waits that many seconds), then around
    as many runs as fill a window of `min_periods` sensor periods, at least `min_window_s`; a
    sensor that turns out slower meanwhile makes both longer. The reading keeps both, in joules;
    nothing is subtracted, scaled or estimated here. The meter stays open. The answer is
    a reason instead where there is no meter, or where its counter stood still, went backwards or
    cannot bridge one stretch of runs. Raises what `run` raises, and ValueError for a window
    without length.
    """
    # Brings numpy, which finding a meter should not wait for.
    from hwprof.measurement import Energy, EnergyReading

    if min_periods < 1 or min_window_s < 0:
        raise ValueError(f"the window needs a length, got {min_periods} periods, {min_window_s} s")
    if isinstance(meter, Absent):
        return Energy(reason=meter.reason)

    def window_s() -> float:
        return max(min_periods * meter.sample_period_s, min_window_s)

    try:
        idle_began_j, idle_began_s = _read(meter), clock()
        idle_s = 0.0
        for _ in range(_MAX_WAITS):
            idle(window_s() - idle_s)
            idle_s = clock() - idle_began_s
            if idle_s >= window_s():
                break
        idle_j = _read(meter) - idle_began_j
        _check(meter, "while idle", idle_j, idle_s, idle_s)

        began_j = _read(meter)
        runs, elapsed_s, longest_s = _fill(meter, run, clock, window_s)
        gross_j = _read(meter) - began_j
        _check(meter, "under load", gross_j, elapsed_s, longest_s)
    except _SensorFault as fault:
        return Energy(reason=str(fault))
    reading = EnergyReading(
        sensor=meter.name,
        domain=meter.domain,
        runs=runs,
        window_s=elapsed_s,
        gross_j=gross_j,
        idle_window_s=idle_s,
        idle_j=idle_j,
        sample_period_s=meter.sample_period_s,
    )
    return Energy(reading)


def _fill(
    meter: EnergyMeter,
    run: Callable[[int], object],
    clock: Callable[[], float],
    window_s: Callable[[], float],
) -> tuple[int, float, float]:
    """Run until the window is full. Returns runs, seconds, and the longest stretch in seconds."""
    began_s = clock()
    runs, elapsed_s, longest_s, stretch = 0, 0.0, 0.0, 1
    while elapsed_s < window_s():
        if runs >= _MAX_RUNS:
            raise _SensorFault(f"{runs} runs took {elapsed_s} s, too little to measure")
        run(stretch)
        runs += stretch
        before_s, elapsed_s = elapsed_s, clock() - began_s
        longest_s = max(longest_s, elapsed_s - before_s)
        # Reading after each stretch keeps the counter from wrapping twice unseen.
        _read(meter)
        per_run_s = elapsed_s / runs
        missing_s = window_s() - elapsed_s
        missing = math.ceil(missing_s / per_run_s) if per_run_s > 0 else runs * _GROWTH
        stretch = max(1, min(missing, runs * _GROWTH))
    return runs, elapsed_s, longest_s


def _read(meter: EnergyMeter) -> float:
    try:
        value = meter.read_j()
    except DeviceError as error:
        raise _SensorFault(f"the energy sensor {meter.name} failed: {error}") from error
    if not math.isfinite(value):
        raise _SensorFault(f"the energy sensor {meter.name} gave {value}, which is no energy")
    return value


def _check(
    meter: EnergyMeter, when: str, joules: float, seconds: float, longest_gap_s: float
) -> None:
    """Refuse what a working sensor cannot have given over a window of many of its periods."""
    counter = f"the counter of the energy sensor {meter.name}"
    if longest_gap_s > meter.longest_gap_s:
        raise _SensorFault(
            f"{counter} can bridge {meter.longest_gap_s:.3g} s and a stretch {when} took "
            f"{longest_gap_s:.3g} s; measure a model with shorter runs"
        )
    if joules < 0:
        raise _SensorFault(f"{counter} went backwards by {-joules} J {when}")
    if joules == 0:
        raise _SensorFault(f"{counter} did not move in {seconds:.3g} s {when}")
