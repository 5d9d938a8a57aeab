"""The warnings a measurement earns, from the closed set of `WarningCode`."""

from __future__ import annotations

import numpy as np

from hwprof.measurement import Measurement, MeasurementWarning, StopReason, WarningCode
from hwprof.profiler.plan import Plan
from hwprof.profiler.warn_kernels import kernel_warnings
from hwprof.samples import Basis, Samples
from hwprof.statistics import PERCENTILE_NEEDS

# A run that takes this much longer than its thread computed was waiting for the processor.
WAITING = 1.05
# Less than half clean: the figure holds, but the machine was not a place to measure on.
CLEAN_SHARE = 0.5
STEAL_SHARE = 0.02
CLOCK_DROP = 0.9


def _waited(samples: Samples) -> float | None:
    """Median wall time over median CPU time; None where either is unknown."""
    if samples.cpu_s is None or not len(samples):
        return None
    cpu = float(np.median(samples.cpu_s))
    return float(np.median(samples.wall_s)) / cpu if cpu > 0 else None


def _contention(measurement: Measurement) -> list[MeasurementWarning]:
    latency, provenance = measurement.latency, measurement.provenance
    threads = measurement.device.threads
    waits = [_waited(r.steady) for r in measurement.restarts]
    worst = max((w for w in waits if w is not None), default=None)
    found: list[str] = []
    if threads == 1 and worst is not None and worst > WAITING:
        found.append(f"runs took {worst:.2f}x their CPU time")
    if threads > 1 and latency.basis is Basis.WALL_ALL and latency.clean_share is not None:
        found.append(
            f"only {latency.clean_share:.0%} of runs were uninterrupted, and CPU time cannot "
            f"replace wall time on {threads} threads"
        )
    if provenance.affinity is not None and len(provenance.affinity) < threads:
        found.append(f"{threads} threads shared {len(provenance.affinity)} processors")
    if provenance.steal_share is not None and provenance.steal_share > STEAL_SHARE:
        found.append(f"the hypervisor took {provenance.steal_share:.0%} of the processor")
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
    stops = [r.stop for r in measurement.restarts]
    width = latency.relative_half_width
    if any(stop is not StopReason.PRECISION for stop in stops) and (
        width is None or width > plan.precision
    ):
        reason = next(stop for stop in stops if stop is not StopReason.PRECISION)
        reached = f"+-{width:.1%}" if width is not None else "no interval"
        found.append(
            MeasurementWarning(
                WarningCode.NOISY,
                f"{reason.value} after {latency.n} runs with {reached} where "
                f"+-{plan.precision:.1%} was asked; raise --budget or --restarts",
            )
        )
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
    found += kernel_warnings(measurement)
    return tuple(found)


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
