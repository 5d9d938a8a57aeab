"""The conditions that a measurement was made under, for its record."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from hwprof.conditions import GpuConditions, GpuMoment, OutputAgreement
from hwprof.machine.gpu.state import GpuState, slowed_between
from hwprof.machine.host import HostState, MachineFacts, between
from hwprof.measurement import Provenance


def gpu_conditions(states: list[HostState]) -> GpuConditions | None:
    """The GPU in the first state and the last, and what slowed it down within the restarts.

    `states` are a state before and a state after each restart, in turn.
    """
    first, last = states[0].gpu, states[-1].gpu
    if first is None or last is None:
        return None
    slowed_s: dict[str, float] = {}
    slowing: dict[str, None] = {}
    for before, after in zip(states[::2], states[1::2], strict=True):
        if before.gpu is None or after.gpu is None:
            continue
        # The counters tell of the time in between, which two looks may miss.
        for limit, seconds in slowed_between(before.gpu, after.gpu).items():
            slowed_s[limit] = slowed_s.get(limit, 0.0) + seconds
        slowing |= dict.fromkeys(after.gpu.slowing)
    return GpuConditions(
        name=first.name,
        uuid=first.uuid,
        before=gpu_moment(first),
        after=gpu_moment(last),
        slowed_s=slowed_s,
        slowing=tuple(slowing),
    )


def gpu_moment(state: GpuState) -> GpuMoment:
    """What the record keeps of a GPU's state."""
    return GpuMoment(
        clock_hz=state.clock_hz,
        memory_clock_hz=state.memory_clock_hz,
        temperature_c=state.temperature_c,
        power_w=state.power_w,
        power_limit_w=state.power_limit_w,
        limits=state.limits,
    )


def busy_beside(shares: Mapping[int, float], cpus: Collection[int]) -> float | None:
    """Mean busy share of the processors other than `cpus`; None without any, or without `cpus`."""
    others = [share for cpu, share in shares.items() if cpu not in cpus]
    return sum(others) / len(others) if cpus and others else None


def provenance(
    states: list[HostState],
    cpus: tuple[int, ...],
    timing_overhead_s: float | None,
    outputs: OutputAgreement | None,
    facts: MachineFacts,
    git_commit: str | None = None,
) -> Provenance:
    """Conditions from the first state to the last; steal as the worst of all restarts.

    `facts` and `states` are the measured machine's: nothing is read from this one. `git_commit` is
    what the caller has checked out.
    """
    first, last = states[0], states[-1]
    pairs = list(zip(states[::2], states[1::2], strict=True))
    deltas = [between(a, b) for a, b in pairs]
    steals = [d.steal_share for d in deltas if d.steal_share is not None]
    # Each restart may be kept on other processors; its own are no neighbours.
    kept = [(a.affinity or cpus) if cpus else () for a, _ in pairs]
    shares = [busy_beside(d.busy_shares, own) for d, own in zip(deltas, kept, strict=True)]
    beside = [busy for busy in shares if busy is not None]
    throttles = [d.throttle_events for d in deltas if d.throttle_events is not None]
    return Provenance(
        hwprof_version=facts.hwprof_version,
        python_version=facts.python_version,
        kernel=facts.kernel,
        libraries=facts.libraries,
        affinity=last.affinity,
        pinned=bool(cpus),
        governor=last.governor,
        clock_hz_before=first.clock_hz,
        clock_hz_after=last.clock_hz,
        temperature_c_before=first.temperature_c,
        temperature_c_after=last.temperature_c,
        load_average_before=first.load_average,
        steal_share=max(steals) if steals else None,
        busy_beside=max(beside) if beside else None,
        virtual=facts.virtual,
        host=facts.host,
        git_commit=git_commit,
        throttle_events=sum(throttles) if throttles else None,
        memory_available_bytes=first.memory_available_bytes,
        timing_overhead_s=timing_overhead_s,
        outputs=outputs,
        gpu=gpu_conditions(states),
    )
