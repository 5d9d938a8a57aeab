"""Ten measurements on a device that the predictor has never seen.

The shipped pool holds a Raspberry Pi 4. It is taken out, the rest is fitted, ten architectures are
chosen, their published latencies stand in for measuring them, and every other architecture is
predicted and held against its published latency.
"""

from __future__ import annotations

import time

import numpy as np
from scipy.stats import spearmanr

from hwprof import spaces
from hwprof.predictors import pools
from hwprof.predictors.fewshot import FewShotPredictor
from hwprof.predictors.shipped import FITTED_ROWS, thinned

SPACE, UNSEEN, SAMPLES = "nasbench201", "raspi4", 10


def main() -> None:
    pool = pools.load(SPACE)
    truth_s = pool.latency_s[:, pool.devices.index(UNSEEN)]
    known = pool.subset([device for device in pool.devices if device != UNSEEN])
    start = time.perf_counter()
    predictor = FewShotPredictor.fit(
        thinned(known, FITTED_ROWS), similarity=spaces.get(SPACE).similarity()
    )
    fitted_s = time.perf_counter() - start
    chosen = predictor.select(SAMPLES)
    start = time.perf_counter()
    adapted = predictor.adapt(chosen, truth_s[chosen], UNSEEN)
    adapted_s = time.perf_counter() - start
    others = np.setdiff1d(np.arange(pool.rows), chosen)
    prediction = adapted.predict(others)
    low_s, high_s = prediction.interval(0.9)
    truth_s = truth_s[others]
    error = np.abs(prediction.mean_s / truth_s - 1)
    inside = np.mean((low_s <= truth_s) & (truth_s <= high_s))
    print(f"pool of {len(known.devices)} devices without {UNSEEN}, fitted in {fitted_s:.1f} s")
    print(f"adapted to {SAMPLES} measurements of {UNSEEN} in {adapted_s * 1e3:.0f} ms")
    print(
        f"{len(others)} architectures never measured there: Spearman "
        f"{spearmanr(prediction.mean_s, truth_s)[0]:.3f}, median error {np.median(error):.1%}, "
        f"within the 90 % interval {inside:.1%}"
    )
    for name, probability in adapted.embedding.resembles()[:3]:
        print(f"most like {name} with probability {probability:.2f}")


if __name__ == "__main__":
    main()
