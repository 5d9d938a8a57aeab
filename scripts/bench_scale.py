"""What few-shot prediction costs on a large pool: memory, processor time, predictions a second.

Features are random; latencies come from a few latent properties of an architecture, products of
them, and a device's own part. Each device was measured on some rows of its own, all other cells
are missing. Every figure is of the whole process, which begins afresh; a second process says how
much of the memory are the arrays themselves.

    python scripts/bench_scale.py --rows 1000000 --features 50 --devices 50 --json scale.json
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import spearmanr

from hwprof.predictors.fewshot import FewShotPredictor
from hwprof.predictors.pool import DevicePool

# Latent properties of an architecture; new devices, and measurements on each.
LATENT, NEW, SAMPLES = 6, 8, 10
# New feature rows: timed all together, ranked, and given intervals.
TIMED, RANKED, INTERVALS = 200_000, 5_000, 20_000
# Repeats of the timed predictions; the best counts, as other work on the machine only adds.
REPEATS = 3
BLOCK = 65_536


class World:
    """Devices whose latencies are a function of an architecture's features."""

    def __init__(self, features: int, devices: int, rng: np.random.Generator) -> None:
        self.latent = rng.standard_normal((features, LATENT)) / np.sqrt(features)
        self.pairs = rng.integers(0, LATENT, (4, 2))
        self.costs = rng.gamma(3.0, 0.05, (LATENT, devices)) * rng.choice([1, -0.3], (LATENT, 1))
        self.crossed = 0.03 * rng.standard_normal((len(self.pairs), devices))
        self.speed = 10.0 ** rng.uniform(-3, -1, devices)

    def latency_s(self, features: np.ndarray, device: int) -> np.ndarray:
        """Seconds on one device, `[n]`."""
        total = np.empty(len(features))
        for start in range(0, len(features), BLOCK):
            hidden = features[start : start + BLOCK] @ self.latent
            crossed = hidden[:, self.pairs[:, 0]] * hidden[:, self.pairs[:, 1]]
            linear = hidden @ self.costs[:, device] + crossed @ self.crossed[:, device]
            total[start : start + BLOCK] = np.exp(linear)
        return total * self.speed[device]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--features", type=int, default=50)
    parser.add_argument("--devices", type=int, default=50)
    parser.add_argument("--measured", type=int, default=2000, help="per device; 0 for all rows")
    parser.add_argument("--json", type=Path, help="write every figure to this file")
    parser.add_argument("--arrays-only", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    # First, as a process begins with its parent's peak.
    arrays = None if options.arrays_only else arrays_bytes()
    rng = np.random.default_rng(0)
    world = World(options.features, options.devices + NEW, rng)
    features = rng.standard_normal((options.rows, options.features))
    values = np.full((options.rows, options.devices), np.nan)
    for device in range(options.devices):
        rows = slice(None)
        if options.measured:
            rows = rng.choice(options.rows, min(options.measured, options.rows), replace=False)
        known = world.latency_s(features[rows], device)
        values[rows, device] = known * np.exp(0.02 * rng.standard_normal(len(known)))
    if arrays is None:
        print(peak_bytes())
        return
    found = figures(world, features, values)
    found["peak_arrays_bytes"] = arrays
    show(found)
    if options.json:
        options.json.write_text(json.dumps(found, indent=2) + "\n")


def figures(world: World, features: np.ndarray, values: np.ndarray) -> dict[str, float | int]:
    """Every figure of one pool `[n, d]`, `[n, m]`; the world's last devices are new."""
    count, devices = values.shape
    found: dict[str, float | int] = {
        "rows": count,
        "features": features.shape[1],
        "devices": devices,
        "measured_cells": int(np.count_nonzero(~np.isnan(values))),
        "threads": int(os.environ.get("OMP_NUM_THREADS", os.cpu_count() or 1)),
    }
    pool, found["pool_cpu_s"] = timed(
        lambda: DevicePool(features, values, [f"device{j}" for j in range(devices)])
    )
    predictor, found["fit_cpu_s"] = timed(lambda: FewShotPredictor.fit(pool))
    chosen, found["select_cpu_s"] = timed(lambda: predictor.select(SAMPLES))
    measured = world.latency_s(features[chosen], devices)
    adapted, found["adapt_cpu_s"] = timed(lambda: predictor.adapt(chosen, latency_s=measured))
    everything = np.arange(count)
    found["pool_rows_per_s"] = count / best(lambda: adapted.predict(everything).mean_s)
    shuffled = np.random.default_rng(1).permutation(count)
    found["shuffled_rows_per_s"] = count / best(lambda: adapted.predict(shuffled).mean_s)
    new = np.random.default_rng(2).standard_normal((TIMED, features.shape[1]))
    found["new_rows_per_s"] = TIMED / best(lambda: adapted.predict(new).mean_s)
    some = new[:INTERVALS]
    found["interval_rows_per_s"] = INTERVALS / best(lambda: adapted.predict(some).quantile(0.9), 1)
    ranks = []
    for device in range(devices, devices + NEW):
        adapted = predictor.adapt(chosen, latency_s=world.latency_s(features[chosen], device))
        truth = world.latency_s(new[:RANKED], device)
        ranks.append(float(spearmanr(adapted.predict(new[:RANKED]).mean_s, truth).statistic))
    found["spearman"] = float(np.mean(ranks))
    found["peak_bytes"] = peak_bytes()
    return found


def timed(work: Callable[[], Any]) -> tuple[Any, float]:
    """What it gives, and processor seconds of the whole process."""
    start = time.process_time()
    result = work()
    return result, time.process_time() - start


def best(work: Callable[[], object], repeats: int = REPEATS) -> float:
    """Least processor seconds."""
    return min(timed(work)[1] for _ in range(repeats))


def peak_bytes() -> int:
    """Most memory that this process ever held."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def arrays_bytes() -> int:
    """Peak of a process that makes the same arrays and nothing of them."""
    done = subprocess.run(
        [sys.executable, __file__, *sys.argv[1:], "--arrays-only"],
        capture_output=True,
        text=True,
        check=True,
    )
    return int(done.stdout)


def show(found: dict[str, float | int]) -> None:
    """Print the figures."""
    gigabytes = {name: found[f"peak_{name}bytes"] / 1e9 for name in ("", "arrays_")}
    print(
        f"{found['rows']} architectures x {found['features']} features x {found['devices']} "
        f"devices, {found['measured_cells']} cells measured, threads: {found['threads']}\n"
        f"peak memory        {gigabytes['']:.2f} GB, {gigabytes['arrays_']:.2f} GB of it the "
        f"arrays and the libraries\n"
        f"processor          pool {found['pool_cpu_s']:.1f} s, fit {found['fit_cpu_s']:.1f} s, "
        f"select {found['select_cpu_s']:.1f} s, adapt {found['adapt_cpu_s'] * 1e3:.0f} ms\n"
        f"rows a second      new {found['new_rows_per_s']:,.0f}, of the pool in order "
        f"{found['pool_rows_per_s']:,.0f}, shuffled {found['shuffled_rows_per_s']:,.0f}, "
        f"new with intervals {found['interval_rows_per_s']:,.0f}\n"
        f"Spearman, new rows {found['spearman']:.3f} (mean over {NEW} devices, {SAMPLES} samples)"
    )


if __name__ == "__main__":
    main()
