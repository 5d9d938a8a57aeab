"""Syne Tune: the most FLOPs under a latency limit, on a device known by ten measurements."""

import numpy as np
from syne_tune import StoppingCriterion, Tuner
from syne_tune.backend.simulator_backend.simulator_callback import SimulatorCallback
from syne_tune.blackbox_repository import UserBlackboxBackend
from syne_tune.optimizer.baselines import REA

from hwprof import Objective
from hwprof.predictors import pools, shipped
from hwprof.search import Goals
from hwprof.search.adapters.syne_tune import ELAPSED, ArchitectureBlackbox

SPACE, DEVICE = "nasbench201", "raspi4"

pool = pools.load(SPACE)
predictor = shipped.fit_shipped(SPACE)
chosen = predictor.select(10)  # measure these; here a shipped device stands in
adapted = predictor.adapt(chosen, pool.latency_s[chosen, pool.devices.index(DEVICE)])
latency = Objective(adapted, statistic=0.9, limit="30ms", space=SPACE)


flops = Objective(metric="flops", space=SPACE)


def score(rows):  # its schedulers know no limits: what is too slow scores below zero
    excess = latency.violation(rows)
    return np.where(excess > 0, -excess, flops(rows))


goals = Goals(SPACE, maximise={"score": score}, limits=latency)
box = ArchitectureBlackbox(goals)
scheduler = REA(
    box.configuration_space, "score", population_size=20, do_minimize=False, random_seed=0
)
backend = UserBlackboxBackend(box, elapsed_time_attr=ELAPSED)
stop = StoppingCriterion(max_num_trials_finished=300)
tuner = Tuner(backend, scheduler, stop, 1, sleep_time=0, callbacks=[SimulatorCallback()])
tuner.run()

best = goals.space.texts(goals.space.row(tuner.best_config()[1])[None])[0]
print(best, latency.metric.show(latency(best)[0]))
