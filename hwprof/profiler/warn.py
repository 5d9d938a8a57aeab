"""The warnings a measurement earns, from the closed set of `WarningCode`."""

from __future__ import annotations

import numpy as np

from hwprof.latency import BUSY_BESIDE, CLEAN_SHARE, HEADLINE, WAITING_SHARE, restart_headlines
from hwprof.measurement import Measurement, MeasurementWarning, StopReason, WarningCode
from hwprof.profiler.plan import Plan
from hwprof.profiler.warn_inputs import input_warnings
from hwprof.profiler.warn_kernels import kernel_warnings
from hwprof.samples import Basis, Samples
from hwprof.statistics import PERCENTILE_NEEDS, quantile_interval

# A run that takes this much longer than its thread computed was waiting for the processor.
WAITING = 1.05
# Processes differ by 1-2 %, some by 5; more is another state of the machine, such as a processor
# that the host shares out, which nothing inside a process shows.
DISAGREEMENT = 1.10
# An interval this many times as wide as was asked for is no longer what processes usually leave.
SPREAD = 5
STEAL_SHARE = 0.02
CLOCK_DROP = 0.9


def _waited(samples: Samples) -> float | None:
    """Median wall time over median CPU time; None where either is unknown."""
    ran_s = samples.cpu_s if samples.cpu_is_work else samples.busy_s
    if ran_s is None or not len(samples):
        return None
    cpu = float(np.median(ran_s))
    return float(np.median(samples.wall_s)) / cpu if cpu > 0 else None


def _contention(measurement: Measurement) -> list[MeasurementWarning]:
    latency, provenance = measurement.latency, measurement.provenance
    threads = measurement.device.threads
    waits = [_waited(r.steady) for r in measurement.restarts]
    worst = max((w for w in waits if w is not None), default=None)
    found: list[str] = []
    if threads == 1 and worst is not None and worst > WAITING:
        found.append(f"runs took {worst:.2f}x their CPU time")
    waiting = latency.waiting_share
    if not found and waiting is not None and waiting > WAITING_SHARE:
        whose = "its thread" if threads == 1 else f"its {threads} threads"
        found.append(f"{whose} waited for a processor for {waiting:.0%} of the time")
    if threads > 1 and latency.basis is Basis.WALL_ALL and latency.clean_share is not None:
        found.append(
            f"only {latency.clean_share:.0%} of runs were uninterrupted, and CPU time cannot "
            f"replace wall time on {threads} threads"
        )
    if provenance.affinity is not None and len(provenance.affinity) < threads:
        found.append(f"{threads} threads shared {len(provenance.affinity)} processors")
    if provenance.steal_share is not None and provenance.steal_share > STEAL_SHARE:
        found.append(f"the hypervisor took {provenance.steal_share:.0%} of the processor")
    beside = provenance.busy_beside
    if not found and beside is not None and beside > BUSY_BESIDE:
        found.append(f"the processors beside were busy for {beside:.0%} of the time")
    if not found:
        return []
    basis = f"; the figure is {latency.basis.value}" if latency.basis is Basis.CPU_TIME else ""
    message = f"{' and '.join(found)}{basis}; close other programs or --pin to a free processor"
    return [MeasurementWarning(WarningCode.CONTENDED, message)]


def warnings_for(measurement: Measurement, plan: Plan) -> tuple[MeasurementWarning, ...]:
    """Every warning that applies, in the order of `WarningCode`."""
    latency, provenance = measurement.latency, measurement.provenance
    found = _contention(measurement)
    if latency.clean_share is not None and latency.clean_share < CLEAN_SHARE:
        found.append(
            MeasurementWarning(
                WarningCode.FEW_CLEAN_SAMPLES,
                f"{latency.clean_share:.0%} of {latency.n} runs were uninterrupted",
            )
        )
    found += _noise(measurement, plan)
    if not provenance.pinned:
        found.append(
            MeasurementWarning(
                WarningCode.UNPINNED, "the scheduler may move the run between processors"
            )
        )
    if plan.percentile is not None and plan.percentile not in latency.percentiles_s:
        found.append(
            MeasurementWarning(
                WarningCode.PERCENTILE_UNSUPPORTED,
                f"p{plan.percentile * 100:g} needs {PERCENTILE_NEEDS[plan.percentile]} samples, "
                f"there are {latency.n_used}; raise --budget",
            )
        )
    found += _throttling(measurement)
    found += _disagreement(measurement)
    found += input_warnings(measurement)
    found += kernel_warnings(measurement)
    return tuple(found)


def _noise(measurement: Measurement, plan: Plan) -> list[MeasurementWarning]:
    """Sampling that ended short of the precision, or processes that leave too wide an interval."""
    latency = measurement.latency
    number = len(measurement.restarts)
    asked = f"+-{plan.precision:.1%} was asked"
    short = [r.stop for r in measurement.restarts if r.stop is not StopReason.PRECISION]
    sampling, width = latency.sampling_width, latency.process_width
    if short and (sampling is None or sampling > plan.precision):
        reached = "no interval" if sampling is None else f"+-{sampling:.1%} in each process"
        message = f"{short[0].value} after {latency.n} runs with {reached} where {asked}"
        return [MeasurementWarning(WarningCode.NOISY, f"{message}; raise --budget")]
    # A disturbed figure has its own warning, and an interval that is wide for that reason.
    if number > 1 and not latency.disturbed and (width or 0.0) > SPREAD * plan.precision:
        message = f"{number} processes differ by so much that +-{width:.1%} is left where {asked}"
        return [MeasurementWarning(WarningCode.NOISY, f"{message}; raise --restarts")]
    return []


def _disagreement(measurement: Measurement) -> list[MeasurementWarning]:
    """Processes whose figures lie apart by more than processes do, and than their samples."""
    threads = measurement.device.threads
    parts = [r.steady for r in measurement.restarts]
    heads = restart_headlines(parts, threads)
    slow, fast = int(heads.argmax()), int(heads.argmin())
    if heads[fast] <= 0 or heads[slow] <= DISAGREEMENT * heads[fast]:
        return []
    basis = measurement.latency.basis
    high, low = (quantile_interval(parts[i].values(basis), HEADLINE) for i in (slow, fast))
    if high is not None and low is not None and high[0] <= low[1]:
        return []
    return [
        MeasurementWarning(
            WarningCode.RESTARTS_DISAGREE,
            f"the slowest of {len(heads)} processes took {heads[slow] / heads[fast]:.2f}x as long "
            "as the fastest: the machine changed in between; measure again with more --restarts",
        )
    ]


def _throttling(measurement: Measurement) -> list[MeasurementWarning]:
    provenance = measurement.provenance
    before, after = provenance.clock_hz_before, provenance.clock_hz_after
    if provenance.gpu is not None and provenance.gpu.slowed:
        message = f"the GPU was slowed down ({provenance.gpu.slowed})"
    elif provenance.throttle_events:
        message = f"the processor slowed down for heat {provenance.throttle_events} times"
    elif before and after and after < CLOCK_DROP * before:
        message = f"the clock fell from {before / 1e9:.2f} to {after / 1e9:.2f} GHz"
    else:
        return []
    return [MeasurementWarning(WarningCode.THROTTLED, message + "; let it cool and repeat")]
