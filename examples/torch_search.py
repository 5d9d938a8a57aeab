"""PyTorch: blocks of FBNet by gradient, with the latency in the loss (ProxylessNAS, FBNet)."""

import numpy as np
import torch

from hwprof import Objective, spaces
from hwprof.predictors import pools, shipped
from hwprof.search.adapters.torch import ExpectedCost

SPACE, DEVICE, LIMIT = "fbnet", "raspi4", "20ms"
pool = pools.load(SPACE)
predictor = shipped.fit_shipped(SPACE)
chosen = predictor.select(10)  # measure these; here a shipped device stands in
adapted = predictor.adapt(chosen, pool.latency_s[chosen, pool.devices.index(DEVICE)])
latency = Objective(adapted, limit=LIMIT, space=SPACE)

# In milliseconds; 2 % are left for what the last rounding to one block per layer adds.
expected = ExpectedCost.of(adapted, SPACE, unit=1e-3)
bound = 0.98 * latency.limit / 1e-3
# Stands in for the accuracy loss of a supernet: wider blocks are better.
gain = torch.tensor([1.0, 1, 3, 6, 1, 1, 3, 6, 0]).log1p()

torch.manual_seed(0)
alpha = torch.zeros(22, 9, requires_grad=True)
optimiser = torch.optim.Adam([alpha], lr=0.1)
for step in range(600):
    tau = 3.0 * 0.99**step + 0.1
    score = (torch.softmax(alpha / tau, -1) * gain).sum()
    loss = 5 * torch.relu(expected(alpha, tau) / bound - 1) * 22 - score
    optimiser.zero_grad()
    loss.backward()
    optimiser.step()

row = alpha.argmax(dim=1).numpy()
best = spaces.get(SPACE).format(np.array(spaces.get(SPACE).operations)[row])
print(best, latency.metric.show(latency(best)[0]))
