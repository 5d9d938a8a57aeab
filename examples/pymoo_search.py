"""pymoo: the most FLOPs under a latency limit, on a device known by ten measurements."""

from pymoo.algorithms.soo.nonconvex.ga import GA
from pymoo.optimize import minimize

from hwprof import Objective
from hwprof.predictors import pools, shipped
from hwprof.search import Goals
from hwprof.search.adapters.pymoo import ArchitectureProblem, operators

SPACE, DEVICE = "nasbench201", "raspi4"

pool = pools.load(SPACE)
predictor = shipped.fit_shipped(SPACE)
chosen = predictor.select(10)  # measure these; here a shipped device stands in
adapted = predictor.adapt(chosen, pool.latency_s[chosen, pool.devices.index(DEVICE)])
latency = Objective(adapted, statistic=0.9, limit="30ms", space=SPACE)
flops = Objective(metric="flops", space=SPACE)
goals = Goals(SPACE, maximise={"flops": flops}, limits=latency)

problem = ArchitectureProblem(goals)
result = minimize(problem, GA(pop_size=40, **operators(goals)), ("n_gen", 15), seed=0)

best = goals.space.texts(problem.rows(result.X))[0]
print(best, f"{-result.F[0]:.3g} FLOPs", latency.metric.show(latency(best)[0]))
