"""The conditions that a measurement was made under, for its record."""

from __future__ import annotations

from hwprof.machine.gpu.state import describe, slowed_between
from hwprof.machine.host import HostState, MachineFacts, between
from hwprof.measurement import Provenance


def gpu_details(states: list[HostState]) -> dict[str, str]:
    """The GPU's condition, for the record: first and last, and what slowed it down in between."""
    first, last = states[0].gpu, states[-1].gpu
    if first is None or last is None:
        return {}
    found = {
        "gpu": f"{first.name} {first.uuid}".strip(),
        "gpu_before": describe(first),
        "gpu_after": describe(last),
    }
    for before, after in zip(states[::2], states[1::2], strict=True):
        if before.gpu is None or after.gpu is None:
            continue
        slowed = [f"{k} {s:.3f} s" for k, s in slowed_between(before.gpu, after.gpu).items() if s]
        # The counters tell of the time in between, which two looks may miss.
        if slowed or after.gpu.slowing:
            found["gpu_slowed"] = ", ".join([*slowed, *after.gpu.slowing])
    return found


def provenance(
    states: list[HostState],
    cpus: tuple[int, ...],
    details: dict[str, str],
    facts: MachineFacts,
) -> Provenance:
    """Conditions from the first state to the last; steal as the worst of all restarts.

    `facts` and `states` are the measured machine's: nothing is read from this one.
    """
    first, last = states[0], states[-1]
    deltas = [between(a, b) for a, b in zip(states[::2], states[1::2], strict=True)]
    steals = [d.steal_share for d in deltas if d.steal_share is not None]
    throttles = [d.throttle_events for d in deltas if d.throttle_events is not None]
    details = {**details, **gpu_details(states)}
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
        throttle_events=sum(throttles) if throttles else None,
        memory_available_bytes=first.memory_available_bytes,
        details=details,
    )
