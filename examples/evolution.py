"""A search without a library: the most FLOPs under a latency limit, on your own device.

hwprof adapt --space nasbench201 --measurements hwprof.db -o my.device
python examples/evolution.py my.device [LIMIT, such as 15ms]
"""

import sys

import numpy as np

from hwprof import Objective, spaces
from hwprof.predictors.fewshot.adapted import AdaptedFewShot

SPACE = "nasbench201"
PARENTS, GENERATIONS = 40, 20

space, rng = spaces.get(SPACE), np.random.default_rng(0)
device = AdaptedFewShot.load(sys.argv[1])
population = space.sample(PARENTS, rng)
middle = f"{np.median(Objective(device, space=SPACE)(population)):.3g}s"
limit = sys.argv[2] if len(sys.argv) > 2 else middle

# The 0.9 quantile: nine times in ten the truth is faster than this.
latency = Objective(device, statistic=0.9, limit=limit, space=SPACE)
flops = Objective(metric="flops", space=SPACE)
for _ in range(GENERATIONS):
    children = space.mutate(space.crossover(population, rng.permutation(population), rng), rng)
    everyone = np.unique(np.concatenate([population, children]), axis=0)
    # Whoever meets the limit comes first, then whoever has more to compute.
    order = np.lexsort((-flops(everyone), np.maximum(latency.violation(everyone), 0)))
    population = everyone[order[:PARENTS]]

best = space.texts(population[:1])[0]
show = latency.metric.show
print(f"{GENERATIONS * PARENTS} predicted; the most FLOPs within {show(latency.limit)}:")
print(best)
print(f"{flops(best)[0]:.3g} FLOPs, {show(latency(best)[0])} or less with probability 0.9")
