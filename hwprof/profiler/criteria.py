"""When to stop sampling. Every constant has its reason beside it."""

from __future__ import annotations

import math

from hwprof.latency import Latency, summarise
from hwprof.measurement import StopReason
from hwprof.profiler.plan import Plan
from hwprof.samples import Samples
from hwprof.statistics import PERCENTILE_NEEDS

# Below 30 samples an order-statistic interval of the lower quartile rests on a handful of values,
# and light load fools it: it stopped at 11 with the answer 2 % off.
MIN_SAMPLES = 30
# A verdict on noise needs some evidence: no less than a tenth of the budget.
NOISE_EVIDENCE = 0.10
# One lucky or unlucky batch must not end a measurement.
NOISE_VERDICTS = 3
# The projected interval may be a little off; only a clear miss counts.
NOISE_MARGIN = 1.5


class HotCriterion:
    """Stops at the asked precision, at the budget, or when the budget could not buy it.

    The precision is that of sampling one process; what differs between processes, more samples do
    not tell (`hwprof.profiler.restarts`).
    Noise of an order statistic falls with the root of the number of samples. Where even the whole
    budget, at the present noise, would leave the interval clearly too wide, going on is a waste:
    some subjects are inherently noisy and would never converge (nvbench stops those too).
    Time is counted in seconds of timed runs, so that no clock is needed.
    """

    def __init__(self, plan: Plan, threads: int) -> None:
        self._target = plan.precision
        self._budget_s = plan.budget_s * plan.restart_share
        self._threads = threads
        self._needs = MIN_SAMPLES
        if plan.percentile is not None:
            # The samples of all restarts support it together.
            needs = math.ceil(PERCENTILE_NEEDS[plan.percentile] * plan.restart_share)
            self._needs = max(MIN_SAMPLES, needs)
        self._wants_percentile = plan.percentile is not None
        self._parts: list[Samples] = []
        self._spent_s = 0.0
        self._misses = 0

    @property
    def spent_s(self) -> float:
        """Seconds of timed runs so far."""
        return self._spent_s

    @property
    def budget_s(self) -> float:
        """Seconds of timed runs allowed."""
        return self._budget_s

    @property
    def samples(self) -> Samples:
        """Everything added so far."""
        return Samples.concatenate(self._parts)

    def add(self, batch: Samples) -> StopReason | None:
        """Take a batch; the reason to stop now, or None to go on."""
        self._parts.append(batch)
        self._spent_s += float(batch.wall_s.sum()) * batch.loops
        samples = self.samples
        latency = summarise([samples], self._threads)
        if self._precise(latency):
            return StopReason.PRECISION
        if self._spent_s >= self._budget_s:
            return StopReason.BUDGET
        if self._hopeless(latency):
            return StopReason.STABLE_NOISE
        return None

    @property
    def wanted(self) -> int:
        """Samples that are needed at the very least before this can stop at the precision."""
        return max(0, self._needs - sum(len(part) for part in self._parts))

    def _precise(self, latency: Latency) -> bool:
        width = latency.sampling_width
        # A percentile needs trusted samples; for the rest the interval says what they are worth.
        enough = latency.n_used if self._wants_percentile else latency.n
        return enough >= self._needs and width is not None and width <= self._target

    def _hopeless(self, latency: Latency) -> bool:
        width = latency.sampling_width
        if (
            self._wants_percentile
            or width is None
            or latency.n_used < MIN_SAMPLES
            or self._spent_s < NOISE_EVIDENCE * self._budget_s
        ):
            return False
        projected = width * math.sqrt(self._spent_s / self._budget_s)
        self._misses = self._misses + 1 if projected > NOISE_MARGIN * self._target else 0
        return self._misses >= NOISE_VERDICTS
