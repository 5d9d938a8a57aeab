"""A search under a latency limit on an unseen device, and what the limit was worth.

Per test device, limit (the quartiles of its latencies) and seed: maximise the FLOPs of an
architecture that keeps the limit, from ten measurements, then look the true latency up.

- help: HELP adapted to ten random architectures, mean prediction, as published.
- hwprof, mean and q0.9: adapted to ten chosen ones; the mean or the 0.9 quantile keeps the limit.
- hwprof, closed loop: one chosen, then nine times the most promising is measured
  (hwprof.search.limited); the limit is kept with probability 0.9.

A search that finds nothing feasible takes what is most likely to be. Regret is FLOPs short of the
best architecture that keeps the limit on the true latencies, noise included.

    python scripts/bench_search.py --space nasbench201 --seeds 10
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from bench_help import fit as fit_help
from fewshot_data import POOLED, TEST, Data, load, train_devices, validation_devices

from hwprof import spaces
from hwprof.predictors.base import Predictor
from hwprof.predictors.fewshot import FewShotPredictor
from hwprof.predictors.help import HelpOptions
from hwprof.search import Objective
from hwprof.search.limited import LimitedSearch

LEVELS = (0.25, 0.5, 0.75)
SAMPLES = 10
QUANTILE = 0.9

Method = Callable[[Predictor, np.ndarray, np.ndarray, float, np.ndarray, int], int]


def candidates(space: str, seed: int) -> np.ndarray:
    """Rows that may be measured: a random half of the pool's (at most 1,500), as for designs."""
    order = np.random.RandomState(seed).permutation(POOLED[space])
    return np.sort(order[: min(POOLED[space] // 2, 1500)])


def one_shot(statistic: str | float, designed: bool) -> Method:
    def search(
        predictor: Predictor, truth: np.ndarray, gain: np.ndarray, limit_s: float,
        allowed: np.ndarray, seed: int,
    ) -> int:  # fmt: skip
        if designed:
            rows = predictor.select(SAMPLES, candidates=allowed.tolist())
        else:
            rows = np.random.default_rng(seed).choice(allowed, SAMPLES, replace=False)
        adapted = predictor.adapt(rows, truth[rows])
        objective = Objective(adapted, statistic=statistic, limit=limit_s)
        cost = objective(np.arange(len(truth)))
        kept = cost <= limit_s
        return int(np.where(kept, gain, -1).argmax()) if kept.any() else int(cost.argmin())

    return search


def closed_loop(
    predictor: Predictor, truth: np.ndarray, gain: np.ndarray, limit_s: float,
    allowed: np.ndarray, seed: int,
) -> int:  # fmt: skip
    first = predictor.select(1, candidates=allowed.tolist())
    # One architecture alone may be out of the ordinary, and is no evidence of a wrong unit.
    adapted = predictor.adapt(first, truth[first], check_units=False)  # type: ignore[call-arg]
    everything = np.arange(len(truth))
    known = ((int(first[0]), float(truth[first[0]])),)
    search = LimitedSearch.start(adapted, everything, gain, limit_s, known)
    for _ in range(SAMPLES - 1):
        row = search.propose()
        if row is None:
            break
        search = search.tell(row, float(truth[row]))
    best = search.best(QUANTILE)
    if best is None:
        return int(search.adapted.predict(everything).cdf(limit_s).argmax())
    return best


METHODS: dict[str, Method] = {
    "help": one_shot("mean", designed=False),
    "hwprof mean": one_shot("mean", designed=True),
    "hwprof q0.9": one_shot(QUANTILE, designed=True),
    "hwprof closed loop": closed_loop,
}


def searches(
    data: Data, predictor: Predictor, method: Method, devices: list[str], seeds: int
) -> dict[str, list[dict[str, float]]]:
    gain = spaces.get(data.space).flops(data.names).astype(np.float64)
    found: dict[str, list[dict[str, float]]] = {}
    for device in devices:
        truth = data.of(device)
        for seed in range(seeds):
            allowed = candidates(data.space, seed)
            for level in LEVELS:
                limit_s = float(np.quantile(truth, level))
                started = time.perf_counter()
                row = method(predictor, truth, gain, limit_s, allowed, seed)
                seconds = time.perf_counter() - started
                oracle = gain[truth <= limit_s].max()
                found.setdefault(device, []).append(
                    {
                        "violated": float(truth[row] > limit_s),
                        "overshoot": float(max(truth[row] / limit_s - 1, 0)),
                        "regret": float(1 - gain[row] / oracle),
                        "seconds": seconds,
                    }
                )
    return found


def show(title: str, found: dict[str, list[dict[str, float]]]) -> dict[str, Any]:
    """Print and return the means."""

    def mean(runs: list[dict[str, float]]) -> dict[str, float]:
        return {key: float(np.mean([run[key] for run in runs])) for key in runs[0]}

    every = [run for runs in found.values() for run in runs]
    total = mean(every)
    print(
        f"{title:34s} {len(every)} searches: violated {total['violated']:.1%}, by "
        f"{total['overshoot']:.1%} on average over all; regret {total['regret']:.1%}; "
        f"{total['seconds'] * 1e3:.0f} ms a search"
    )
    by_device = {device: mean(runs) for device, runs in found.items()}
    for device, figures in by_device.items():
        print(
            f"    {device:16s} violated {figures['violated']:.1%}   regret {figures['regret']:.1%}",
            flush=True,
        )
    return {"total": total, "per_device": by_device}


HEAD = """# Searches under a latency limit: figures

Written by `scripts/bench_search.py --docs`; by device in
[benchmarks/search.json](benchmarks/search.json). Per test device, quartile of its latencies as the
limit, and seed ({seeds}): the most FLOPs that keep the limit, from ten measurements. *Violated*:
searches whose architecture misses the limit on its true latency. *Regret*: FLOPs short of the best
that keeps the limit on the true latencies, noise included; negative where the limit was missed for
it. HELP is fitted once, with its own validation devices. Measuring is looking up the published
value: what was measured once is known for good, which a noisy device does not grant.

"""


def page(document: dict[str, Any], seeds: int) -> str:
    """The figures as Markdown."""
    lines = [
        "| search | violated | overshoot when violated | regret | ms a search |",
        "|---|---|---|---|---|",
    ]
    for name, found in document.items():
        total = found["total"]
        over = total["overshoot"] / total["violated"] if total["violated"] else 0.0
        lines.append(
            f"| {name} | {total['violated']:.1%} | {over:.1%} | {total['regret']:.1%} "
            f"| {total['seconds'] * 1e3:.0f} |"
        )
    lines += ["", "By device, in the closed loop:", "", "| device | violated | regret |"]
    lines.append("|---|---|---|")
    for name, found in document.items():
        if name.endswith("closed loop"):
            lines += [
                f"| {name.split()[0]} {device} | {own['violated']:.1%} | {own['regret']:.1%} |"
                for device, own in found["per_device"].items()
            ]
    return HEAD.format(seeds=seeds) + "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, help="folder of the Parquet tables")
    parser.add_argument("--space", choices=sorted(POOLED), nargs="*", default=sorted(POOLED))
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--methods", choices=sorted(METHODS), nargs="*", default=list(METHODS))
    parser.add_argument("--on-validation", action="store_true",
                        help="on the validation devices, as every choice was made")  # fmt: skip
    parser.add_argument("--docs", type=Path, help="write the table as Markdown to this file")
    parser.add_argument("--json", type=Path, help="write every figure to this file")
    options = parser.parse_args()
    document: dict[str, Any] = {}
    for space in options.space:
        data = load(options.data, space)
        devices = validation_devices(space) if options.on_validation else TEST[space]
        pool = data.pool(train_devices(space), np.arange(POOLED[space]))
        ours = FewShotPredictor.fit(pool, similarity=spaces.get(space).similarity())
        for name in options.methods:
            predictor = fit_help(data, 0, HelpOptions().episodes) if name == "help" else ours
            found = searches(data, predictor, METHODS[name], devices, options.seeds)
            document[f"{space} {name}"] = show(f"{space} {name}", found)
    if options.json is not None:
        options.json.write_text(json.dumps(document, indent=1) + "\n")
    if options.docs is not None:
        options.docs.write_text(page(document, options.seeds))


if __name__ == "__main__":
    main()
