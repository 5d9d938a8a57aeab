"""HELP by its own accounting: ten reference architectures embed, ten others fine-tune.

As published (Lee et al., NeurIPS 2021): references by row of the published data; the fine-tuning
architectures and the latency range are taken from the middle 80 % of the target's first 900
(fbnet 4000) architectures; the state is chosen on the validation devices; queries as in
bench_fewshot.py. `counted` is the same predictor when every measurement counts: the same number of
random architectures, without references and without a range.

    python scripts/bench_help.py --space nasbench201 --seeds 3
"""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from bench_fewshot import score, summary
from fewshot_data import (
    POOLED,
    TEST,
    Data,
    load,
    middle,
    train_devices,
    validation_devices,
)

from hwprof import spaces
from hwprof.predictors.help import PUBLISHED_REFERENCES, HelpOptions, HelpPredictor, trimmed

LEVEL = 0.9


def fit(data: Data, seed: int, episodes: int) -> HelpPredictor:
    references = PUBLISHED_REFERENCES[data.space]
    validation = validation_devices(data.space)
    rows = np.union1d(np.arange(POOLED[data.space]), references)
    return HelpPredictor.fit(
        data.pool(train_devices(data.space) + validation, rows),
        similarity=spaces.get(data.space).similarity(),
        seed=seed,
        options=HelpOptions(references, tuple(validation), episodes),
    )


def published(
    predictor: HelpPredictor, data: Data, device: str, count: int, rng: np.random.Generator
) -> dict[str, float]:
    """Figures of one device by HELP's accounting."""
    truth, references = data.of(device), predictor.references
    scale = trimmed(truth[: POOLED[data.space]])
    pooled = truth[: POOLED[data.space]]
    usual = np.flatnonzero((pooled >= scale.low_s) & (pooled <= scale.high_s))
    others = rng.choice(np.setdiff1d(usual, references), count, replace=False)
    rows = np.concatenate([references, others])
    return figures(predictor.adapt(rows, truth[rows], scale=scale), data, truth)


def counted(
    predictor: HelpPredictor, data: Data, device: str, count: int, rng: np.random.Generator
) -> dict[str, float]:
    """Figures of one device when every measurement counts."""
    truth = data.of(device)
    rows = rng.choice(POOLED[data.space], count, replace=False)
    return figures(predictor.adapt(rows, truth[rows]), data, truth)


def figures(adapted: Any, data: Data, truth: np.ndarray) -> dict[str, float]:
    query, strict = middle(data.space, truth), np.arange(POOLED[data.space], len(truth))
    prediction = adapted.predict(strict)
    mean = np.full(len(truth), np.nan)
    mean[strict] = prediction.mean_s
    low, high = prediction.interval(LEVEL)
    covered = np.mean((low <= truth[strict]) & (truth[strict] <= high))
    found = {f"official_{key}": value for key, value in score(mean[query], truth[query]).items()}
    found |= {f"strict_{key}": value for key, value in score(mean[strict], truth[strict]).items()}
    return found | {"coverage": float(covered)}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, help="folder of the Parquet tables")
    parser.add_argument("--space", choices=sorted(POOLED), default="nasbench201")
    parser.add_argument("--samples", type=int, default=10)
    parser.add_argument("--seeds", type=int, default=3, help="meta-trainings")
    parser.add_argument("--draws", type=int, default=3, help="sets of samples per training")
    parser.add_argument("--episodes", type=int, default=HelpOptions().episodes)
    parser.add_argument("--json", type=Path, help="write every figure to this file")
    options = parser.parse_args()
    data, devices = load(options.data, options.space), TEST[options.space]
    runs: dict[str, dict[str, list[dict[str, float]]]] = {
        name: {device: [] for device in devices} for name in ("published", "counted")
    }
    reports = []
    for seed in range(options.seeds):
        started = time.perf_counter()
        predictor = fit(data, seed, options.episodes)
        seconds = time.perf_counter() - started
        reports.append(asdict(predictor.report) | {"seconds": seconds})
        print(f"seed {seed}: {seconds:.0f} s, {predictor.report}", flush=True)
        for draw in range(options.draws):
            for j, device in enumerate(devices):
                for name, way in (("published", published), ("counted", counted)):
                    rng = np.random.default_rng([seed, draw, j])
                    runs[name][device].append(way(predictor, data, device, options.samples, rng))
    document = {name: summary(per_device) for name, per_device in runs.items()}
    for name, found in document.items():
        mean, std = found["mean"], found["std"]
        print(
            f"{options.space} help {name:9s} official {mean['official_spearman']:.4f} +- "
            f"{std['official_spearman']:.4f}  strict {mean['strict_spearman']:.4f}  coverage "
            f"{mean['coverage']:.3f}"
        )
        for device, own in found["per_device"].items():
            print(
                f"    {device:16s} {own['official_spearman']['mean']:.3f}   strict "
                f"{own['strict_spearman']['mean']:.3f}   coverage {own['coverage']['mean']:.2f}"
            )
    if options.json is not None:
        settings = {k: str(v) for k, v in vars(options).items() if k not in ("data", "json")}
        options.json.write_text(
            json.dumps(document | {"reports": reports, "options": settings}, indent=1) + "\n"
        )


if __name__ == "__main__":
    main()
