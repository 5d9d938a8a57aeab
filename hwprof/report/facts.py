"""What the text and the JSON document of a measurement both say, worked out once."""

from __future__ import annotations

from dataclasses import dataclass

from hwprof.graph import Kernel
from hwprof.latency import Latency
from hwprof.measurement import USUAL_VALUES, Measurement, Subject, Values, WarningCode
from hwprof.opcosts.known import flops_or_none
from hwprof.profile import KernelOccurrence, Profile
from hwprof.profiler.compare import Comparison
from hwprof.samples import Basis


@dataclass(frozen=True, slots=True)
class KernelGroup:
    """Every occurrence of one distinct kernel."""

    kernel: Kernel
    occurrences: tuple[KernelOccurrence, ...]
    calls: int
    """How often one run of the model calls the kernel."""
    latency_s: float | None
    """Seconds of one call, on average; None when any occurrence has no latency."""
    below_clock: bool = False
    """Whether that is too little for the profiler to tell (`Profile.below_clock`)."""


@dataclass(frozen=True, slots=True)
class OpTotal:
    """Every occurrence of one operator."""

    op: str
    count: int
    seconds: float
    """What one run of the model spends in them; those without a latency count as 0."""
    flops: int | None
    """Of one run, all calls; None when those of any occurrence are not known."""
    calls: int = 0
    """How often one run of the model calls them."""
    floor_s: float = 0.0
    """Below this the profiler cannot tell what they take in a run (`Profile.floor_s`)."""

    @property
    def below_clock(self) -> bool:
        return self.calls > 0 and self.seconds <= self.floor_s


def kernel_groups(profile: Profile | None) -> list[KernelGroup]:
    """One entry per distinct kernel, in order of first appearance."""
    if profile is None:
        return []
    members: dict[str, list[KernelOccurrence]] = {}
    for occurrence in profile.occurrences:
        members.setdefault(occurrence.kernel.key, []).append(occurrence)
    groups = []
    for occurrences in members.values():
        calls = sum(o.calls for o in occurrences)
        latencies = [profile.latency_s(o) for o in occurrences]
        total = sum(value for value in latencies if value is not None)
        latency_s = None if None in latencies or not calls else total / calls
        below = latency_s is not None and all(map(profile.below_clock, occurrences))
        kernel = occurrences[0].kernel
        groups.append(KernelGroup(kernel, tuple(occurrences), calls, latency_s, below))
    return groups


def by_op(profile: Profile) -> list[OpTotal]:
    """One entry per operator, the dearest first."""
    found: dict[str, OpTotal] = {}
    for occurrence in profile.occurrences:
        op = occurrence.kernel.op
        known = found.get(op, OpTotal(op, 0, 0.0, 0))
        more = flops_or_none(occurrence.kernel)
        found[op] = OpTotal(
            op,
            known.count + 1,
            known.seconds + (profile.latency_s(occurrence) or 0.0),
            None if known.flops is None or more is None else known.flops + more * occurrence.calls,
            known.calls + occurrence.calls,
            known.floor_s + profile.floor_s(occurrence),
        )
    return sorted(found.values(), key=lambda total: -total.seconds)


def unknown_ops(profile: Profile | None) -> list[str]:
    """Operators whose FLOPs are not known, by name."""
    if profile is None:
        return []
    return sorted({o.kernel.op for o in profile.occurrences if flops_or_none(o.kernel) is None})


def inputs_text(measurement: Measurement) -> str:
    """What the inputs held: `given: sr 16000; made up: x 0..1`."""
    subject = measurement.subject
    known = {values.name: values for values in subject.values}
    parts: dict[str, list[str]] = {"given": [], "made up": []}
    for spec in subject.inputs:
        values = known.get(spec.name, Values(spec.name, USUAL_VALUES))
        parts[values.origin].append(f"{spec.name} {'from ' if values.sha256 else ''}{values.text}")
    return "; ".join(f"{origin}: {', '.join(each)}" for origin, each in parts.items() if each)


