"""One measurement, from opening the model to the finished record."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, replace

from hwprof.conditions import OutputAgreement
from hwprof.devices.base import ProfiledRun
from hwprof.devices.profiled_runs import LIMIT_S
from hwprof.errors import HwprofError, told
from hwprof.machine.host import HostState, MachineFacts
from hwprof.measurement import (
    Energy,
    Measurement,
    MeasurementWarning,
    Memory,
    Restart,
    WarningCode,
)
from hwprof.models.base import Model
from hwprof.profile import Profile
from hwprof.profiler.agreement import Check
from hwprof.profiler.commit import current_commit
from hwprof.profiler.conditions import provenance
from hwprof.profiler.plan import Plan
from hwprof.profiler.restarts import Restarts
from hwprof.profiler.steady import pin_of, steady_state, utc_now
from hwprof.profiler.warn import warnings_for
from hwprof.targets.base import Run, Target

UNFINISHED = "the measurement ended before its kernels were profiled; measure it again"
UNREAD = "the measurement ended before energy was read; measure it again"
# Kernel durations are whole microseconds: many runs average the rounding out. Profiling about a
# second is enough for 2 %; fewer than 12 runs leave too little of the faster half, and are taken
# of models that run for long alone.
PROFILE_S = 1.0
PROFILE_RUNS = (12, 60)


@dataclass(frozen=True, slots=True)
class Progress:
    """Where a measurement stands. `share` is of the budget and may jump to 1."""

    phase: str
    restart: int
    restarts: int
    share: float


Listener = Callable[[Progress], object]
NodeCost = Callable[[], tuple[float, str]]
"""Gives the profiler's cost per kernel, seconds, and how it was found. Raises DeviceError."""


@dataclass(frozen=True, slots=True)
class ProfilerCosts:
    """A `NodeCost` that also knows the cost of a pass through a graph inside a node."""

    per_kernel: NodeCost
    per_pass: NodeCost

    def __call__(self) -> tuple[float, str]:
        return self.per_kernel()


def _silent(progress: Progress) -> None:
    """The listener of those who do not listen."""


class Bench:
    """A measurement in the making: one restart per `step`, so that several can be interleaved.

    Per-kernel latencies need `node_cost`; without it the profile is kept uncorrected. `check` sees
    the opened model after the first restart's last run, and its memory was read: comparing outputs
    is no part of either. `keep` gets the record as soon as a restart gives a latency, and again
    after each other one: what follows, kernels and the profiler's own cost among it, may fail.
    `replaces` is the id of an earlier record that was cut off, whose place this one takes.
    """

    def __init__(
        self,
        model: Model,
        target: Target,
        plan: Plan,
        *,
        run_id: str | None = None,
        node_cost: NodeCost | None = None,
        check: Check | None = None,
        keep: Callable[[Measurement], object] | None = None,
        tags: tuple[str, ...] = (),
        listen: Listener = _silent,
        replaces: str | None = None,
    ) -> None:
        self._model = model
        self._target = target
        self._plan = plan
        self._id = replaces or uuid.uuid4().hex
        self._run_id = run_id or self._id
        self._node_cost = node_cost
        self._check = check
        self._keep = keep
        self._tags = tags
        self._listen = listen
        self._rule = Restarts(plan)
        self._restarts: list[Restart] = []
        self._states: list[HostState] = []
        self._cpus: tuple[int, ...] = ()
        self._facts: MachineFacts | None = None
        self._memory: Memory | None = None
        self._energy = Energy(reason=UNREAD)
        self._profiled: ProfiledRun | None = None
        # What is kept early says that more was to come.
        self._profile_reason = UNFINISHED if plan.per_op else ""
        self._overhead_s: float | None = None
        self._outputs: OutputAgreement | None = None
        self._ended_by = ""
        self._commit = current_commit()

    @property
    def done(self) -> bool:
        """Whether every restart of the plan is measured."""
        return self._rule.done

    def step(self) -> None:
        """Measure one restart in a newly opened model; the last one adds energy and profile.

        Raises ModelError, DeviceError or MeasurementError when the model does not run; what the
        restarts before it gave is not lost by that (`cut_off`).
        """
        spec = self._target.spec
        self._tell("opening", 0.0)
        began_s = time.perf_counter()
        with self._target.start(self._model, pin_of(self._plan, spec.threads)) as run:
            self._cpus = run.cpus
            before = run.host_state()
            restart = steady_state(run, self._plan, spec.threads, self._tell)
            after = self._state_after(run)
            elapsed_s = time.perf_counter() - began_s
            # Later restarts would only repeat them.
            self._memory = self._memory or run.memory()
            self._facts = self._facts or run.facts()
            self._verify(run)
            # What follows is not what the budget is for.
            self._rule.add(restart, spec.threads, elapsed_s)
            if after is not None:
                self._states += [before, after]
            self._restarts.append(restart)
            if self._keep is not None:
                self._keep(self._record(None))
            if self._rule.done:
                self._add(run, restart)

    def cut_off(self, error: Exception) -> Measurement | None:
        """The record of the restarts before the one that `error` ended; None before the first.

        It is warned of as cut off, unless all of them were measured.
        """
        self._ended_by = told(error)
        if self._rule.done:
            return self.finish()
        return self._record(None) if self._restarts else None

    def finish(self) -> Measurement:
        """The record of the restarts measured so far. Raises ValueError before the first."""
        if self._profiled is None:
            return self._record(None)
        profile = corrected(self._profiled.profile, self._node_cost)
        return self._record(replace(profile, mapping=self._profiled.mapping))

    def _record(self, profile: Profile | None) -> Measurement:
        if self._facts is None or not self._restarts:
            raise ValueError("nothing was measured yet")
        memory = self._memory or Memory(absent={"peak_rss_bytes": "it was not read"})
        if self._profiled is not None:
            memory = with_profile(memory, self._profiled)
        measurement = Measurement(
            id=self._id,
            run_id=self._run_id,
            created_at=utc_now(),
            subject=self._model.subject,
            device=self._target.spec,
            plan=self._plan.facts(),
            restarts=tuple(self._restarts),
            memory=memory,
            energy=self._energy,
            provenance=provenance(
                self._states,
                self._cpus,
                self._overhead_s,
                self._outputs,
                self._facts,
                self._commit,
            ),
            profile=profile,
            profile_reason=self._profile_reason,
            tags=self._tags,
        )
        return replace(measurement, warnings=(*warnings_for(measurement, self._plan), *self._cut()))

    def _cut(self) -> tuple[MeasurementWarning, ...]:
        """The warning that there are fewer restarts than there were to be, if that is so."""
        if self._rule.done:
            return ()
        made, wanted = len(self._restarts), self._rule.expected
        why = self._ended_by or "it ended before the others were made"
        message = f"{made} of {wanted} processes were measured: {why}; measure it again"
        return (MeasurementWarning(WarningCode.CUT_OFF, message),)

    def _tell(self, phase: str, share: float) -> None:
        self._listen(Progress(phase, len(self._restarts) + 1, self._rule.expected, share))

    def _state_after(self, run: Run) -> HostState | None:
        """The state of the machine now; None where a worker that is gone cannot tell.

        What passed during its restart is then unknown, and the conditions are those of the others.
        Raises what the first restart's raises: there are none without it.
        """
        try:
            return run.host_state()
        except HwprofError:
            if not self._states:
                raise
            return None

    def _verify(self, run: Run) -> None:
        """Compare the outputs, once per measurement."""
        if self._check is not None and not self._restarts:
            self._tell("comparing outputs", 1.0)
            self._outputs = self._check(run)

    def _add(self, run: Run, restart: Restart) -> None:
        """Add what is not the latency. Nothing that fails here takes the latency along."""
        try:
            self._overhead_s = run.overhead_s()
        except Exception:
            self._overhead_s = None
        self._tell("energy", 1.0)
        try:
            self._energy = run.energy()
        except Exception as error:
            self._energy = Energy(reason=told(error))
        if self._plan.per_op:
            self._tell("per-op profile", 1.0)
            self._profile(run, restart)

    def _profile(self, run: Run, restart: Restart) -> None:
        """Profile the open model, or note why the runtime cannot."""
        try:
            self._profiled = run.profile(profile_runs(float(restart.steady.wall_s.min())))
            self._profile_reason = ""
        except Exception as error:
            self._profile_reason = told(error)


