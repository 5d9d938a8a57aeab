"""A new device from ten measurements, here: runtime settings stand in for devices.

For each setting, the ten architectures that the shipped nasbench201 pool asks for are built and
measured, the predictor adapts to them, and forty random others are measured to see how well they
were predicted. Nothing in the pool ran on this machine or on this runtime.

    python scripts/demo_new_device.py            # about one minute
    python scripts/demo_new_device.py --held-out 10 --settings onnxruntime-cpu:threads=1
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import spearmanr

import hwprof
from hwprof import spaces
from hwprof.predictors.fewshot import FewShotPredictor
from hwprof.predictors.shipped import fit_shipped
from hwprof.profiler.plan import Plan

SPACE = "nasbench201"
# Spinning threads that share their cores with other work do not repeat: the same architectures,
# measured twice, ranked with a Spearman correlation of only .54 to .89 (docs/benchmarks.md).
SETTINGS = (
    "onnxruntime-cpu:threads=1",
    "onnxruntime-cpu:threads=2,spin=off",
    "onnxruntime-cpu:threads=1,opt=none",
)
LEVEL = 0.9


def measured_s(texts: list[str], device: str, plan: Plan, table: hwprof.Table) -> list[float]:
    """Latency of each architecture on this machine, seconds."""
    space = spaces.get(SPACE)
    found = []
    for text in texts:
        measurement = hwprof.measure(space.build(text), device, plan, name=text, table=table)
        found.append(measurement.latency.headline_s)
    return found


def one(
    predictor: FewShotPredictor, device: str, samples: int, others: list[int], plan: Plan,
    table: hwprof.Table,
) -> dict[str, Any]:  # fmt: skip
    """Figures of one setting."""
    names = predictor.fitted.names or ()
    rows = predictor.select(samples)
    started = time.perf_counter()
    known = measured_s([names[row] for row in rows], device, plan, table)
    adapted = predictor.adapt(rows, known, device)
    truth = np.array(measured_s([names[row] for row in others], device, plan, table))
    seconds = time.perf_counter() - started
    prediction = adapted.predict(np.array(others))
    low, high = prediction.interval(LEVEL)
    return {
        "device": device,
        "spearman": float(spearmanr(prediction.mean_s, truth)[0]),
        "median_ape": float(np.median(np.abs(prediction.mean_s / truth - 1))),
        "coverage": float(np.mean((low <= truth) & (truth <= high))),
        "like": adapted.embedding.resembles()[0][0],
        "slowest_ms": float(truth.max() * 1e3),
        "fastest_ms": float(truth.min() * 1e3),
        "seconds": seconds,
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--settings", nargs="*", default=SETTINGS)
    parser.add_argument("--samples", type=int, default=10)
    parser.add_argument("--held-out", type=int, default=40)
    parser.add_argument("--budget", type=float, default=1.0, help="seconds of timing per model")
    parser.add_argument("--lut", type=Path, help="keep the measurements in this table")
    parser.add_argument("--json", type=Path, help="write every figure to this file")
    options = parser.parse_args()
    predictor = fit_shipped(SPACE)
    chosen = set(predictor.select(options.samples).tolist())
    order = np.random.default_rng(0).permutation(len(predictor.fitted.rows))
    others = [int(row) for row in order if int(row) not in chosen][: options.held_out]
    plan = Plan(budget_s=options.budget, precision=0.02, restarts=1, per_op=False)
    found = []
    with (
        tempfile.TemporaryDirectory() as folder,
        hwprof.Table.open(options.lut or Path(folder, "demo.db")) as table,
    ):
        for device in options.settings:
            figures = one(predictor, device, options.samples, others, plan, table)
            found.append(figures)
            print(
                f"{device:36s} {options.samples} measured, {len(others)} others "
                f"({figures['fastest_ms']:.1f} to {figures['slowest_ms']:.1f} ms): Spearman "
                f"{figures['spearman']:.3f}, median APE {figures['median_ape']:.1%}, "
                f"{figures['coverage']:.0%} in the 90 % interval, most like "
                f"{figures['like']}; {figures['seconds']:.0f} s",
                flush=True,
            )
    print(
        f"mean over {len(found)} settings: Spearman "
        f"{statistics.fmean(f['spearman'] for f in found):.3f}, median APE "
        f"{statistics.fmean(f['median_ape'] for f in found):.1%}, coverage "
        f"{statistics.fmean(f['coverage'] for f in found):.0%}"
    )
    if options.json is not None:
        options.json.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
