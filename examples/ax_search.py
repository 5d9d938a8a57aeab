"""Ax: the most FLOPs under a latency limit, on a device known by ten measurements."""

from ax.api.client import Client

from hwprof import Objective
from hwprof.predictors import pools, shipped
from hwprof.search import Goals
from hwprof.search.adapters import ax

SPACE, DEVICE = "nasbench201", "raspi4"

pool = pools.load(SPACE)
predictor = shipped.fit_shipped(SPACE)
chosen = predictor.select(10)  # measure these; here a shipped device stands in
adapted = predictor.adapt(chosen, pool.latency_s[chosen, pool.devices.index(DEVICE)])
latency = Objective(adapted, statistic=0.9, limit="30ms", space=SPACE)
flops = Objective(metric="flops", space=SPACE)
goals = Goals(SPACE, maximise={"flops": flops}, limits=latency)

client = Client(random_seed=0)
client.configure_experiment(ax.parameters(goals))
client.configure_optimization(ax.objective(goals), ax.outcome_constraints(goals))
client.configure_generation_strategy(initialization_budget=12)
for _ in range(14):
    for index, parameters in client.get_next_trials(1).items():
        client.complete_trial(index, ax.evaluate(goals, parameters))

parameters, *_ = client.get_best_parameterization(use_model_predictions=False)
best = ax.architecture(goals, parameters)
print(best, latency.metric.show(latency(best)[0]))
