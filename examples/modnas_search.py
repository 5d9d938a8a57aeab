"""MODNAS: one network that is told a device and a preference, and answers with an architecture.

Sukthanker et al. (2024) train a hypernetwork by gradients of all objectives on all devices at once;
on a device that it never saw, its answer costs no further search.
"""

import numpy as np
import torch

from hwprof import Objective, spaces
from hwprof.predictors import pools, shipped
from hwprof.search.adapters.torch import PredictedCost

SPACE, UNSEEN, LIMIT = "nasbench201", "raspi4", "12ms"
pool = pools.load(SPACE)
predictor = shipped.fit_shipped(SPACE)
chosen = predictor.select(10)  # measure these on each device; here shipped ones stand in
known = {
    name: predictor.adapt(chosen, pool.latency_s[chosen, m])
    for m, name in enumerate(pool.devices) if name.endswith(("_1", "a50", "s7", "pixel3", "6240"))
}  # fmt: skip
unseen = predictor.adapt(chosen, pool.latency_s[chosen, pool.devices.index(UNSEEN)])
latency = Objective(unseen, limit=LIMIT, space=SPACE)

scale = [float(one.predict(np.arange(15_625)).mean_s.mean()) for one in known.values()]
cost = PredictedCost(known, SPACE, unit=scale)  # 1 is each device's mean
told = torch.tensor(np.stack([one.embedding.mean for one in known.values()]), dtype=torch.float32)
gain = torch.tensor([0.0, 0.2, 1.0, 3.0, 0.1])  # their sum's logarithm stands in for accuracy

torch.manual_seed(0)
net = torch.nn.Sequential(torch.nn.Linear(told.shape[1] + 1, 64), torch.nn.ReLU(),
                          torch.nn.Linear(64, 30))  # fmt: skip
optimiser = torch.optim.Adam(net.parameters(), lr=0.01)
for _ in range(300):
    share = torch.rand(len(told), 1)  # of the preference that is for latency
    weights = torch.softmax(net(torch.cat([told, share], 1)).reshape(-1, 6, 5), -1)
    each = cost.of_weights(weights, hard=True).diagonal()  # every device, its own cells
    loss = (share[:, 0] * each - (1 - share[:, 0]) * (weights * gain).sum((1, 2)).log1p()).mean()
    optimiser.zero_grad()
    loss.backward()
    optimiser.step()

own = torch.tensor(unseen.embedding.mean, dtype=torch.float32).expand(101, -1)
answers = net(torch.cat([own, torch.linspace(0, 1, 101)[:, None]], 1)).reshape(-1, 6, 5)
rows = answers.argmax(-1).numpy()
kept = rows[latency(rows) <= latency.limit]  # the first one has the most of accuracy
best = spaces.get(SPACE).texts(kept[:1])[0]
print(best, latency.metric.show(latency(best)[0]))
