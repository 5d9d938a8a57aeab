"""Which statistic to quote: repeatability over restarts of every candidate, quiet and loaded.

Each model is measured in `--restarts` fresh processes, quiet and beside a bursty neighbour; all
candidates are computed from the same samples. Printed: the coefficient of variation over restarts
and the bias under load against quiet, medians over models. docs/decisions/0003 quotes this.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable

import numpy as np
from common import BURSTS, name, neighbour, parser, write

from hwprof.models.load import load_model
from hwprof.profiler.bench import measure_on
from hwprof.profiler.plan import Plan
from hwprof.samples import Samples
from hwprof.targets.worker import WorkerTarget


def trusted(q: float) -> Callable[[Samples], float]:
    """The q-quantile of the basis that hwprof trusts."""
    return lambda s: float(np.quantile(s.values(s.basis(1)), q))


CANDIDATES: dict[str, Callable[[Samples], float]] = {
    "all, mean": lambda s: float(s.wall_s.mean()),
    "all, median": lambda s: float(np.median(s.wall_s)),
    "all, p25": lambda s: float(np.quantile(s.wall_s, 0.25)),
    "all, p10": lambda s: float(np.quantile(s.wall_s, 0.10)),
    "all, min": lambda s: float(s.wall_s.min()),
    "trusted, median": trusted(0.5),
    "trusted, p25": trusted(0.25),
    "trusted, p10": trusted(0.10),
    "trusted, min": trusted(0.0),
    "CPU time, p25": lambda s: float(np.quantile(s.cpu_s if s.cpu_s is not None else [], 0.25)),
}


def main() -> None:
    options = parser(__doc__)
    options.add_argument("--restarts", type=int, default=10)
    arguments = options.parse_args()
    target = WorkerTarget("onnxruntime-cpu:threads=1")
    plan = Plan(per_op=False, pin=str(arguments.cpu), budget_s=6, restarts=1)
    cv: dict[str, dict[str, list[float]]] = {
        state: {c: [] for c in CANDIDATES} for state in ("quiet", "loaded")
    }
    bias: dict[str, list[float]] = {c: [] for c in CANDIDATES}
    for number, path in enumerate(arguments.models):
        model = load_model(path)

        def samples(model: object = model) -> list[Samples]:
            return [
                measure_on(model, target, plan).restarts[0].steady
                for _ in range(arguments.restarts)
            ]

        quiet = samples()
        with neighbour(arguments.cpu, BURSTS.format(seed=number)):
            loaded = samples()
        for label, statistic in CANDIDATES.items():
            values = {
                "quiet": [statistic(s) for s in quiet],
                "loaded": [statistic(s) for s in loaded],
            }
            for state, found in values.items():
                cv[state][label].append(statistics.stdev(found) / statistics.mean(found))
            ratio = statistics.median(values["loaded"]) / statistics.median(values["quiet"])
            bias[label].append(ratio - 1)
        print(f"measured {name(path)}", flush=True)
    print(f"{'statistic':18s} {'CV quiet':>9s} {'CV loaded':>10s} {'bias loaded':>12s}")
    for label in CANDIDATES:
        print(
            f"{label:18s} {statistics.median(cv['quiet'][label]):9.2%} "
            f"{statistics.median(cv['loaded'][label]):10.2%} "
            f"{statistics.median(bias[label]):+12.2%}"
        )
    write(arguments.json, {"cv": cv, "bias": bias})


if __name__ == "__main__":
    main()
