"""hwprof against a plain loop and torch.utils.benchmark: repeatability under load, cost when quiet.

Each method measures the same model `--restarts` times, every time in a fresh process on the same
processor, the methods in turn. Under load a neighbour on that processor works and rests in random
bursts. Must show: coefficient of variation over restarts at least 2x smaller than both peers'
under load (median over models), and at most 10 % more wall time per measurement than the loop that
stops at the same precision, when quiet.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from common import BURSTS, light_models, name, neighbour, parser, write
from peers import BUDGET_S

from hwprof.models.load import load_model
from hwprof.profiler.bench import measure_on
from hwprof.profiler.plan import Plan
from hwprof.targets.worker import WorkerTarget

METHODS = ("hwprof", "loop", "torch")
STATES = ("quiet", "loaded")
PEERS = Path(__file__).parent / "peers.py"


def once(method: str, path: Path, cpu: int, target: WorkerTarget) -> tuple[float, float]:
    """One measurement: (latency in seconds, wall seconds that it took, process start included)."""
    start = time.perf_counter()
    if method == "hwprof":
        plan = Plan(per_op=False, pin=str(cpu), budget_s=BUDGET_S, restarts=1)
        latency = measure_on(load_model(path), target, plan).latency.headline_s
    else:
        done = subprocess.run(
            [sys.executable, str(PEERS), method, str(path), str(cpu)],
            check=True,
            capture_output=True,
            text=True,
        )
        latency = json.loads(done.stdout)["median_s"]
    return latency, time.perf_counter() - start


def rounds(path: Path, cpu: int, restarts: int, target: WorkerTarget) -> dict[str, Any]:
    """`restarts` rounds of all methods; per method its latencies and wall times."""
    found: dict[str, list[tuple[float, float]]] = {method: [] for method in METHODS}
    for _ in range(restarts):
        for method in METHODS:
            found[method].append(once(method, path, cpu, target))
    return {
        method: {
            "latency_s": [latency for latency, _ in pairs],
            "wall_s": statistics.median(wall for _, wall in pairs),
            "cv": statistics.stdev(a for a, _ in pairs) / statistics.mean(a for a, _ in pairs),
        }
        for method, pairs in found.items()
    }


def against(rows: list[dict[str, Any]], state: str, peer: str) -> dict[str, float]:
    """How much tighter than `peer` hwprof repeats, and how much more wall time it takes."""
    pairs = [(row[state]["hwprof"], row[state][peer]) for row in rows]
    tighter = [theirs["cv"] / ours["cv"] for ours, theirs in pairs]
    walls = [ours["wall_s"] / theirs["wall_s"] for ours, theirs in pairs]
    return {
        "tighter": statistics.median(tighter),
        "tighter_least": min(tighter),
        "wall": statistics.median(walls),
        "wall_total": sum(o["wall_s"] for o, _ in pairs) / sum(t["wall_s"] for _, t in pairs),
        "wall_worst": max(walls),
    }


def main() -> None:
    options = parser(__doc__)
    options.add_argument("--restarts", type=int, default=10)
    # vgg19 takes 10 s a measurement: a quarter of an hour for one more row of the same story.
    options.set_defaults(models=[path for path in light_models() if name(path) != "vgg19"])
    options.add_argument("--states", nargs="*", choices=STATES, default=list(STATES))
    arguments = options.parse_args()
    target = WorkerTarget("onnxruntime-cpu:threads=1")
    rows = []
    head = "".join(f"{m:>9s}" for m in METHODS)
    print(f"{'model':16s}{'':10s}  CV over restarts{'':11s}  wall s per measurement")
    print(f"{'':16s}{'':10s}{head}{head}")
    for path in arguments.models:
        row: dict[str, Any] = {"model": name(path)}
        if "quiet" in arguments.states:
            row["quiet"] = rounds(path, arguments.cpu, arguments.restarts, target)
        if "loaded" in arguments.states:
            with neighbour(arguments.cpu, BURSTS.format(seed=len(rows))):
                row["loaded"] = rounds(path, arguments.cpu, arguments.restarts, target)
        rows.append(row)
        for state in arguments.states:
            cvs = "".join(f"{row[state][m]['cv']:9.1%}" for m in METHODS)
            walls = "".join(f"{row[state][m]['wall_s']:9.2f}" for m in METHODS)
            print(f"{row['model']:16s}{state:10s}{cvs}{walls}", flush=True)
    summary = {
        state: {peer: against(rows, state, peer) for peer in METHODS[1:]}
        for state in arguments.states
    }
    for state, peers in summary.items():
        for peer, figures in peers.items():
            print(
                f"{state}, against {peer}: {figures['tighter']:.1f}x tighter in median (least "
                f"{figures['tighter_least']:.1f}x); wall time {figures['wall']:.2f}x in median, "
                f"{figures['wall_total']:.2f}x in total, worst {figures['wall_worst']:.2f}x"
            )
    write(arguments.json, {"rows": rows, "summary": summary})


if __name__ == "__main__":
    main()
