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

from hwprof.devices.worker.client import WorkerTarget
from hwprof.profiler.bench import measure_on
from hwprof.profiler.model_file import load_model
from hwprof.profiler.plan import Plan

METHODS = ("hwprof", "loop", "torch")
PEERS = Path(__file__).parent / "peers.py"


def once(method: str, path: Path, cpu: int, target: WorkerTarget) -> tuple[float, float]:
    """One measurement: (latency in seconds, wall seconds that it took, process start included)."""
    start = time.perf_counter()
    if method == "hwprof":
        plan = Plan(per_op=False, pin=str(cpu), budget_s=BUDGET_S)
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


def main() -> None:
    options = parser(__doc__)
    options.add_argument("--restarts", type=int, default=10)
    # vgg19 takes 10 s a measurement: a quarter of an hour for one more row of the same story.
    options.set_defaults(models=[path for path in light_models() if name(path) != "vgg19"])
    arguments = options.parse_args()
    target = WorkerTarget("onnxruntime-cpu:threads=1")
    rows = []
    head = "".join(f"{m:>9s}" for m in METHODS)
    print(f"{'model':16s}{'':10s}  CV over restarts{'':11s}  wall s per measurement")
    print(f"{'':16s}{'':10s}{head}{head}")
    for path in arguments.models:
        row: dict[str, Any] = {"model": name(path)}
        row["quiet"] = rounds(path, arguments.cpu, arguments.restarts, target)
        with neighbour(arguments.cpu, BURSTS.format(seed=len(rows))):
            row["loaded"] = rounds(path, arguments.cpu, arguments.restarts, target)
        rows.append(row)
        for state in ("quiet", "loaded"):
            cvs = "".join(f"{row[state][m]['cv']:9.1%}" for m in METHODS)
            walls = "".join(f"{row[state][m]['wall_s']:9.2f}" for m in METHODS)
            print(f"{row['model']:16s}{state:10s}{cvs}{walls}", flush=True)
    summary: dict[str, Any] = {}
    for peer in METHODS[1:]:
        tighter = [r["loaded"][peer]["cv"] / r["loaded"]["hwprof"]["cv"] for r in rows]
        dearer = [r["quiet"]["hwprof"]["wall_s"] / r["quiet"][peer]["wall_s"] for r in rows]
        total = sum(r["quiet"]["hwprof"]["wall_s"] for r in rows) / sum(
            r["quiet"][peer]["wall_s"] for r in rows
        )
        summary[peer] = {
            "tighter_under_load": statistics.median(tighter),
            "tighter_least": min(tighter),
            "wall_ratio_quiet": statistics.median(dearer),
            "wall_ratio_quiet_total": total,
            "wall_ratio_quiet_worst": max(dearer),
        }
        print(
            f"against {peer}: under load {statistics.median(tighter):.1f}x tighter in median "
            f"(least {min(tighter):.1f}x); quiet wall time {statistics.median(dearer):.2f}x in "
            f"median, {total:.2f}x in total, worst {max(dearer):.2f}x"
        )
    write(arguments.json, {"rows": rows, "summary": summary})


if __name__ == "__main__":
    main()
