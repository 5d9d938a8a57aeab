"""What a predicted cost costs a search, on one core.

- Encoding and predicting a whole space (nasbench201), from rows of choices and from texts.
- Every cell of it from a saved predictor, in a fresh process, the first call included.
- Objectives: mean and 0.9 quantile.
- Estimators in place of the predictor: a roofline, and a table that answers by the nearest cell.
- The differentiable expected cost of 22 positions with 9 choices, forward and backward (PyTorch).

    OMP_NUM_THREADS=1 python scripts/bench_objective.py
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from hwprof import spaces
from hwprof.predictors import pools
from hwprof.predictors.fewshot import FewShotPredictor
from hwprof.predictors.shipped import FITTED_ROWS, thinned
from hwprof.search import Objective, Roofline, TableLookup

SPACE, UNSEEN = "nasbench201", "raspi4"

FIRST = """
import sys, time
from hwprof.predictors.fewshot import AdaptedFewShot
started = time.perf_counter()
adapted = AdaptedFewShot.load(sys.argv[1])
loaded = time.perf_counter()
import numpy as np
mean = adapted.predict(np.arange(15625)).mean_s
print(loaded - started, time.perf_counter() - loaded)
"""


def best_of(call: Callable[[], object], repeats: int = 7) -> float:
    """Least seconds of one call: what the work takes when nothing disturbs it."""
    times = []
    for _ in range(repeats):
        started = time.perf_counter()
        call()
        times.append(time.perf_counter() - started)
    return min(times)


def torch_step_s() -> float:
    """Seconds of one forward and backward pass of the expected cost of 22 x 9 choices."""
    import torch

    from hwprof.search.adapters.torch import ExpectedCost

    torch.set_num_threads(1)
    table = np.random.default_rng(0).gamma(2, 1e-3, (22, 9))
    cost = ExpectedCost(table)
    alpha = torch.zeros(22, 9, requires_grad=True)

    def step() -> None:
        alpha.grad = None
        cost(alpha).backward()

    for _ in range(200):
        step()
    return best_of(lambda: [step() for _ in range(200)]) / 200


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--json", type=Path, help="write every figure to this file")
    options = parser.parse_args()
    pool, space = pools.load(SPACE), spaces.get(SPACE)
    assert pool.names is not None
    truth = pool.latency_s[:, pool.devices.index(UNSEEN)]
    known = pool.subset([device for device in pool.devices if device != UNSEEN])
    predictor = FewShotPredictor.fit(thinned(known, FITTED_ROWS), similarity=space.similarity())
    chosen = predictor.select(10)
    adapted = predictor.adapt(chosen, truth[chosen], UNSEEN)
    texts = list(pool.names)
    rows = space.indices(texts)
    n = len(rows)
    found: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "one.device")
        adapted.save(path)
        done = subprocess.run(
            [sys.executable, "-c", FIRST, str(path)], capture_output=True, text=True, check=True
        )
        found["load_s"], found["first_call_s"] = map(float, done.stdout.split())
        # A tenth of the cells is measured: the others are answered by the nearest of these.
        csv = Path(folder, "cells.csv")
        lines = [f"{texts[i]},{1e3 * truth[i]}" for i in range(0, n, 10)]
        csv.write_text("\n".join(["arch,latency_ms", *lines]))
        lookup = Objective(TableLookup(csv, space, missing="nearest"))
        found["lookup_s"] = best_of(lambda: lookup(rows), 3)
    roofline = Objective(Roofline(space, peak_flops=1e11, bandwidth=1e10))
    found["roofline_s"] = best_of(lambda: roofline(rows))
    found |= {
        "rows_archs_per_s": n / best_of(lambda: adapted.predict(space.encode(rows)).mean_s),
        "texts_archs_per_s": n / best_of(lambda: adapted.predict(space.encode(texts)).mean_s),
        "objective_mean_s": best_of(lambda: Objective(adapted, space=space)(rows)),
        "objective_q90_s": best_of(lambda: Objective(adapted, space=space, statistic=0.9)(rows), 3),
        "expected_cost_s": torch_step_s(),
    }
    print(f"encode and predict, rows of choices   {found['rows_archs_per_s'] / 1e6:8.2f} M archs/s")
    print(
        f"encode and predict, texts             {found['texts_archs_per_s'] / 1e6:8.2f} M archs/s"
    )
    print(f"all {n} cells, first call           {found['first_call_s'] * 1e3:8.1f} ms")
    print(f"  loading the predictor before it     {found['load_s'] * 1e3:8.1f} ms")
    print(f"objective, mean of all cells          {found['objective_mean_s'] * 1e3:8.1f} ms")
    print(f"objective, 0.9 quantile of all cells  {found['objective_q90_s'] * 1e3:8.1f} ms")
    print(f"objective, roofline of all cells      {found['roofline_s'] * 1e3:8.1f} ms")
    print(f"objective, nearest of a tenth         {found['lookup_s'] * 1e3:8.1f} ms")
    print(f"expected cost 22 x 9, with gradient   {found['expected_cost_s'] * 1e6:8.1f} us")
    if options.json is not None:
        options.json.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
