"""hwprof's latency against each runtime's own tool, on the same model, in turns.

For every runtime and model, hwprof (A) and the tool (B) measure in the order A B B A ..., each time
in a fresh process on the same processor with one thread, and the tool times as many runs as hwprof
just did (torch's timer decides itself, for as long). `median` sets the median of all of hwprof's
raw samples against the tool's median, `min` the smallest against the smallest, and `headline` what
hwprof reports against the tool's median, which a busy machine inflates. Ratios are hwprof's figure
over the tool's, each the median over its turns. Aim: medians over models within 5 % when quiet.

Two programs that share a processor with others cannot be compared in wall time. A turn is quiet
when half of its runs went uninterrupted; `--tries` repeats one that is not and keeps the
quietest, and `clean` shows what was got: the least share over all turns of both sides.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from common import light_models, name, parser, write
from onnx import TensorProto, helper, numpy_helper
from runtime_peers import PEERS

from hwprof.devices.registry import available
from hwprof.errors import HwprofError
from hwprof.models.load import load_model
from hwprof.profiler.bench import measure_on
from hwprof.profiler.plan import Plan
from hwprof.targets.worker import WorkerTarget

SCRIPT = Path(__file__).parent / "runtime_peers.py"
MODELS = ("squeezenet", "shufflenet", "inception_v1", "resnet50")
STATISTICS = ("median", "headline", "min")
BUDGET_S = 5.0
QUIET = 0.5
LAYERS, WIDTH, ROWS = 4, 512, 16


def small_model(folder: Path) -> Path:
    """Four dense layers with ReLU: some hundred microseconds, where a call's own cost shows."""
    rng = np.random.default_rng(0)
    nodes, weights = [], []
    for i in range(LAYERS):
        values = rng.standard_normal((WIDTH, WIDTH)).astype(np.float32) / WIDTH**0.5
        weights.append(numpy_helper.from_array(values, f"w{i}"))
        nodes.append(helper.make_node("MatMul", [f"t{i}", f"w{i}"], [f"m{i}"], name=f"mm{i}"))
        nodes.append(helper.make_node("Relu", [f"m{i}"], [f"t{i + 1}"], name=f"relu{i}"))
    shape = [ROWS, WIDTH]
    graph = helper.make_graph(
        nodes,
        "small",
        [helper.make_tensor_value_info("t0", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info(f"t{LAYERS}", TensorProto.FLOAT, shape)],
        weights,
    )
    proto = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    path = folder / "small.onnx"
    onnx.save(proto, str(path))
    return path


def ours(path: Path, target: WorkerTarget, cpu: int) -> dict[str, Any]:
    """One measurement by hwprof: its figures, and how many runs it took."""
    plan = Plan(per_op=False, pin=str(cpu), budget_s=BUDGET_S, restarts=1)
    measurement = measure_on(load_model(path), target, plan)
    steady = measurement.restarts[0].steady
    latency = measurement.latency
    return {
        "headline_s": latency.headline_s,
        "median_s": float(np.median(steady.wall_s)),
        "mean_s": float(steady.wall_s.mean()),
        "min_s": float(steady.wall_s.min()),
        "samples": len(steady),
        "runs": len(steady) * steady.loops,
        "seconds": float(steady.wall_s.sum()) * steady.loops,
        "basis": latency.basis.value,
        "clean": latency.clean_share or 0.0,
    }


def theirs(runtime: str, path: Path, cpu: int, job: dict[str, Any]) -> dict[str, Any]:
    """One measurement by the runtime's own tool. Raises RuntimeError with the tool's last words."""
    done = subprocess.run(
        [sys.executable, str(SCRIPT), runtime, str(path), str(cpu), json.dumps(job)],
        capture_output=True,
        text=True,
    )
    if done.returncode:
        words = (done.stderr or done.stdout).strip().splitlines() or ["it said nothing"]
        raise RuntimeError(f"the tool of {runtime} failed: {words[-1]}")
    found: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    # Several interruptions may hit one run, so this is the least that the share can be.
    found["clean"] = max(0.0, 1 - found["switches"] / found["runs"])
    return found


def quietest(measure: Callable[[], dict[str, Any]], tries: int) -> dict[str, Any]:
    """The first quiet measurement of `tries`, else the one with the most clean runs."""
    made: list[dict[str, Any]] = []
    while len(made) < tries and not (made and made[-1]["clean"] >= QUIET):
        made.append(measure())
    return max(made, key=lambda each: float(each["clean"]))


def compare(runtime: str, path: Path, arguments: argparse.Namespace) -> dict[str, Any]:
    """Turns A B B A ... on one model; every figure, and the ratios of the medians over turns."""
    target = WorkerTarget(f"{runtime}-cpu:threads=1")
    spec = target.spec
    mine: list[dict[str, Any]] = []
    tool: list[dict[str, Any]] = []
    for turn in range(arguments.rounds):
        for who in "AB" if turn % 2 == 0 else "BA":
            if who == "A":
                mine.append(quietest(lambda: ours(path, target, arguments.cpu), arguments.tries))
                continue
            job = {key: mine[-1][key] for key in ("runs", "seconds")}
            job |= {"options": dict(spec.options), "precision": spec.precision}

            def once(job: dict[str, Any] = job) -> dict[str, Any]:
                return theirs(runtime, path, arguments.cpu, job)

            tool.append(quietest(once, arguments.tries))

    def middle(turns: list[dict[str, Any]], key: str) -> float:
        return statistics.median(each[key] for each in turns)

    ratios = {
        "median": middle(mine, "median_s") / middle(tool, "median_s"),
        "headline": middle(mine, "headline_s") / middle(tool, "median_s"),
        "min": middle(mine, "min_s") / middle(tool, "min_s"),
    }
    return {
        "runtime": runtime,
        "version": spec.runtime_version,
        "model": name(path),
        "ratios": ratios,
        "clean": min(each["clean"] for each in (*mine, *tool)),
        "hwprof": mine,
        "tool": tool,
    }


def main() -> None:
    options = parser(__doc__)
    options.set_defaults(models=[path for path in light_models() if name(path) in MODELS])
    options.add_argument("--runtimes", nargs="*", choices=sorted(PEERS), default=sorted(PEERS))
    options.add_argument("--rounds", type=int, default=4, help="turns of each side")
    options.add_argument("--tries", type=int, default=1, help="measurements per turn until quiet")
    arguments = options.parse_args()
    rows: list[dict[str, Any]] = []
    skipped: dict[str, str] = {}
    states = {each.name: each for each in available()}
    load = os.getloadavg()[0]
    print(f"{'runtime':13s}{'model':14s}{'hwprof ms':>10s}{'tool ms':>9s}", end="")
    print("".join(f"{s:>10s}" for s in STATISTICS) + f"{'clean':>7s}")
    with tempfile.TemporaryDirectory(prefix="hwprof-") as folder:
        models = [small_model(Path(folder)), *arguments.models]
        for runtime in arguments.runtimes:
            state = states[f"{runtime}-cpu"]
            if not state.available:
                skipped[runtime] = state.reason
                print(f"{runtime:13s}left out: {state.reason}")
                continue
            for path in models:
                try:
                    row = compare(runtime, path, arguments)
                except (HwprofError, RuntimeError) as error:
                    skipped[f"{runtime} {name(path)}"] = str(error)
                    print(f"{runtime:13s}{name(path):14s}left out: {error}")
                    continue
                rows.append(row)
                print_row(row)
    summary = {}
    for runtime in dict.fromkeys(row["runtime"] for row in rows):
        own = [row["ratios"] for row in rows if row["runtime"] == runtime]
        summary[runtime] = {s: statistics.median(each[s] for each in own) for s in STATISTICS}
        words = ", ".join(f"{s} {summary[runtime][s] - 1:+.1%}" for s in STATISTICS)
        tool = next(row["tool"][0]["tool"] for row in rows if row["runtime"] == runtime)
        print(f"{runtime}: {words} (median over {len(own)} models) against {tool}")
    print(f"load average {load:.1f} before, {os.getloadavg()[0]:.1f} after")
    loads = {"before": load, "after": os.getloadavg()[0]}
    hardware = asdict(WorkerTarget("onnxruntime-cpu").spec.hardware)
    write(
        arguments.json,
        {
            "rows": rows,
            "summary": summary,
            "left_out": skipped,
            "load_average": loads,
            "hardware": hardware,
        },
    )


def print_row(row: dict[str, Any]) -> None:
    print(
        f"{row['runtime']:13s}{row['model']:14s}"
        f"{statistics.median(e['median_s'] for e in row['hwprof']) * 1e3:10.3f}"
        f"{statistics.median(e['median_s'] for e in row['tool']) * 1e3:9.3f}"
        + "".join(f"{row['ratios'][s]:10.3f}" for s in STATISTICS)
        + f"{row['clean']:7.0%}",
        flush=True,
    )


if __name__ == "__main__":
    main()
