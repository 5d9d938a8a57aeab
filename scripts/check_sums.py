"""Sums of kernels against the latency where sums go wrong: beside a busy loop, and in control flow.

Light models with a busy loop on the same processor, and small models of Loop, Scan and nested If.
A sum within 10 % of the latency is right; beyond, it must carry `kernels do not add up`. The exit
status is 1 where one of them does neither.
"""

from __future__ import annotations

import itertools
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnx
from common import name, neighbour, parser, write
from onnx import TensorProto, helper, numpy_helper

# Two of the models are the tests' own.
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from hwprof.measurement import Measurement, WarningCode
from hwprof.models.load import load_model
from hwprof.profiler.bench import measure_on
from hwprof.profiler.node_cost import NodeCosts
from hwprof.profiler.plan import Plan
from hwprof.targets.worker import WorkerTarget
from tests.models_of_reports.loops import recurrent_loop, recurrent_scan

WITHIN = 0.10
SIZES = (32, 128, 512)


def nested_if(width: int) -> onnx.ModelProto:
    """An If inside an If; both take the branch that works."""
    value = helper.make_tensor_value_info

    def branch(label: str, nodes: list[onnx.NodeProto]) -> onnx.GraphProto:
        out = value(nodes[-1].output[0], TensorProto.FLOAT, [width, width])
        return helper.make_graph(nodes, label, [], [out])

    def products(label: str) -> list[onnx.NodeProto]:
        names = ["x", *(f"{label}{i}" for i in range(4))]
        return [
            helper.make_node("MatMul", [read, "w"], [made], name=f"{label}_mm{i}")
            for i, (read, made) in enumerate(itertools.pairwise(names))
        ]

    idle = branch("idle", [helper.make_node("Neg", ["x"], ["idle"], name="idle")])
    inner = helper.make_node(
        "If",
        ["yes"],
        ["inner"],
        name="inner",
        then_branch=branch("deep", products("deep")),
        else_branch=idle,
    )
    other = branch("other", [helper.make_node("Neg", ["x"], ["other"], name="other")])
    outer = helper.make_node(
        "If",
        ["yes"],
        ["y"],
        name="outer",
        then_branch=branch("outer", [*products("first"), inner]),
        else_branch=other,
    )
    # The condition is computed, so that no optimiser takes the branch away.
    total = helper.make_node("ReduceSum", ["x"], ["total"], keepdims=0)
    more = helper.make_node("GreaterOrEqual", ["total", "zero"], ["yes"])
    shape = [width, width]
    weight = np.random.default_rng(0).standard_normal(shape).astype(np.float32) / width
    graph = helper.make_graph(
        [total, more, outer],
        "nested",
        [value("x", TensorProto.FLOAT, shape)],
        [value("y", TensorProto.FLOAT, shape)],
        [numpy_helper.from_array(weight, "w"), numpy_helper.from_array(np.float32(0), "zero")],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)


def control_flow(folder: Path) -> Iterator[Path]:
    for width in SIZES:
        for label, model in (
            ("loop", recurrent_loop(50, width)),
            ("scan", recurrent_scan(50, width)),
            ("nested_if", nested_if(width)),
        ):
            path = folder / f"{label}_{width}.onnx"
            onnx.save(model, str(path))
            yield path


def verdict(measurement: Measurement) -> tuple[str, float | None]:
    """`right`, `marked` or `wrong`, and how far the sum is off."""
    profile = measurement.profile
    total_s = None if profile is None else profile.total_s()
    if total_s is None:
        return f"absent: {measurement.profile_reason}", None
    gap = total_s / measurement.latency.headline_s - 1
    if abs(gap) <= WITHIN:
        return "right", gap
    marked = measurement.warned(WarningCode.KERNELS_DO_NOT_ADD_UP)
    return ("marked" if marked else "wrong"), gap


def main() -> None:
    arguments = parser(__doc__).parse_args()
    target = WorkerTarget("onnxruntime-cpu:threads=1")
    costs = NodeCosts()
    costs.of(target)()  # estimated while nothing runs beside
    plan = Plan(pin=str(arguments.cpu), restarts=1, budget_s=5)
    rows = []

    def measure(path: Path, where: str) -> None:
        measurement = measure_on(load_model(path), target, plan, node_cost=costs.of(target))
        found, gap = verdict(measurement)
        rows.append({"model": name(path), "where": where, "verdict": found, "gap": gap})
        told = "" if gap is None else f"{gap:+.1%}"
        print(f"{name(path):16s} {where:8s} {told:>8s}  {found}", flush=True)

    for path in arguments.models:
        with neighbour(arguments.cpu):
            measure(path, "beside")
    with tempfile.TemporaryDirectory() as folder:
        for path in control_flow(Path(folder)):
            measure(path, "alone")
    wrong = [row for row in rows if row["verdict"] not in ("right", "marked")]
    right = sum(row["verdict"] == "right" for row in rows)
    print(f"{right} right, {len(rows) - right - len(wrong)} marked, {len(wrong)} wrong")
    write(arguments.json, {"rows": rows})
    sys.exit(bool(wrong))


if __name__ == "__main__":
    main()
