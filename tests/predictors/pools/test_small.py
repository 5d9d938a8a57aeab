"""What spaces know of their architectures makes up for pools that are small."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from scipy.stats import spearmanr

from hwprof import spaces
from hwprof.predictors import pools
from hwprof.predictors.fewshot import FewShotPredictor
from hwprof.predictors.pool import DevicePool
from hwprof.spaces.analytic import MACHINES
from tests.predictors.pools.tables import SPACE, archs, costs


def test_twenty_architectures_of_fbnet_rank_others_better_than_flops() -> None:
    whole, space = pools.load("fbnet"), spaces.get("fbnet")
    devices = ("1080ti_1", "1080ti_64", "silver_4210r", "samsung_a50", "pixel3")
    drawn = np.random.default_rng(0).permutation(whole.rows)
    few, others = drawn[:20], drawn[20:320]
    pool = DevicePool(whole.features[few], whole.values[few], whole.devices).subset(devices)
    predictor = FewShotPredictor.fit(pool, similarity=space.similarity())
    new = whole.values[:, whole.devices.index("gold_6240")]
    chosen = predictor.select(8)
    adapted = predictor.adapt(chosen, new[few][chosen], check_units=False)
    mean = adapted.predict(whole.features[others]).mean
    flops = space.flops([(whole.names or ())[row] for row in others])
    rank, alone = (spearmanr(each, new[others]).statistic for each in (mean, flops))
    assert rank > alone + 0.05


def test_a_device_whose_large_kernels_are_slow_is_learned_from_eight() -> None:
    """As LiteRT's are, while no device of the pool has such."""
    names, space = archs(50), spaces.get(SPACE)
    known = costs(names, 5)
    sevens = np.array([name.count("7,") + name.count(",7") for name in names], dtype=np.float64)
    new = known.mean(axis=1) * (1 + 0.25 * sevens / sevens.mean())
    pool = DevicePool(space.encode(names), known, tuple("abcde"), names)
    wrong = {}
    usual = space.similarity()
    physics, _, smooth = usual.transfer
    first, _, last = usual.transfer_weights
    # Either tells of it: a component of its own, or a machine that is slow in nothing else.
    machines = tuple(name for name in MACHINES if name != "wide_depthwise")
    without = replace(
        usual,
        transfer=(physics, smooth),
        transfer_weights=(first, last),
        analytic=replace(usual.analytic, names=machines),
    )
    for name, similarity in (("own", usual), ("without", without)):
        predictor = FewShotPredictor.fit(pool, similarity=similarity)
        chosen = predictor.select(8)
        others = np.setdiff1d(np.arange(50), chosen)
        mean = predictor.adapt(chosen, new[chosen]).predict(others).mean
        wrong[name] = float(np.mean(np.abs(mean / new[others] - 1)))
    assert wrong["own"] < 0.06, wrong
    assert wrong["own"] < wrong["without"], wrong
