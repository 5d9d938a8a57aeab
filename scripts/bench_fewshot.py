"""Few-shot prediction on devices that the pool does not hold, by the two published protocols.

OFFICIAL (Lee et al., NeurIPS 2021): pool of 900 (fbnet 4000) architectures on the train devices;
the next 1,000 are queried, sorted by the target's latency, middle 80 % kept; Spearman per device.
STRICT: every architecture past the pool, none removed. Random samples are drawn from the pool's
rows, another draw per seed; designed ones are what the predictor selects among a random half of
them (at most 1,500), another half per seed. Nothing of a test device but its k samples is used.

The published measurements ship with hwprof; --data reads them from Parquet files instead.

    python scripts/bench_fewshot.py --space nasbench201 --samples 10 --sampler designed
"""

from __future__ import annotations

import argparse
import inspect
import json
import statistics
import time
from pathlib import Path
from typing import Any

import numpy as np
from fewshot_data import (
    HARD,
    POOLED,
    TASK_POOLED,
    TASKS,
    TEST,
    Data,
    families,
    folds,
    load,
    middle,
    train_devices,
    validation_devices,
)
from scipy.stats import kendalltau, spearmanr

from hwprof import spaces
from hwprof.predictors import registry
from hwprof.predictors.base import Predictor
from hwprof.predictors.pool import DevicePool
from hwprof.predictors.shipped import FITTED_ROWS

LEVEL = 0.9
# Rows of the strict set on which intervals are worked out: 1 % of standard error is enough.
INTERVAL_ROWS = 1000


def fit(name: str, pool: DevicePool, space: str) -> Predictor:
    cls = registry.get(name)
    given: dict[str, Any] = {"similarity": spaces.get(space).similarity()}
    if "space" in inspect.signature(cls.fit).parameters:
        given["space"] = space
    return cls.fit(pool, **given)


FITTED: dict[tuple[object, ...], tuple[Predictor, float]] = {}
"""Of this process: the same fit serves all counts and samplers."""


def fitted(name: str, data: Data, train: list[str], rows: np.ndarray) -> tuple[Predictor, float]:
    """A predictor and the seconds that its fit took, when it was done."""
    key = (name, data.space, *train, rows.tobytes())
    if key not in FITTED:
        started = time.perf_counter()
        predictor = fit(name, data.pool(train, rows), data.space)
        FITTED[key] = predictor, time.perf_counter() - started
    return FITTED[key]


def score(prediction: np.ndarray, truth: np.ndarray) -> dict[str, float]:
    error = np.abs(prediction / truth - 1)
    return {
        "spearman": float(spearmanr(prediction, truth)[0]),
        "kendall": float(kendalltau(prediction, truth)[0]),
        "median_ape": float(np.median(error)),
        "mean_ape": float(np.mean(error)),
        "within_10": float(np.mean(error <= 0.1)),
    }


