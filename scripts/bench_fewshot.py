"""Few-shot prediction on devices that the pool does not hold, by the two published protocols.

OFFICIAL (Lee et al., NeurIPS 2021): pool of 900 (fbnet 4000) architectures on the train devices;
the next 1,000 are queried, sorted by the target's latency, middle 80 % kept; Spearman per device.
STRICT: every architecture past the pool, none removed. Random samples are drawn from the pool's
rows, another draw per seed; designed ones are what the predictor selects among a random half of
them (at most 1,500), another half per seed. Nothing of a test device but its k samples is used.

    python scripts/bench_fewshot.py --data ../shared/data/help --space nasbench201 --samples 10
"""

from __future__ import annotations

import argparse
import inspect
import json
import statistics
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as parquet
from scipy.stats import kendalltau, spearmanr

from hwprof import spaces
from hwprof.predictors import registry
from hwprof.predictors.base import Predictor
from hwprof.predictors.pool import DevicePool

BATCH = {"nasbench201": 256, "fbnet": 64}
POOLED = {"nasbench201": 900, "fbnet": 4000}
QUERIED = 1000
CPUS_PHONES = ["silver_4114", "silver_4210r", "samsung_a50", "pixel3", "essential_ph_1"]
TEST = {
    "nasbench201": ["titan_rtx_256", "gold_6226", "fpga", "pixel2", "raspi4", "eyeriss"],
    "fbnet": ["fpga", "raspi4", "eyeriss"],
}
LEVEL = 0.9
# Rows of the strict set on which intervals are worked out: 1 % of standard error is enough.
INTERVAL_ROWS = 1000
# Architectures of the pool that the FBNet tasks allow per train device.
TASK_POOLED = 800

GPUS = [f"{name}_{b}" for name in ("1080ti", "2080ti", "titan_rtx", "titanx", "titanxp")
        for b in (1, 32, 64)]  # fmt: skip
TASKS = {
    "F1": (
        ["2080ti_1", "essential_ph_1", "silver_4114", "titan_rtx_1", "titan_rtx_32"],
        ["eyeriss", "fpga", "raspi4", "samsung_a50", "samsung_s7"],
    ),
    "F2": (
        ["essential_ph_1", "gold_6226", "gold_6240", "pixel3", "raspi4"],
        ["1080ti_1", "1080ti_32", "2080ti_32", "titan_rtx_1", "titanxp_1"],
    ),
    "F3": (
        ["essential_ph_1", "pixel2", "pixel3", "raspi4", "samsung_s7"],
        ["1080ti_1", "1080ti_32", "2080ti_1", "titan_rtx_1", "titan_rtx_32"],
    ),
    "index 4": (
        ["1080ti_64", "2080ti_1", "eyeriss", "gold_6226", "gold_6240", "raspi4", "samsung_s7",
         "silver_4210r", "titan_rtx_1", "titan_rtx_32"],
        ["1080ti_1", "pixel2", "essential_ph_1"],
    ),
    "index 5": (GPUS, ["gold_6226", "essential_ph_1", "samsung_s7", "pixel2"]),
}  # fmt: skip


@dataclass(frozen=True)
class Data:
    """One space's table: features, seconds `[n, devices]`, and how many rows make the pool."""

    space: str
    features: np.ndarray
    latency_s: np.ndarray
    devices: list[str]
    names: list[str]

    def of(self, device: str) -> np.ndarray:
        return self.latency_s[:, self.devices.index(device)]

    def pool(self, devices: list[str], rows: np.ndarray) -> DevicePool:
        columns = [self.devices.index(device) for device in devices]
        latency = np.full((len(self.features), len(devices)), np.nan)
        latency[rows] = self.latency_s[np.ix_(rows, columns)]
        return DevicePool(self.features, latency, devices, self.names)


def load(folder: Path, space: str) -> Data:
    table = parquet.read_table(folder / f"{space}.parquet")
    devices = [name for name in table.column_names if name != "arch"]
    latency = np.stack([table[name].to_numpy() for name in devices], axis=1)
    archs = table["arch"].to_pylist()
    features = spaces.get(space).encode(archs)
    return Data(space, features, latency.astype(np.float64) * 1e-3, devices, archs)


