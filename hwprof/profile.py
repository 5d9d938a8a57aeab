"""Per-kernel timings of one model, as the runtime's own profiler reported them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from hwprof.graph import Kernel
from hwprof.samples import (
    MIN_CLEAN,
    MIN_CLEAN_SHARE,
    BoolArray,
    FloatArray,
    IntArray,
    Samples,
    same_array,
)

# A run that waited for longer than this share of its wall time is none to learn from; what reading
# the clocks takes, some microseconds, is no pause.
PAUSED_SHARE = 0.02
PAUSED_S = 5e-6
# Where the calling thread computes for this share of its fastest run, it does the work itself, and
# wall time beyond its CPU time is a pause. Otherwise it waits for other threads, which is none.
WORKS_ITSELF = 0.9
# Without a clean run: what a kernel took in its fastest tenth of runs, and this much more (the
# clock's steps added), was not interrupted. A lost time slice is milliseconds. Beside one and three
# busy loops on one core, sums over ResNet50 stayed within 4 % of the CPU time so; the faster half
# of all runs gave +31 and +134 %.
UNHIT_SHARE = 0.1
UNHIT = 1.25
CLOCK_STEPS_S = 2e-6
# A kernel that takes less than this share of the profiler's own cost lies below the clock.
BELOW_CLOCK = 0.5


@dataclass(frozen=True, slots=True, eq=False)
class KernelOccurrence:
    """A kernel at one place of a model. `durations_s` holds one raw figure per profiled run."""

    name: str
    kernel: Kernel
    provider: str
    durations_s: FloatArray
    source_nodes: tuple[str, ...] = ()
    """Nodes of the model file that this kernel covers."""
    calls: int = 1
    """Times it ran within one run of the model: more than 1 in a loop, 0 in a branch not taken.

    `durations_s` is the sum over the calls of a run.
    """
    passes: int = 0
    """How often graphs inside it ran in a run: the turns of a loop, the branches of an If."""

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, KernelOccurrence):
            return NotImplemented
        return (
            self.name == other.name
            and self.kernel == other.kernel
            and self.provider == other.provider
            and self.source_nodes == other.source_nodes
            and self.calls == other.calls
            and self.passes == other.passes
            and np.array_equal(self.durations_s, other.durations_s)
        )

    __hash__ = None  # type: ignore[assignment]


@dataclass(frozen=True, slots=True, eq=False)
class Profile:
    """All kernels of a model over `r` profiled runs.

    A profiler costs time itself: `node_cost_s` is its cost per kernel on this device, estimated on
    other models, and is subtracted when a kernel's latency is asked for. None means that it was
    not estimated, and then no corrected latency exists.
    """

    occurrences: tuple[KernelOccurrence, ...]
    run_wall_s: FloatArray
    """Wall time of each profiled run, shape `[r]`: never an end-to-end latency."""
    run_switches: IntArray | None = None
    """Involuntary context switches in each profiled run, shape `[r]`."""
    node_cost_s: float | None = None
    node_cost_source: str = ""
    uncovered: tuple[str, ...] = ()
    """Source nodes with work to do that no kernel could be matched to."""
    node_cost_reason: str = ""
    """Why `node_cost_s` is None."""
    mapping: str = ""
    """How far the kernels could be led back to nodes of the model file, in a few words."""
    run_cpu_s: FloatArray | None = None
    """CPU time of the calling thread in each profiled run, shape `[r]`."""
    run_waited_s: FloatArray | None = None
    """For how long threads of the process waited for a processor in each run, shape `[r]`."""
    never_ran: tuple[str, ...] = ()
    """Graphs inside nodes that no run entered, with their number of nodes in brackets: a branch
    not taken, the body of a loop of no turns."""
    pass_cost_s: float | None = None
    """The profiler's cost per pass through a graph inside a node, estimated as `node_cost_s` is;
    None where it was not, and then a kernel with `passes` has no corrected latency."""

    @staticmethod
    def timed(
        occurrences: tuple[KernelOccurrence, ...],
        samples: Samples,
        uncovered: tuple[str, ...] = (),
        never_ran: tuple[str, ...] = (),
    ) -> Profile:
        """A profile of the runs that `samples` timed, with all their marks."""
        return Profile(
            occurrences,
            samples.wall_s,
            samples.switches,
            uncovered=uncovered,
            run_cpu_s=samples.cpu_s,
            run_waited_s=samples.waited_s,
            never_ran=never_ran,
        )

    def __post_init__(self) -> None:
        runs = self.run_wall_s.shape
        for name in ("run_switches", "run_cpu_s", "run_waited_s"):
            column = getattr(self, name)
            if column is not None and column.shape != runs:
                raise ValueError(
                    f"{name} has {column.size} entries for {self.run_wall_s.size} runs"
                )
        for occurrence in self.occurrences:
            if occurrence.calls < 0 or occurrence.passes < 0:
                count = min(occurrence.calls, occurrence.passes)
                raise ValueError(f"kernel {occurrence.name} has {count} calls or passes")
            if occurrence.durations_s.shape != runs:
                raise ValueError(
                    f"kernel {occurrence.name} has {occurrence.durations_s.size} durations "
                    f"for {self.run_wall_s.size} runs"
                )

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Profile):
            return NotImplemented
        if (self.run_switches is None) != (other.run_switches is None):
            return False
        return (
            self.occurrences == other.occurrences
            and self.node_cost_s == other.node_cost_s
            and self.node_cost_source == other.node_cost_source
            and self.uncovered == other.uncovered
            and self.node_cost_reason == other.node_cost_reason
            and self.mapping == other.mapping
            and np.array_equal(self.run_wall_s, other.run_wall_s)
            and same_array(self.run_cpu_s, other.run_cpu_s)
            and same_array(self.run_waited_s, other.run_waited_s)
            and self.never_ran == other.never_ran
            and self.pass_cost_s == other.pass_cost_s
            and (
                self.run_switches is None
                or other.run_switches is None
                or np.array_equal(self.run_switches, other.run_switches)
            )
        )

    __hash__ = None  # type: ignore[assignment]

    @property
    def clean(self) -> BoolArray | None:
        """Mask of the profiled runs during which nothing stopped the process; None if unknown."""
        return clean_runs(self.run_wall_s, self.run_switches, self.run_cpu_s, self.run_waited_s)

    @property
    def clean_suffice(self) -> bool | None:
        """Whether there are enough clean runs to take the figures from; None if unknown."""
        clean = self.clean
        return None if clean is None else enough_clean(clean)

    def raw_latency_s(self, occurrence: KernelOccurrence) -> float:
        """Mean of the faster half of the durations of clean runs, all calls of a run together.

        Over several hundred models this figure added up to end-to-end best. Where too few runs
        were clean, durations that show an interruption are left out instead; where that is not
        known, none are. Raises ValueError when no run was profiled.
        """
        durations = occurrence.durations_s
        if not durations.size:
            raise ValueError(f"kernel {occurrence.name} has no durations")
        clean = self.clean
        if clean is not None and enough_clean(clean):
            return _faster_half(np.sort(durations[clean]))
        ordered = np.sort(durations)
        if clean is not None:
            fastest = float(ordered[: max(1, int(ordered.size * UNHIT_SHARE))].mean())
            ordered = ordered[ordered <= max(fastest * UNHIT + CLOCK_STEPS_S, ordered[0])]
        return _faster_half(ordered)

    def profiler_cost_s(self, occurrence: KernelOccurrence) -> float | None:
        """What the profiler itself cost in a run, calls and passes; None if not estimated."""
        if self.node_cost_s is None or (occurrence.passes and self.pass_cost_s is None):
            return None
        passes = occurrence.passes * (self.pass_cost_s or 0.0)
        return self.node_cost_s * occurrence.calls + passes

    def latency_s(self, occurrence: KernelOccurrence) -> float | None:
        """Latency of one occurrence, all its calls in a run, without the profiler's own cost.

        Not clamped: for a kernel shorter than the profiler's resolution it may be negative, and
        only unclamped figures add up to the end-to-end latency.
        """
        cost = self.profiler_cost_s(occurrence)
        if cost is None or not occurrence.durations_s.size:
            return None
        return self.raw_latency_s(occurrence) - cost

    def call_latency_s(self, occurrence: KernelOccurrence) -> float | None:
        """Latency of one call, as a table keeps it per kernel. None for a kernel never called."""
        latency = self.latency_s(occurrence)
        return None if latency is None or occurrence.calls == 0 else latency / occurrence.calls

    def below_clock(self, occurrence: KernelOccurrence) -> bool:
        """Whether a latency is less than half of what the profiler itself cost: not to be told.

        That cost is known to about half a clock step per call. False where there is no latency.
        """
        latency = self.latency_s(occurrence)
        return latency is not None and occurrence.calls > 0 and latency <= self.floor_s(occurrence)

    def floor_s(self, occurrence: KernelOccurrence) -> float:
        """What `below_clock` takes for the least that can be told, all calls of a run together."""
        return max(0.0, BELOW_CLOCK * (self.profiler_cost_s(occurrence) or 0.0))

    def total_s(self) -> float | None:
        """Sum over all kernels: to be held against the end-to-end latency. None if uncorrected."""
        parts = [self.latency_s(occurrence) for occurrence in self.occurrences]
        if any(part is None for part in parts):
            return None
        return float(sum(part for part in parts if part is not None))


def clean_runs(
    wall_s: FloatArray,
    switches: IntArray | None,
    cpu_s: FloatArray | None,
    waited_s: FloatArray | None,
) -> BoolArray | None:
    """Mask of the runs that nothing stopped, shape `[r]`; None where switches are not counted.

    Involuntary switches tell most interruptions. Waiting for a processor tells those of other
    threads, CPU time short of wall time those that are no switch (a stopped process).
    """
    if switches is None:
        return None
    clean: BoolArray = switches == 0
    allowed = PAUSED_SHARE * wall_s + PAUSED_S
    if waited_s is not None:
        clean = clean & (waited_s <= allowed)
    if cpu_s is not None and wall_s.size:
        gap = wall_s - cpu_s
        fastest = int(np.argmin(wall_s))
        if cpu_s[fastest] >= WORKS_ITSELF * wall_s[fastest]:
            clean = clean & (gap - gap.min() <= allowed)
    return clean


def enough_clean(clean: BoolArray) -> bool:
    """Whether clean runs are enough to take figures from, as for the latency itself.

    A few runs are enough where all are clean: a profile may be short because the runtime's is.
    """
    if not clean.size:
        return False
    return bool(clean.all() or (clean.sum() >= MIN_CLEAN and clean.mean() >= MIN_CLEAN_SHARE))


def _faster_half(ordered: FloatArray) -> float:
    return float(ordered[: max(1, ordered.size // 2)].mean())