def profile_runs(typical_s: float) -> int:
    """How many runs to profile of a model that takes so long."""
    low, high = PROFILE_RUNS
    one_s = max(typical_s, 1e-9)
    return max(1, min(int(LIMIT_S / one_s), max(low, min(high, int(PROFILE_S / one_s)))))


def measure_on(
    model: Model,
    target: Target,
    plan: Plan,
    *,
    run_id: str | None = None,
    node_cost: NodeCost | None = None,
    check: Check | None = None,
    keep: Callable[[Measurement], object] | None = None,
    tags: tuple[str, ...] = (),
    listen: Listener = _silent,
) -> Measurement:
    """Measure `model` on `target` as `plan` says; arguments as `Bench` takes them.

    What restarts gave before one of them failed is the result, with the warning that it was cut
    off. Raises ModelError, DeviceError or MeasurementError when the model does not run.
    """
    bench = Bench(
        model,
        target,
        plan,
        run_id=run_id,
        node_cost=node_cost,
        check=check,
        keep=keep,
        tags=tags,
        listen=listen,
    )
    while not bench.done:
        try:
            bench.step()
        except HwprofError as error:
            kept = bench.cut_off(error)
            if kept is None:
                raise
            return kept
    return bench.finish()


def corrected(profile: Profile, node_cost: NodeCost | None) -> Profile:
    """The profile with the profiler's own cost filled in, or the reason it stays unknown."""
    if node_cost is None:
        reason = "no estimate of the profiler's own cost was asked for"
        return replace(profile, node_cost_reason=reason)
    try:
        seconds, source = node_cost()
    except Exception as error:
        return replace(profile, node_cost_reason=told(error))
    profile = replace(profile, node_cost_s=seconds, node_cost_source=source)
    if not any(occurrence.passes for occurrence in profile.occurrences):
        return profile
    if not isinstance(node_cost, ProfilerCosts):
        reason = "no estimate of the profiler's cost per pass through an inner graph was asked for"
        return replace(profile, node_cost_reason=reason)
    try:
        seconds, more = node_cost.per_pass()
    except Exception as error:
        return replace(profile, node_cost_reason=told(error))
    return replace(profile, pass_cost_s=seconds, node_cost_source=f"{source}; {more}")


def with_profile(memory: Memory, profiled: ProfiledRun) -> Memory:
    """Memory figures of the process joined with those that the runtime's profile tells."""
    return replace(
        memory,
        arena_peak_bytes=profiled.arena_peak_bytes,
        weights_bytes=profiled.weights_bytes,
        planned_activation_bytes=profiled.planned_activation_bytes,
    )
