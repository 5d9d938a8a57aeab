"""The record of one measurement: raw samples with everything needed to believe or redo them.

Statistics are never stored: they are derived from the samples, so the two cannot disagree.
Unless a name says otherwise: seconds, joules, bytes.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Literal

from hwprof.conditions import GpuConditions, OutputAgreement
from hwprof.device_spec import DeviceSpec
from hwprof.figures import ms, spread
from hwprof.graph import TensorSpec
from hwprof.latency import Latency, summarise
from hwprof.presented import Presented
from hwprof.profile import Profile
from hwprof.samples import Samples
from hwprof.throughput import Throughput, throughput


class WarningCode(StrEnum):
    """Everything a measurement can warn about. The set is closed so that it can be filtered on."""

    CONTENDED = "contended"
    FEW_CLEAN_SAMPLES = "few clean samples"
    NOISY = "noisy"
    UNPINNED = "unpinned"
    PERCENTILE_UNSUPPORTED = "percentile unsupported"
    THROTTLED = "throttled"
    RESTARTS_DISAGREE = "restarts disagree"
    VALUES_DECIDE = "values decide the work"
    BRANCH_NEVER_RAN = "branch never ran"
    KERNELS_DO_NOT_ADD_UP = "kernels do not add up"
    KERNELS_BELOW_CLOCK = "kernels below the clock"
    IMPOSSIBLE_RATE = "impossible rate"
    CUT_OFF = "cut off"


@dataclass(frozen=True, slots=True)
class MeasurementWarning:
    code: WarningCode
    message: str


KERNELS_TOLERANCE = 0.10
"""How far the sum of the kernels' latencies may be off the headline, as a share of it."""


class StopReason(StrEnum):
    """Why sampling ended."""

    PRECISION = "precision reached"
    BUDGET = "budget used up"
    STABLE_NOISE = "noise is stable above the target"


USUAL_VALUES = "0..1"
"""Floats uniform in [0, 1), whole numbers 0 or 1: what every input held before values could be
given, and what is left out of a subject's identity, so that such rows stay the same."""


@dataclass(frozen=True, slots=True)
class Values:
    """What one input holds in every run."""

    name: str
    text: str
    """The rule that its elements are made by, such as `0..50256` or `1` (docs/inputs.md), or the
    file that they came from."""
    origin: Literal["made up", "given"] = "made up"
    sha256: str = ""
    """Of the elements, where they came from a file or an array; a rule needs none."""
    decides: str = ""
    """What the values decide about the work, such as `how often Loop 'generate' repeats`; empty
    where they only pass through."""


@dataclass(frozen=True, slots=True)
class Subject:
    """What was measured: a model with every input dimension decided, and what its inputs hold."""

    name: str
    sha256: str
    """Of the model file and, in order of name, its external-data files."""
    inputs: tuple[TensorSpec, ...]
    batch: int | None = None
    """Size of the batch that the inputs share, where there is one."""
    values: tuple[Values, ...] = ()
    """What the inputs hold; an input that is not named here holds `USUAL_VALUES`."""

    @property
    def key(self) -> str:
        """Identity in a table: content hash, input shapes and values, never a file's name."""
        shapes = ",".join(f"{t.name}:{t.describe()}" for t in self.inputs)
        unusual = sorted(
            (v.name, v.sha256 or v.text) for v in self.values if v.sha256 or v.text != USUAL_VALUES
        )
        mark = ""
        if unusual:
            mark = "@" + hashlib.sha256(json.dumps(unusual).encode()).hexdigest()[:16]
        return f"{self.sha256[:16]}({shapes}){mark}"


@dataclass(frozen=True, slots=True)
class Restart:
    """One fresh process: set-up, first run and steady state are three different numbers."""

    setup_s: float
    """Opening the model in the runtime (graph optimisation and weight packing included)."""
    first_run_s: float
    warmup: Samples
    steady: Samples
    stop: StopReason
    started_at: str = ""


@dataclass(frozen=True, slots=True)
class Memory:
    """Memory of the worker process. A field is None when unknown; `absent` then says why."""

    baseline_rss_bytes: int | None = None
    """Resident set with the runtime loaded and no model open."""
    peak_rss_bytes: int | None = None
    """Largest resident set from opening the model to the end of steady state."""
    arena_peak_bytes: int | None = None
    weights_bytes: int | None = None
    planned_activation_bytes: int | None = None
    """Peak of live activations, simulated from the optimised graph (not a measurement)."""
    accelerator_peak_bytes: int | None = None
    """Most memory of a GPU that the model had in use, as the runtime's allocator counted it."""
    absent: Mapping[str, str] = field(default_factory=dict)

    @property
    def peak_bytes(self) -> int | None:
        """What the model added: peak resident set above the baseline."""
        if self.peak_rss_bytes is None or self.baseline_rss_bytes is None:
            return None
        return self.peak_rss_bytes - self.baseline_rss_bytes


@dataclass(frozen=True, slots=True)
class EnergyReading:
    """Energy of `runs` runs inside one window, as the sensor gave it."""

    sensor: str
    domain: str
    runs: int
    window_s: float
    gross_j: float
    idle_window_s: float
    idle_j: float
    sample_period_s: float

    def __post_init__(self) -> None:
        if self.runs < 1 or self.window_s <= 0 or self.idle_window_s <= 0:
            raise ValueError("an energy reading needs a run and two windows longer than nothing")

    @property
    def gross_j_per_run(self) -> float:
        return self.gross_j / self.runs

    @property
    def net_j_per_run(self) -> float:
        """Gross minus what the same domain drew when idle for as long. May be negative."""
        return (self.gross_j - self.idle_j * self.window_s / self.idle_window_s) / self.runs


