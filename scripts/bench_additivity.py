"""Sum of per-op latencies against end-to-end, model by model.

The profiler's own cost per kernel is estimated on synthetic chains, never on the models of this
benchmark. Must show: median absolute gap <= 5 %.
"""

from __future__ import annotations

import statistics

from common import name, parser, write

from hwprof.models.load import load_model
from hwprof.profiler.bench import measure_on
from hwprof.profiler.node_cost import estimate_node_cost
from hwprof.profiler.plan import Plan
from hwprof.targets.worker import WorkerTarget


def main() -> None:
    options = parser(__doc__)
    options.add_argument("--device", default="onnxruntime-cpu:threads=1")
    arguments = options.parse_args()
    target = WorkerTarget(arguments.device)
    estimate = estimate_node_cost(target)
    print(f"profiler's cost per kernel: {estimate.seconds * 1e6:.2f} us ({estimate.source})")
    rows = []
    print(f"{'model':16s} {'kernels':>7s} {'end-to-end ms':>14s} {'sum':>8s} {'uncorrected':>12s}")
    for path in arguments.models:
        measurement = measure_on(
            load_model(path),
            target,
            Plan(pin=str(arguments.cpu), restarts=1),
            node_cost=lambda: (estimate.seconds, estimate.source),
        )
        profile = measurement.profile
        total_s = profile.total_s() if profile is not None else None
        if profile is None or total_s is None:
            raise SystemExit(f"{path.name} has no per-op latencies")
        whole_s = measurement.latency.headline_s
        raw_s = total_s + estimate.seconds * len(profile.occurrences)
        row = {
            "model": name(path),
            "kernels": len(profile.occurrences),
            "latency_s": whole_s,
            "gap": total_s / whole_s - 1,
            "uncorrected_gap": raw_s / whole_s - 1,
        }
        rows.append(row)
        print(
            f"{row['model']:16s} {row['kernels']:7d} {whole_s * 1e3:14.3f} "
            f"{row['gap']:+8.1%} {row['uncorrected_gap']:+12.1%}",
            flush=True,
        )
    median = statistics.median(abs(row["gap"]) for row in rows)
    worst = max(abs(row["gap"]) for row in rows)
    print(f"median absolute gap {median:.1%}, worst {worst:.1%}")
    write(
        arguments.json,
        {"rows": rows, "median_gap": median, "worst_gap": worst, "node_cost_s": estimate.seconds},
    )


if __name__ == "__main__":
    main()
