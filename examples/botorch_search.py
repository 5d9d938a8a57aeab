"""BoTorch: the most FLOPs under a latency limit, on a device known by ten measurements."""

import torch
from botorch.acquisition import qLogExpectedImprovement
from botorch.acquisition.objective import LinearMCObjective
from botorch.fit import fit_gpytorch_mll
from botorch.models import ModelList, SingleTaskGP
from gpytorch.mlls import ExactMarginalLogLikelihood

from hwprof import Objective
from hwprof.predictors import pools, shipped
from hwprof.search.adapters.botorch import CostModel, cost_constraint

SPACE, DEVICE = "nasbench201", "raspi4"
pool = pools.load(SPACE)
predictor = shipped.fit_shipped(SPACE)
chosen = predictor.select(10)  # measure these; here a shipped device stands in
adapted = predictor.adapt(chosen, pool.latency_s[chosen, pool.devices.index(DEVICE)])
latency = Objective(adapted, limit="30ms", space=SPACE)
cost = CostModel(latency)

X = torch.tensor(pool.features)
# In real life accuracies are measured; FLOPs stand in.
work = torch.tensor(Objective(metric="flops", space=SPACE)(list(pool.names)) / 1e8)[:, None]
candidates = list(range(0, len(X), 5))
tried = candidates[::320]
for _ in range(4):
    accuracy = SingleTaskGP(X[tried], work[tried])
    fit_gpytorch_mll(ExactMarginalLogLikelihood(accuracy.likelihood, accuracy))
    feasible = [row for row in tried if latency.violation([row])[0] <= 0]
    improvement = qLogExpectedImprovement(
        ModelList(accuracy, cost),
        best_f=max(work[feasible]).item(),
        objective=LinearMCObjective(torch.tensor([1.0, 0.0], dtype=X.dtype)),
        constraints=[cost_constraint(cost, output=1)],
    )
    left = [row for row in candidates if row not in tried]
    with torch.no_grad():
        gains = improvement(X[left].unsqueeze(1))
    tried.append(left[int(gains.argmax())])

row = max((r for r in tried if latency.violation([r])[0] <= 0), key=lambda r: work[r])
best = pool.names[row]
print(best, f"{work[row].item():.2f}e8 FLOPs")
