"""How fast architectures outside the pool are predicted, on one core, in every space.

From rows of choices `[n, positions]` to mean costs: `Space.encode` and `predict(features).mean`.
For each space idealised machines are the pool, and ten measurements the device. `general` evaluates
the bases of the model, as for relaxed features, and nothing else; `folded` is `predict`, which
looks the pool's rows up and takes the others from tables of the choices (in fbnet the model is
linear: one product either way). `first ms` is what folding a device's weights takes.

    OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 python scripts/bench_outside.py [--rows N] [SPACE ...]
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from hwprof import spaces
from hwprof.predictors.fewshot import FewShotPredictor
from hwprof.predictors.fewshot.adapted import AdaptedFewShot
from hwprof.predictors.pools.pseudo import pseudo_pool

ROWS, REPEATS, MEASURED, NOISE = 50_000, 5, 10, 0.05


@dataclass(frozen=True)
class Speeds:
    """Rows per second, and what they differ by."""

    space: str
    general: float
    folded: float
    with_encode: float
    first_s: float
    """Seconds of the first row: the weights of a device are folded then."""
    difference: float
    """Largest relative difference between the means."""

    @property
    def ratio(self) -> float:
        """How many times as fast."""
        return self.folded / self.general


def best_of(call: Callable[[], object], repeats: int = REPEATS) -> float:
    """Least seconds of one call: what the work takes when nothing disturbs it."""
    times = []
    for _ in range(repeats):
        started = time.perf_counter()
        call()
        times.append(time.perf_counter() - started)
    return min(times)


def device_of(space: str) -> AdaptedFewShot:
    """A device of which ten architectures were measured, with noise."""
    pool = pseudo_pool(space)
    predictor = FewShotPredictor.fit(pool, similarity=spaces.get(space).similarity())
    chosen = predictor.select(MEASURED)
    noise = 1 + NOISE * np.random.default_rng(0).standard_normal(MEASURED)
    values = 0.01 * pool.values[chosen, 1] * noise
    return predictor.adapt(chosen, values, check_units=False)


def measure(space: str, count: int) -> Speeds:
    """Of one space, on so many rows."""
    form, device = spaces.get(space), device_of(space)
    rows = form.sample(count, np.random.default_rng(1))
    features = form.encode(rows)
    exact = features.astype(np.float64)
    started = time.perf_counter()
    _ = device.predict(features[:1]).mean
    first = time.perf_counter() - started
    general = np.maximum(device.fitted.mapped(exact, device.weights), 1e-300)
    folded = device.predict(features).mean
    return Speeds(
        space,
        count / best_of(lambda: device.fitted.mapped(exact, device.weights)),
        count / best_of(lambda: device.predict(features).mean),
        count / best_of(lambda: device.predict(form.encode(rows)).mean),
        first,
        float(np.abs(folded / general - 1).max()),
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("spaces", nargs="*", default=spaces.names(), metavar="SPACE")
    parser.add_argument("--rows", type=int, default=ROWS)
    parser.add_argument("--json", type=Path, help="write every figure to this file")
    options = parser.parse_args()
    print("rows/s           general    folded  ratio  with encode  first ms  difference")
    found = []
    for space in options.spaces:
        each = measure(space, options.rows)
        found.append(each)
        print(
            f"{each.space:14s} {each.general:9.0f} {each.folded:9.0f} {each.ratio:5.1f}x "
            f"{each.with_encode:12.0f} {1e3 * each.first_s:9.1f} {each.difference:11.1e}",
            flush=True,
        )
    if options.json:
        options.json.write_text(json.dumps([asdict(each) for each in found], indent=1))


if __name__ == "__main__":
    main()
