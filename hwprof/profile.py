"""Per-kernel timings of one model, as the runtime's own profiler reported them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from hwprof.graph import Kernel
from hwprof.samples import FloatArray, IntArray, same_array


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

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, KernelOccurrence):
            return NotImplemented
        return (
            self.name == other.name
            and self.kernel == other.kernel
            and self.provider == other.provider
            and self.source_nodes == other.source_nodes
            and self.calls == other.calls
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

    def __post_init__(self) -> None:
        runs = self.run_wall_s.shape
        for occurrence in self.occurrences:
            if occurrence.calls < 0:
                raise ValueError(f"kernel {occurrence.name} has {occurrence.calls} calls")
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
            and self.never_ran == other.never_ran
            and np.array_equal(self.run_wall_s, other.run_wall_s)
            and same_array(self.run_cpu_s, other.run_cpu_s)
            and same_array(self.run_waited_s, other.run_waited_s)
            and (
                self.run_switches is None
                or other.run_switches is None
                or np.array_equal(self.run_switches, other.run_switches)
            )
        )

    __hash__ = None  # type: ignore[assignment]

    def raw_latency_s(self, occurrence: KernelOccurrence) -> float:
        """Mean of the faster half of the durations: an interruption hits few kernels of a run.

        Over several hundred models this figure added up to end-to-end best. Raises ValueError when
        no run was profiled.
        """
        if not occurrence.durations_s.size:
            raise ValueError(f"kernel {occurrence.name} has no durations")
        ordered = np.sort(occurrence.durations_s)
        return float(ordered[: max(1, ordered.size // 2)].mean())

    def latency_s(self, occurrence: KernelOccurrence) -> float | None:
        """Latency of one occurrence, all its calls in a run, without the profiler's own cost.

        Not clamped: for a kernel shorter than the profiler's resolution it may be negative, and
        only unclamped figures add up to the end-to-end latency.
        """
        if self.node_cost_s is None or not occurrence.durations_s.size:
            return None
        return self.raw_latency_s(occurrence) - self.node_cost_s * occurrence.calls

    def call_latency_s(self, occurrence: KernelOccurrence) -> float | None:
        """Latency of one call, as a table keeps it per kernel. None for a kernel never called."""
        latency = self.latency_s(occurrence)
        return None if latency is None or occurrence.calls == 0 else latency / occurrence.calls

    def total_s(self) -> float | None:
        """Sum over all kernels: to be held against the end-to-end latency. None if uncorrected."""
        parts = [self.latency_s(occurrence) for occurrence in self.occurrences]
        if any(part is None for part in parts):
            return None
        return float(sum(part for part in parts if part is not None))