def one(
    predictor: Predictor, data: Data, rows: np.ndarray, device: str, strict: np.ndarray
) -> tuple[dict[str, float], dict[str, float]]:
    """Official and strict figures of one device from one set of samples."""
    truth = data.of(device)
    everything = np.arange(len(truth))
    started = time.perf_counter()
    adapted = predictor.adapt(rows, truth[rows], device=device)
    adapted_s = time.perf_counter() - started
    started = time.perf_counter()
    mean = adapted.predict(everything).mean_s
    predicted_s = time.perf_counter() - started
    query = middle(data.space, truth)
    tested = strict[:: max(1, len(strict) // INTERVAL_ROWS)]
    low, high = adapted.predict(tested).interval(LEVEL)
    covered = float(np.mean((low <= truth[tested]) & (truth[tested] <= high)))
    official = score(mean[query], truth[query])
    figures = score(mean[strict], truth[strict])
    figures |= {"coverage": covered, "width": float(np.median((high - low) / truth[tested]))}
    figures |= {"adapt_s": adapted_s, "archs_per_s": len(truth) / predicted_s}
    return official, figures


def samples(
    predictor: Predictor, space: str, count: int, sampler: str, seed: int, pooled: np.ndarray
) -> np.ndarray:
    if sampler == "random":
        # Seeds as in the published few-shot figures of the design notes.
        return pooled[np.random.RandomState(1000 * seed + 7).permutation(len(pooled))[:count]]
    half = np.random.RandomState(seed).permutation(len(pooled))
    half = half[: min(len(pooled) // 2, 1500)]
    return np.asarray(predictor.select(count, candidates=np.sort(pooled[half]).tolist()))


def summary(per_seed: dict[str, list[dict[str, float]]]) -> dict[str, Any]:
    """Mean over devices, deviation of that mean over seeds, and each device's own figures."""
    devices = list(per_seed)
    keys = list(per_seed[devices[0]][0])
    found = {key: np.array([[f[key] for f in per_seed[d]] for d in devices]) for key in keys}
    return {
        "mean": {key: float(np.nanmean(values)) for key, values in found.items()},
        "std": {key: float(np.nanmean(values, axis=0).std()) for key, values in found.items()},
        "per_device": {
            device: {
                key: {"mean": float(np.nanmean(values[i])), "std": float(np.nanstd(values[i]))}
                for key, values in found.items()
            }
            for i, device in enumerate(devices)
        },
    }


def evaluate(
    data: Data, options: argparse.Namespace, train: list[str], test: list[str], rows: np.ndarray
) -> dict[str, Any]:
    predictor, fitted_s = fitted(options.predictor, data, train, rows)
    official: dict[str, list[dict[str, float]]] = {device: [] for device in test}
    strict: dict[str, list[dict[str, float]]] = {device: [] for device in test}
    strict_rows = np.arange(POOLED[data.space], len(data.features))
    if options.splits == "families":
        strict_rows = np.setdiff1d(np.arange(len(data.features)), rows)
    for seed in range(options.seeds):
        chosen = samples(predictor, data.space, options.samples, options.sampler, seed, rows)
        for device in test:
            first, second = one(predictor, data, chosen, device, strict_rows)
            official[device].append(first)
            strict[device].append(second)
    found = {"official": summary(official), "strict": summary(strict), "train": train}
    per_device = found["strict"]["per_device"]
    covered = {device: figures["coverage"]["mean"] for device, figures in per_device.items()}
    every = [run["adapt_s"] for runs in strict.values() for run in runs]
    rates = [run["archs_per_s"] for runs in strict.values() for run in runs]
    return found | {
        "coverage": {"mean": statistics.fmean(covered.values()), "worst": min(covered.values())},
        "seconds": {"fit": fitted_s, "adapt": statistics.median(every)},
        "archs_per_s": statistics.median(rates),
    }


def show(title: str, found: dict[str, Any]) -> None:
    official, strict = found["official"], found["strict"]
    print(
        f"{title:28s} official {official['mean']['spearman']:.4f} +- "
        f"{official['std']['spearman']:.4f}  strict {strict['mean']['spearman']:.4f} +- "
        f"{strict['std']['spearman']:.4f}  tau {strict['mean']['kendall']:.3f}  median APE "
        f"{strict['mean']['median_ape']:.3f}  within 10 % {strict['mean']['within_10']:.3f}"
    )
    print(
        f"{'':28s} coverage {found['coverage']['mean']:.3f}, worst "
        f"{found['coverage']['worst']:.3f}; fit {found['seconds']['fit']:.2f} s, adapt "
        f"{found['seconds']['adapt'] * 1e3:.2f} ms, {found['archs_per_s'] / 1e6:.1f} M archs/s"
    )
    for device, figures in official["per_device"].items():
        other = strict["per_device"][device]
        print(
            f"    {device:16s} {figures['spearman']['mean']:.3f} +- "
            f"{figures['spearman']['std']:.3f}   strict {other['spearman']['mean']:.3f}   "
            f"coverage {other['coverage']['mean']:.2f}   width {other['width']['mean']:.2f}",
            flush=True,
        )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, help="folder of the Parquet tables")
    parser.add_argument("--space", choices=sorted(POOLED), default="nasbench201")
    parser.add_argument("--samples", type=int, default=10)
    parser.add_argument("--sampler", choices=["random", "designed"], default="random")
    parser.add_argument("--predictor", default="fewshot")
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--with-validation", action="store_true",
                        help="let the four validation devices join the pool")  # fmt: skip
    parser.add_argument("--splits", default="test",
                        choices=["test", "folds", "families", "tasks", "hard"],
                        help="folds: what choices were made on; families: the pool that ships, "
                        "fitted as the commands do, without each family in turn; tasks: "
                        "NASFLAT's device splits of fbnet; hard: unlike devices of "
                        "nasbench201")  # fmt: skip
    parser.add_argument("--tasks", dest="splits", action="store_const", const="tasks",
                        help="the same as --splits tasks")  # fmt: skip
    parser.add_argument("--json", type=Path, help="write every figure to this file")
    options = parser.parse_args()
    data = load(options.data, options.space)
    title = f"{options.space} k={options.samples} {options.sampler} {options.predictor}"
    document = run(data, options)
    for name, found in document["splits"].items():
        show(title if name == "test" else f"{name}: {title}", found)
    if len(document["splits"]) == 1:
        document |= document["splits"].pop("test", {})
    if options.json is not None:
        settings = {k: str(v) for k, v in vars(options).items() if k not in ("data", "json")}
        options.json.write_text(json.dumps(document | {"options": settings}, indent=1) + "\n")


def run(data: Data, options: argparse.Namespace) -> dict[str, Any]:
    """Every figure of the chosen splits, by split, and their means where there are several."""
    space = data.space
    train, rows = train_devices(space), np.arange(POOLED[space])
    if options.with_validation:
        train = train + validation_devices(space)
    splits = {"test": (train, TEST[space])}
    if options.splits == "folds":
        splits = folds(space)
    elif options.splits == "families":
        rows = np.sort(np.random.default_rng(0).permutation(len(data.features))[:FITTED_ROWS])
        splits = families(data.devices)
    elif options.splits == "tasks":
        if space != "fbnet":
            raise SystemExit("the tasks are splits of fbnet: pass --space fbnet")
        rows = np.arange(TASK_POOLED)
        splits = {"FD": (train, TEST[space]), **TASKS}
    elif options.splits == "hard":
        if space != "nasbench201":
            raise SystemExit("the hard splits are of nasbench201: pass --space nasbench201")
        splits = HARD
    return {"splits": {n: evaluate(data, options, *pair, rows) for n, pair in splits.items()}}


if __name__ == "__main__":
    main()
