"""Two devices, two metrics of each, and limits from above and below, in one search.

The metrics are the latency at batch 1 and at batch 256, both in the shipped pool; the space tells
the bytes of activations and the FLOPs per byte. What was adapted to joules goes in the same way.
"""

import numpy as np

from hwprof.metrics import Metric
from hwprof.predictors import pools, shipped
from hwprof.search import Goals, evolve

SPACE = "nasbench201"
BATCH = Metric("batch_time", {"s": 1.0, "ms": 1e-3}, "25ms")

pool = pools.load(SPACE)
predictor = shipped.fit_shipped(SPACE)
chosen = predictor.select(10)  # measure these; here shipped devices stand in


def adapted(column, metric):
    values = pool.latency_s[chosen, pool.devices.index(column)]
    return predictor.adapt(chosen, values, metric=metric)


devices = {
    name: {
        "latency": adapted(f"{name}_1", "latency"),
        "batch_time": adapted(f"{name}_256", BATCH),
    }
    for name in ("1080ti", "titan_rtx")
}
goals = Goals.over(
    SPACE,
    devices,
    minimise=[("1080ti", "latency")],
    maximise=["flops"],
    limits={("titan_rtx", "latency"): "7ms", ("titan_rtx", "batch_time"): "25ms",
            ("1080ti", "batch_time"): "25ms", "activation_bytes": "9MB"},
    at_least={"compute_intensity": "8"},
    statistic=0.9,
)  # fmt: skip
found = evolve(goals, 20, 40, rng=np.random.default_rng(0))

print("within limits of", ", ".join(goals.constraint_names))
for values, best in zip(found.found.values[found.front], found.texts(found.front), strict=True):
    print(f"{1e3 * values[0]:.3g} ms on 1080ti  {values[1]:.3g} FLOPs  {best}")
