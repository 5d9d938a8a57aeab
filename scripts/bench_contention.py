"""Headline latency quiet and beside a busy loop on the same processor, in turn.

For each model, `--rounds` times: quiet, then contended, one fresh process each. Printed per model:
the quiet headline, the contended headline over it, and what the plain median of all runs would
have said. Must show: within 10 % for at least 8 of the 9 light models.
"""

from __future__ import annotations

import statistics

import numpy as np
from common import name, neighbour, parser, write

from hwprof.measurement import Measurement
from hwprof.models.load import load_model
from hwprof.profiler.bench import measure_on
from hwprof.profiler.plan import Plan
from hwprof.targets.worker import WorkerTarget


def plain_median(measurement: Measurement) -> float:
    """What a loop that knows nothing of contention reports, seconds."""
    return float(np.median(measurement.restarts[0].steady.wall_s))


def main() -> None:
    options = parser(__doc__)
    options.add_argument("--rounds", type=int, default=3)
    arguments = options.parse_args()
    target = WorkerTarget("onnxruntime-cpu:threads=1")
    plan = Plan(per_op=False, pin=str(arguments.cpu), restarts=1)
    rows = []
    print(f"{'model':16s} {'quiet ms':>9s} {'contended':>10s} {'plain median':>13s}  basis, clean")
    for path in arguments.models:
        model = load_model(path)
        quiet, busy = [], []
        for _ in range(arguments.rounds):
            quiet.append(measure_on(model, target, plan))
            with neighbour(arguments.cpu):
                busy.append(measure_on(model, target, plan))
        truth = statistics.median(m.latency.headline_s for m in quiet)
        row = {
            "model": name(path),
            "quiet_s": truth,
            "ratio": statistics.median(m.latency.headline_s for m in busy) / truth,
            "plain_ratio": statistics.median(plain_median(m) for m in busy)
            / statistics.median(plain_median(m) for m in quiet),
            "basis": busy[0].latency.basis.value,
            "clean_share": busy[0].latency.clean_share,
        }
        rows.append(row)
        print(
            f"{row['model']:16s} {truth * 1e3:9.3f} {row['ratio']:9.3f}x "
            f"{row['plain_ratio']:12.3f}x  {row['basis']}, {row['clean_share']:.0%}",
            flush=True,
        )
    within = sum(abs(row["ratio"] - 1) <= 0.10 for row in rows)
    plain = sum(abs(row["plain_ratio"] - 1) <= 0.10 for row in rows)
    print(
        f"headline within 10 % of quiet: {within} of {len(rows)} models; "
        f"plain median: {plain} of {len(rows)}, median "
        f"{statistics.median(row['plain_ratio'] for row in rows):.2f}x off"
    )
    write(arguments.json, {"rows": rows, "within_10_percent": within})


if __name__ == "__main__":
    main()
