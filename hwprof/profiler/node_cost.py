"""What a runtime's profiler costs per kernel, so that it can be taken off again.

A profiled kernel carries the time of reading clocks and writing an event (1.5 to 2.9 us in ONNX
Runtime, by optimisation level). Chains of tiny kernels show it: between a short and a long chain,
whatever the profile's total grows by more than the end-to-end latency does is the profiler's. The
estimate never sees the models it corrects, and is not clamped at zero.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np

from hwprof.errors import DeviceError, HwprofError, TableError
from hwprof.graph import TensorSpec
from hwprof.latency import summarise
from hwprof.lut import Table
from hwprof.models.base import Model
from hwprof.models.load import load_model
from hwprof.models.onnx.write import Node, write_model
from hwprof.profiler.bench import ProfilerCosts
from hwprof.profiler.pass_cost import NAME as PASS_NAME
from hwprof.profiler.pass_cost import PassCostEstimate, estimate_pass_cost
from hwprof.profiler.plan import Plan
from hwprof.profiler.steady import pin_of, steady_state
from hwprof.scratch import scratch_folder
from hwprof.targets.base import Target

NAME = "profiler_node_cost_s"
# Kernels small enough that their own noise does not drown a microsecond, yet of three kinds.
KINDS = ("Sin", "MatMul", "Conv")
LENGTHS = (20, 140)
PROFILED_RUNS = 60
BUDGET_S = 0.5


@dataclass(frozen=True, slots=True)
class NodeCostEstimate:
    """Seconds per kernel: the median over kinds of kernel, and each kind's own figure."""

    seconds: float
    by_kind: tuple[tuple[str, float], ...]

    @property
    def source(self) -> str:
        """One line for the record."""
        parts = ", ".join(f"{kind} {value * 1e6:.2f} us" for kind, value in self.by_kind)
        return f"chains of {LENGTHS[0]} and {LENGTHS[1]} kernels: {parts}"


Estimate = NodeCostEstimate | PassCostEstimate


def chain_model(kind: str, length: int, folder: Path) -> Model:
    """Write an ONNX chain of `length` equal small kernels and load it."""
    import onnx

    rng = np.random.default_rng(0)
    shape = {"Sin": (1, 16, 4, 4), "MatMul": (8, 32), "Conv": (1, 16, 8, 8)}[kind]
    weight = {"Sin": None, "MatMul": (32, 32), "Conv": (16, 16, 3, 3)}[kind]
    attributes = {"pads": [1, 1, 1, 1]} if kind == "Conv" else {}
    nodes, weights = [], []
    for i in range(length):
        reads = [f"t{i}"]
        if weight is not None:
            # Small weights keep a long chain from overflowing.
            weights.append((f"w{i}", (rng.standard_normal(weight) * 0.05).astype(np.float32)))
            reads.append(f"w{i}")
        nodes.append(Node(kind, f"n{i}", tuple(reads), (f"t{i + 1}",), attributes))
    ends = [TensorSpec(f"t{i}", "float32", shape) for i in (0, length)]
    proto = write_model(f"{kind}-{length}", nodes, ends[:1], ends[1:], weights)
    path = folder / f"{kind}-{length}.onnx"
    onnx.save(proto, str(path))
    return load_model(path)


def estimate_node_cost(target: Target) -> NodeCostEstimate:
    """Measure the profiler's cost per kernel on `target`; takes a few seconds.

    Raises DeviceError when the device has no profile or does not run the chains.
    """
    plan = Plan(budget_s=BUDGET_S, restarts=1)
    threads = target.spec.threads
    by_kind = []
    refusal: HwprofError | None = None
    with scratch_folder() as folder:
        for kind in KINDS:
            extra_s, kernels = [], []
            try:
                for length in LENGTHS:
                    model = chain_model(kind, length, Path(folder))
                    with target.start(model, pin_of(plan, threads)) as run:
                        steady = steady_state(run, plan, threads, lambda phase, share: None).steady
                        profile = run.profile(PROFILED_RUNS).profile
                    total_s = sum(profile.raw_latency_s(o) for o in profile.occurrences)
                    extra_s.append(total_s - summarise([steady], threads).headline_s)
                    kernels.append(len(profile.occurrences))
            except HwprofError as error:
                # One kind may be refused, as bf16 refuses what has no kernel in it; others tell.
                refusal = error
                continue
            # A runtime that fuses a chain into one kernel tells nothing with it.
            if kernels[1] > kernels[0]:
                by_kind.append((kind, (extra_s[1] - extra_s[0]) / (kernels[1] - kernels[0])))
    if not by_kind and refusal is not None:
        raise DeviceError(
            f"the profiler's own cost could not be estimated ({refusal}); "
            "use --no-per-op to measure without kernels"
        ) from refusal
    if not by_kind:
        raise DeviceError(
            "the profiler's own cost could not be estimated, because the runtime fuses every "
            "chain of kernels into one; use --no-per-op to measure without kernels"
        )
    return NodeCostEstimate(float(np.median([value for _, value in by_kind])), tuple(by_kind))


class NodeCosts:
    """Estimates by device: made once, kept in the process and, where there is one, in a table.

    A table that fails here takes no measurement along: the estimate is then made anew, and kept
    in the process alone.
    """

    _known: ClassVar[dict[tuple[str, str], tuple[float, str]]] = {}

    def __init__(self, table: Table | None = None) -> None:
        self._table = table

    def of(self, target: Target) -> ProfilerCosts:
        """Functions that give the estimates for `target`, making them when first called."""

        def per_kernel() -> tuple[float, str]:
            return self._find(target, NAME, lambda: estimate_node_cost(target))

        def per_pass() -> tuple[float, str]:
            seconds, _ = per_kernel()
            return self._find(target, PASS_NAME, lambda: estimate_pass_cost(target, seconds))

        return ProfilerCosts(per_kernel, per_pass)

    def _find(
        self, target: Target, name: str, estimate: Callable[[], Estimate]
    ) -> tuple[float, str]:
        key = (target.spec.fingerprint, name)
        if key not in self._known:
            self._known[key] = self._stored(target, name) or self._made(target, name, estimate())
        return self._known[key]

    def _stored(self, target: Target, name: str) -> tuple[float, str] | None:
        if self._table is None:
            return None
        try:
            found = self._table.get_calibration(target.spec.fingerprint, name)
        except TableError:
            return None
        return None if found is None else (found.value, found.source)

    def _made(self, target: Target, name: str, estimate: Estimate) -> tuple[float, str]:
        if self._table is not None:
            with suppress(TableError):
                self._table.set_calibration(
                    target.spec, name, estimate.seconds, source=estimate.source
                )
        return estimate.seconds, estimate.source