def train_devices(space: str) -> list[str]:
    gpus = [f"1080ti_{batch}" for batch in (1, 32, BATCH[space])]
    return [*gpus, *CPUS_PHONES, "samsung_s7"]


def validation_devices(space: str) -> list[str]:
    return [*(f"titanx_{batch}" for batch in (1, 32, BATCH[space])), "gold_6240"]


def fit(name: str, pool: DevicePool, space: str) -> Predictor:
    cls = registry.get(name)
    given: dict[str, Any] = {"kernels": spaces.get(space).kernels()}
    if "space" in inspect.signature(cls.fit).parameters:
        given["space"] = space
    return cls.fit(pool, **given)


def score(prediction: np.ndarray, truth: np.ndarray) -> dict[str, float]:
    error = np.abs(prediction / truth - 1)
    return {
        "spearman": float(spearmanr(prediction, truth)[0]),
        "kendall": float(kendalltau(prediction, truth)[0]),
        "median_ape": float(np.median(error)),
        "mean_ape": float(np.mean(error)),
        "within_10": float(np.mean(error <= 0.1)),
    }


def middle(space: str, truth: np.ndarray) -> np.ndarray:
    """Rows that the official protocol queries: the middle 80 % by the target's own latency."""
    rows = POOLED[space] + np.arange(QUERIED)
    return rows[np.argsort(truth[rows], kind="stable")[QUERIED // 10 : -QUERIED // 10]]


def one(
    predictor: Predictor, data: Data, rows: np.ndarray, device: str
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
    query, strict = middle(data.space, truth), everything[POOLED[data.space] :]
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
    started = time.perf_counter()
    predictor = fit(options.predictor, data.pool(train, rows), data.space)
    fitted_s = time.perf_counter() - started
    official: dict[str, list[dict[str, float]]] = {device: [] for device in test}
    strict: dict[str, list[dict[str, float]]] = {device: [] for device in test}
    for seed in range(options.seeds):
        chosen = samples(predictor, data.space, options.samples, options.sampler, seed, rows)
        for device in test:
            first, second = one(predictor, data, chosen, device)
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
    parser.add_argument("--data", type=Path, required=True, help="folder of the Parquet tables")
    parser.add_argument("--space", choices=sorted(POOLED), default="nasbench201")
    parser.add_argument("--samples", type=int, default=10)
    parser.add_argument("--sampler", choices=["random", "designed"], default="random")
    parser.add_argument("--predictor", default="fewshot")
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--with-validation", action="store_true",
                        help="let the four validation devices join the pool")  # fmt: skip
    parser.add_argument("--on-validation", action="store_true",
                        help="test on the validation devices, as every choice did")  # fmt: skip
    parser.add_argument("--tasks", action="store_true", help="NASFLAT's device splits of FBNet")
    parser.add_argument("--json", type=Path, help="write every figure to this file")
    options = parser.parse_args()
    data = load(options.data, options.space)
    train, test = train_devices(options.space), TEST[options.space]
    if options.on_validation:
        test = validation_devices(options.space)
    if options.with_validation:
        train = train + validation_devices(options.space)
    title = f"{options.space} k={options.samples} {options.sampler} {options.predictor}"
    if options.tasks:
        if options.space != "fbnet":
            raise SystemExit("the tasks are splits of fbnet: pass --space fbnet")
        rows = np.arange(TASK_POOLED)
        tasks = {"FD": (train, test), **TASKS}
        document = {name: evaluate(data, options, *task, rows) for name, task in tasks.items()}
        for name, found in document.items():
            show(f"{name}: {title}", found)
    else:
        rows = np.arange(POOLED[options.space])
        document = evaluate(data, options, train, test, rows)
        show(title, document)
    if options.json is not None:
        settings = {key: str(value) for key, value in vars(options).items()}
        options.json.write_text(json.dumps(document | {"options": settings}, indent=1) + "\n")


if __name__ == "__main__":
    main()
