"""What a runtime's profiler costs per pass through a graph inside a node: a loop's turn, a branch.

A profiled kernel inside a loop carries its own cost, as any kernel does (`node_cost`). On top, the
profiler notes every pass, and what the runtime does between the kernels of a pass is no kernel's.
Loops of few and of many turns show it: what the profile's total grows by more than latency and
calls do is the passes'. In ONNX Runtime 0.5 to 1.5 us, by kind of loop, on the machine this was
built on; it may be negative.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from hwprof.errors import DeviceError, HwprofError
from hwprof.latency import summarise
from hwprof.models.base import Model
from hwprof.models.load import load_model
from hwprof.profiler.plan import Plan
from hwprof.profiler.steady import pin_of, steady_state
from hwprof.scratch import scratch_folder
from hwprof.targets.base import Target

NAME = "profiler_pass_cost_s"
KINDS = ("Loop", "Scan")
TURNS = (20, 140)
PROFILED_RUNS = 60
BUDGET_S = 0.5
# A body of a few kernels each longer than the clock's step.
_SHAPE = (16, 64)
_KERNELS = 3


@dataclass(frozen=True, slots=True)
class PassCostEstimate:
    """Seconds per pass: the median over kinds of loop, and each kind's own figure."""

    seconds: float
    by_kind: tuple[tuple[str, float], ...]

    @property
    def source(self) -> str:
        """One line for the record."""
        parts = ", ".join(f"{kind} {value * 1e6:.2f} us" for kind, value in self.by_kind)
        return f"loops of {TURNS[0]} and {TURNS[1]} turns: {parts}"


def estimate_pass_cost(target: Target, node_cost_s: float) -> PassCostEstimate:
    """Measure the profiler's cost per pass on `target`, given its cost per kernel; takes seconds.

    Raises DeviceError when the device does not run the loops, or its profile does not see inside.
    """
    by_kind = []
    refusal: HwprofError | None = None
    with scratch_folder() as folder:
        for kind in KINDS:
            try:
                extra_s, passes = zip(
                    *(_beyond_kernels(target, kind, turns, node_cost_s, folder) for turns in TURNS),
                    strict=True,
                )
            except HwprofError as error:
                refusal = error
                continue
            if passes[1] > passes[0]:
                by_kind.append((kind, (extra_s[1] - extra_s[0]) / (passes[1] - passes[0])))
    if not by_kind:
        reason = refusal or "the profile does not tell how often a loop repeats"
        raise DeviceError(
            f"the profiler's cost per pass through a loop could not be estimated ({reason}); "
            "use --no-per-op to measure without kernels"
        ) from refusal
    return PassCostEstimate(float(np.median([value for _, value in by_kind])), tuple(by_kind))


def _beyond_kernels(
    target: Target, kind: str, turns: int, node_cost_s: float, folder: str
) -> tuple[float, int]:
    """Seconds that a loop's profile exceeds its latency and the cost of its calls; its passes."""
    plan = Plan(budget_s=BUDGET_S)
    threads = target.spec.threads
    model = loop_model(kind, turns, Path(folder))
    with target.start(model, pin_of(plan, threads)) as run:
        steady = steady_state(run, plan, threads, lambda phase, share: None).steady
        profile = run.profile(PROFILED_RUNS).profile
    kernels = profile.occurrences
    total_s = sum(profile.raw_latency_s(o) - node_cost_s * o.calls for o in kernels)
    latency_s = summarise([steady], threads).headline_s
    return total_s - latency_s, sum(o.passes for o in kernels)


def loop_model(kind: str, turns: int, folder: Path) -> Model:
    """Write an ONNX Loop or Scan of so many turns over a few kernels and load it."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    rng = np.random.default_rng(0)
    width = _SHAPE[1]

    def info(
        name: str, shape: tuple[int, ...] = _SHAPE, dtype: int = TensorProto.FLOAT
    ) -> onnx.ValueInfoProto:
        return helper.make_tensor_value_info(name, dtype, shape)

    nodes, weights = [], []
    for i in range(_KERNELS):
        weight = (rng.standard_normal((width, width)) * 0.05).astype(np.float32)
        weights.append(numpy_helper.from_array(weight, f"w{i}"))
        nodes.append(helper.make_node("MatMul", [f"t{i}", f"w{i}"], [f"t{i + 1}"], name=f"n{i}"))
    state, end = "t0", f"t{_KERNELS}"
    if kind == "Loop":
        body = helper.make_graph(
            [*nodes, helper.make_node("Identity", ["go"], ["still"], name="keep")],
            "body",
            [
                info("i", (), TensorProto.INT64),
                info("go", (), TensorProto.BOOL),
                info(state),
            ],
            [info("still", (), TensorProto.BOOL), info(end)],
        )
        weights.append(numpy_helper.from_array(np.array(turns, np.int64), "turns"))
        weights.append(numpy_helper.from_array(np.array(True), "yes"))
        loop = helper.make_node("Loop", ["turns", "yes", "x"], ["y"], body=body, name="loop")
        inputs, outputs = [info("x")], [info("y")]
    else:
        body = helper.make_graph(
            [*nodes, helper.make_node("Add", [end, "each"], ["sum"], name="add")],
            "body",
            [info(state), info("each")],
            [info("sum")],
        )
        loop = helper.make_node(
            "Scan", ["x", "many"], ["y"], body=body, num_scan_inputs=1, name="scan"
        )
        inputs = [info("x"), info("many", (turns, *_SHAPE))]
        outputs = [info("y")]
    graph = helper.make_graph([loop], f"{kind}-{turns}", inputs, outputs, weights)
    opsets = [helper.make_opsetid("", 17)]
    path = folder / f"{kind}-{turns}.onnx"
    onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=8), str(path))
    return load_model(path)
