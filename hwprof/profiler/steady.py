"""One fresh process of a measurement: its first run, its warm-up, and its steady state."""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import UTC, datetime

from hwprof.errors import MeasurementError
from hwprof.machine.host import Pin
from hwprof.measurement import Restart
from hwprof.profiler.criteria import HotCriterion
from hwprof.profiler.plan import Plan
from hwprof.samples import Samples
from hwprof.targets.base import Run

# The first run allocates, the second settles the memory plan, and a sleeping core needs some
# milliseconds to clock up; importing the runtime and opening the model have kept it awake.
WARMUP_RUNS = 2
WARMUP_S = 0.02
# A sample shorter than this is mostly the clock: several runs are then timed together.
MIN_SAMPLE_S = 200e-6
# Calling anything takes longer than this, and no sample is this much shorter than it was made: a
# device that says so would be asked for samples for ever.
SHORTEST_RUN_S = 1e-8
TOO_SHORT = 0.01
# One call to the worker carries about this much work: long against the call, short to a person.
BATCH_S = 0.25
MAX_BATCH = 256


def utc_now() -> str:
    """Now in UTC, ISO 8601, to the millisecond."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def pin_of(plan: Plan, threads: int) -> Pin:
    """Where a run of `threads` threads is to be kept: which CPUs are quiet, the target knows."""
    if plan.pin == "none":
        return Pin()
    cpus = plan.pinned_cpus()
    return Pin(cpus) if cpus else Pin(quiet=threads)


def steady_state(
    run: Run,
    plan: Plan,
    threads: int,
    tell: Callable[[str, float], object],
) -> Restart:
    """First run, warm-up and samples until the criterion has enough.

    Raises MeasurementError for runs that take no time: they would have to go on for ever.
    """
    started_at = utc_now()
    tell("first run", 0.0)
    first = run.time(1)
    warm = [_possible(run.time(WARMUP_RUNS))]
    warm_s = float(warm[0].wall_s.sum())
    while warm_s < WARMUP_S:
        size = batch_size(float(warm[-1].wall_s.min()), WARMUP_S)
        warm.append(_possible(run.time(size)))
        warm_s += float(warm[-1].wall_s.sum())
    warmup = Samples.concatenate(warm)
    one_run_s = max(float(warmup.wall_s.min()), 1e-9)
    loops = max(1, math.ceil(MIN_SAMPLE_S / one_run_s)) if one_run_s < MIN_SAMPLE_S else 1
    criterion = HotCriterion(plan, threads)
    stop = None
    while stop is None:
        batch = batch_size(one_run_s * loops, BATCH_S)
        timed = run.time(min(batch, criterion.wanted or batch), loops)
        stop = criterion.add(_possible(timed, TOO_SHORT * MIN_SAMPLE_S))
        tell("steady state", min(1.0, criterion.spent_s / criterion.budget_s))
    samples = criterion.samples
    return Restart(run.setup_s, float(first.wall_s[0]), warmup, samples, stop, started_at)


def _possible(samples: Samples, least_s: float = SHORTEST_RUN_S) -> Samples:
    """The samples, unless they are shorter on average than any can be. Raises MeasurementError."""
    took_s = float(samples.wall_s.mean()) * samples.loops
    if took_s < least_s:
        raise MeasurementError(
            f"the device says that {samples.loops} runs took {took_s:g} s, which no clock can "
            "tell; update the runtime, or mend its device"
        )
    return samples


def batch_size(sample_s: float, batch_s: float) -> int:
    """How many samples to ask for in one call."""
    return max(1, min(MAX_BATCH, int(batch_s / max(sample_s, 1e-9))))
