"""Optuna: the most FLOPs under a latency limit, on a device known by ten measurements."""

import optuna

from hwprof import Objective
from hwprof.predictors import pools, shipped
from hwprof.search import Goals
from hwprof.search.adapters.optuna import architecture, directions, optuna_objective

SPACE, DEVICE = "nasbench201", "raspi4"

pool = pools.load(SPACE)
predictor = shipped.fit_shipped(SPACE)
chosen = predictor.select(10)  # measure these; here a shipped device stands in
adapted = predictor.adapt(chosen, pool.latency_s[chosen, pool.devices.index(DEVICE)])
latency = Objective(adapted, statistic=0.9, limit="30ms", space=SPACE)
flops = Objective(metric="flops", space=SPACE)
goals = Goals(SPACE, maximise={"flops": flops}, limits=latency)

optuna.logging.set_verbosity(optuna.logging.WARNING)
sampler = optuna.samplers.TPESampler(seed=0)
study = optuna.create_study(directions=directions(goals), sampler=sampler)
study.optimize(optuna_objective(goals), n_trials=100)

best = architecture(study.best_trial, SPACE)
print(best, f"{study.best_value:.3g} FLOPs", latency.metric.show(latency(best)[0]))