def subject_inputs(subject: Subject) -> str:
    """Types and shapes, with the values that are not the usual ones: `int64[1,128]=0..50256`."""
    known = {values.name: values.text for values in subject.values}
    parts = []
    for spec in subject.inputs:
        text = known.get(spec.name, USUAL_VALUES)
        parts.append(spec.describe() + ("" if text == USUAL_VALUES else f"={text}"))
    return ", ".join(parts)


def per_op_reason(measurement: Measurement) -> str:
    """Why kernels or their latencies are missing; empty when they are not."""
    profile = measurement.profile
    if profile is None:
        if not measurement.plan.get("per_op", False):
            return "per-op was not asked for"
        return measurement.profile_reason or "the record holds no profile"
    if profile.node_cost_s is None or profile.total_s() is None:
        return profile.node_cost_reason or "the profiler's own cost is not known"
    return ""


def clean_note(profile: Profile) -> str:
    """What to say of a profile that has too few uninterrupted runs; empty where it has enough."""
    if profile.clean_suffice is not False or profile.clean is None:
        return ""
    clean = int(profile.clean.sum())
    return f"{clean} of {profile.clean.size} profiled runs were uninterrupted"


def basis_text(latency: Latency) -> str:
    """Which runs the figure is made of."""
    if latency.basis is Basis.WALL_CLEAN:
        return f"p25 of {latency.n_used} uninterrupted runs of {latency.n}"
    if latency.basis is Basis.CPU_TIME:
        return f"p25 of the CPU time of {latency.n} runs, of which few were uninterrupted"
    return f"p25 of all {latency.n} runs"


def rate_text(measurement: Measurement) -> str:
    """Inputs per second with their interval; empty for a batch of one and one that is not known."""
    made = measurement.throughput
    if made is None or made.batch == 1:
        return ""
    interval = ""
    if made.ci95_per_s is not None:
        interval = "{} to {}, ".format(*map(_count, made.ci95_per_s))
    return f"{_count(made.per_s)} inputs per second ({interval}batch of {made.batch})"


def _count(number: float) -> str:
    return f"{number:.0f}" if number >= 1000 else f"{number:.4g}"


def mib(size: int | None) -> str:
    """Mebibytes, or `-` where unknown."""
    return "-" if size is None else f"{size / 2**20:.1f} MiB"


def memory_text(measurement: Measurement) -> str:
    """Peak, weights and activations in one line; an absent peak with its reason."""
    memory = measurement.memory
    if memory.peak_bytes is None:
        reason = memory.absent.get("peak_rss_bytes") or memory.absent.get("baseline_rss_bytes")
        parts = [f"peak absent: {reason or 'the record does not say why'}"]
    else:
        parts = [f"peak {mib(memory.peak_bytes)} above the runtime's own"]
    if memory.weights_bytes is not None:
        parts.append(f"weights {mib(memory.weights_bytes)}")
    if memory.planned_activation_bytes is not None:
        parts.append(f"activations {mib(memory.planned_activation_bytes)} (planned)")
    if memory.accelerator_peak_bytes is not None:
        parts.append(f"GPU peak {mib(memory.accelerator_peak_bytes)}")
    return ", ".join(parts)


def marks(measurement: Measurement) -> list[str]:
    """What a latency must not be read without: its origin, basis, and what it was warned of."""
    latency = measurement.latency
    found = [] if measurement.source == "measured" else [measurement.source]
    if latency.basis is Basis.CPU_TIME:
        found.append(latency.basis.value)
    codes = [warning.code for warning in measurement.warnings]
    # A record of other hands may hold no warning.
    told = {WarningCode.CONTENDED, WarningCode.FEW_CLEAN_SAMPLES}
    if latency.disturbed and not told.intersection(codes):
        found.append("disturbed")
    return found + [code.value for code in codes]


def verdict_text(comparison: Comparison) -> str:
    """What a comparison comes to, in words."""
    if comparison.unlike:
        return "unlike, so no verdict"
    if comparison.different is None:
        return "no interval, so no verdict"
    if not comparison.different:
        return "no difference shown"
    return "a is slower" if comparison.ratio > 1 else "a is faster"