@dataclass(frozen=True, slots=True)
class Energy:
    """A reading, or the reason there is none. Never an estimate."""

    reading: EnergyReading | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Provenance:
    """Conditions of the measurement, on the machine that was measured.

    None means that the system does not tell.
    """

    hwprof_version: str
    python_version: str
    kernel: str
    affinity: tuple[int, ...] | None = None
    pinned: bool = False
    governor: str | None = None
    clock_hz_before: float | None = None
    clock_hz_after: float | None = None
    temperature_c_before: float | None = None
    temperature_c_after: float | None = None
    load_average_before: float | None = None
    steal_share: float | None = None
    """Share of processor time that the hypervisor gave to others during the measurement."""
    busy_beside: float | None = None
    """How busy the processors were that the run was not kept on, from 0 to 1: their mean, in the
    worst restart. None where there are none, or the run may go anywhere."""
    virtual: bool | None = None
    """Whether it is a virtual machine: others on its host share caches, clock and cores, unseen."""
    host: str | None = None
    """The name that the measured machine goes by in its network."""
    git_commit: str | None = None
    """What was checked out in the git work tree that the caller's current folder lay in. Whether
    files were changed since, it does not say."""
    throttle_events: int | None = None
    memory_available_bytes: int | None = None
    libraries: Mapping[str, str] = field(default_factory=dict)
    """Versions of the libraries that took part, the runtime's among them, by name."""
    timing_overhead_s: float | None = None
    """What timing added to a run, as the device states it; never subtracted."""
    outputs: OutputAgreement | None = None
    """None where the outputs were not to be compared, or are the reference's own."""
    gpu: GpuConditions | None = None
    """None where no GPU ran the model."""
    legacy_notes: Mapping[str, str] = field(default_factory=dict)
    """What an earlier version wrote in words that no field takes. Only read, never written."""


PlanValue = str | int | float | bool | None


@dataclass(frozen=True, slots=True, repr=False)
class Measurement(Presented):
    """One model on one device under one plan."""

    id: str
    run_id: str
    """Shared by the measurements of one command or campaign."""
    created_at: str
    """UTC, ISO 8601."""
    subject: Subject
    device: DeviceSpec
    plan: Mapping[str, PlanValue]
    restarts: tuple[Restart, ...]
    memory: Memory
    energy: Energy
    provenance: Provenance
    warnings: tuple[MeasurementWarning, ...] = ()
    profile: Profile | None = None
    source: str = "measured"
    """`measured`, `imported`, `interpolated` or `predicted`: never mixed silently."""
    profile_reason: str = ""
    """Why a profile that was asked for is None."""
    tags: tuple[str, ...] = ()
    """What the caller marked it with, to find it again. No part of any identity."""

    def __post_init__(self) -> None:
        if not self.restarts:
            raise ValueError("a measurement needs at least one restart")

    @property
    def latency(self) -> Latency:
        """Statistics of the steady state, derived from the samples now."""
        parts = [r.steady for r in self.restarts]
        where = self.provenance
        return summarise(parts, self.device.threads, where.busy_beside, where.virtual)

    @property
    def throughput(self) -> Throughput | None:
        """Inputs per second, derived from the headline; None where the batch is not known."""
        return throughput(self.latency, self.subject.batch)

    @property
    def brief(self) -> str:
        figure = "no latency"
        if all(len(r.steady) for r in self.restarts):
            latency = self.latency
            figure = f"{ms(latency.headline_s)} ms {spread(latency)}"
        return f"{self.subject.name} on {self.device.slug}: {figure} ({self.id[:8]})"

    @property
    def kernels_gap(self) -> float | None:
        """Sum of the kernels' latencies over the headline, less 1; None where either is unknown."""
        total_s = None if self.profile is None else self.profile.total_s()
        if total_s is None or not all(len(r.steady) for r in self.restarts):
            return None
        headline_s = self.latency.headline_s
        return total_s / headline_s - 1 if headline_s > 0 else None

    @property
    def kernels_do_not_add_up(self) -> bool:
        """Whether `kernels_gap` is wider than `KERNELS_TOLERANCE`."""
        gap = self.kernels_gap
        return gap is not None and abs(gap) > KERNELS_TOLERANCE

    @property
    def kernels_reason(self) -> str:
        """Why its kernels may not be believed, summed or learned from; empty where they may."""
        gap = self.kernels_gap
        if self.profile is None:
            return "the record holds no profile"
        if gap is None:
            return self.profile.node_cost_reason or "the profiler's own cost is not known"
        if self.kernels_do_not_add_up:
            return f"the kernels do not add up: their sum is {gap:+.0%} off the latency"
        if self.warned(WarningCode.IMPOSSIBLE_RATE):
            return "a kernel has a rate that its machine cannot reach"
        return ""

    def warned(self, code: WarningCode) -> bool:
        return any(w.code is code for w in self.warnings)


@dataclass(frozen=True, slots=True)
class Failure:
    """A measurement that did not come about, kept beside those that did."""

    id: str
    run_id: str
    created_at: str
    subject: str
    """Model path or name as the caller gave it."""
    device: str
    reason: str
    """One sentence, the last words being the next action."""
