"""How long gradients through predicted costs take, and how exact they are.

- nasbench201: 19 devices of the shipped pool
  adapted to ten cells each; one alpha per device (as the hypernetwork of MODNAS gives), 500
  steps of forward and backward of all devices together. Must show: at most 10 s.
- mobilenetv3, transformer: the same with three devices on a synthetic pool of idealised machines,
  for no pool of theirs ships.
- exactness: the largest difference between the gradient and central differences along random
  directions, relative. Must show: below 1e-5.

    python scripts/bench_gradients.py
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np
import torch
from common import write

from hwprof import spaces
from hwprof.predictors import pools, shipped
from hwprof.predictors.fewshot import AdaptedFewShot, FewShotPredictor
from hwprof.predictors.pool import DevicePool
from hwprof.search.adapters.torch import PredictedCost

DEVICES, STEPS = 19, 500
DIRECTIONS, STEP = 20, 1e-5


def shipped_devices() -> list[AdaptedFewShot]:
    """Devices of the shipped pool, each adapted to ten of its own measurements."""
    pool = pools.load("nasbench201")
    predictor = shipped.fit_shipped("nasbench201")
    chosen = predictor.select(10)
    return [predictor.adapt(chosen, pool.latency_s[chosen, m]) for m in range(DEVICES)]


def synthetic_devices(name: str, count: int = 3) -> list[AdaptedFewShot]:
    """Devices on a pool of mixtures of idealised machines, which none of them is."""
    space, rng = spaces.get(name), np.random.default_rng(0)
    rows = np.unique(space.sample(400, rng), axis=0)
    counted = space.analytic(rows)
    shares = rng.dirichlet(np.ones(counted.shape[1]), 5 + count)
    cost = 1e-2 * ((counted / counted.mean(axis=0)) @ shares.T) ** 1.1
    cost *= np.exp(0.02 * rng.standard_normal(cost.shape))
    pool = DevicePool(space.encode(rows).astype(float), cost[:, :5], tuple("abcde"))
    predictor = FewShotPredictor.fit(pool, similarity=space.similarity())
    return [predictor.adapt(np.arange(20), cost[:20, 5 + i]) for i in range(count)]


def timed(cost: PredictedCost, devices: int) -> float:
    """Seconds of `STEPS` steps, each of every device's cost of its own distribution."""
    alpha = torch.zeros((devices, *cost.expectation.padding.shape), requires_grad=True)
    optimiser = torch.optim.Adam([alpha], lr=0.05)
    own = torch.arange(devices)
    start = time.perf_counter()
    for _ in range(STEPS):
        optimiser.zero_grad()
        cost(alpha)[own, own].sum().backward()
        optimiser.step()
    return time.perf_counter() - start


def off_by(cost: PredictedCost) -> float:
    """Largest relative difference from central differences, along random directions."""
    rng, worst = np.random.default_rng(1), 0.0
    shape = tuple(cost.expectation.padding.shape)
    for _ in range(DIRECTIONS):
        alpha = torch.tensor(rng.standard_normal(shape), requires_grad=True)
        toward = torch.tensor(rng.standard_normal(shape))
        total = cost(alpha).sum()
        (slope,) = torch.autograd.grad(total, alpha)
        with torch.no_grad():
            ends = [cost(alpha + sign * STEP * toward).sum() for sign in (1, -1)]
            numeric = float(ends[0] - ends[1]) / (2 * STEP)
            size = float(slope.norm() * toward.norm()) / np.sqrt(slope.numel())
            worst = max(worst, abs(float((slope * toward).sum()) - numeric) / size)
    return worst


def main() -> None:
    options = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    options.add_argument("--json", type=Path, help="write every figure to this file")
    arguments = options.parse_args()
    rows = []
    for name in ("nasbench201", "mobilenetv3", "transformer"):
        adapted = shipped_devices() if name == "nasbench201" else synthetic_devices(name)
        start = time.perf_counter()
        cost = PredictedCost(adapted, name)
        made_s = time.perf_counter() - start
        took_s = timed(cost, len(adapted))
        row = {"space": name, "devices": len(adapted), "made_s": made_s, "steps_s": took_s}
        row["off"] = off_by(cost)
        rows.append(row)
        print(
            f"{name:12s} {len(adapted):3d} devices: made in {made_s:.2f} s, {STEPS} steps in "
            f"{took_s:.2f} s, gradients within {row['off']:.1e} of central differences",
            flush=True,
        )
    write(arguments.json, {"rows": rows, "steps": STEPS, "threads": torch.get_num_threads()})


if __name__ == "__main__":
    main()
