from __future__ import annotations

import numpy as np
import pytest

from hwprof.latency import common_basis, summarise
from hwprof.samples import Basis, Samples


def clean(values: np.ndarray, share: float = 1.0) -> Samples:
    switches = np.zeros(len(values), dtype=np.int64)
    switches[round(share * len(values)) :] = 1
    return Samples(values, values, switches)


def test_one_restart_has_the_interval_of_its_order_statistics() -> None:
    rng = np.random.default_rng(0)
    latency = summarise([clean(1 + 0.01 * rng.random(100))], 1)
    assert latency.headline_s == latency.p25_s == pytest.approx(1.0025, abs=1e-3)
    assert latency.ci95_s is not None
    assert latency.ci95_s[0] <= latency.headline_s <= latency.ci95_s[1]
    assert latency.clean_share == 1.0
    assert (latency.n, latency.n_used) == (100, 100)
    assert list(latency.percentiles_s) == [0.9]


def test_interrupted_runs_do_not_move_the_headline() -> None:
    values = np.concatenate([np.full(20, 1.0), np.full(80, 2.0)])
    latency = summarise([clean(values, 0.2)], 1)
    assert latency.headline_s == 1.0
    assert latency.basis is Basis.WALL_CLEAN
    assert latency.n_used == 20


def test_spread_between_restarts_widens_the_interval() -> None:
    parts = [clean(np.full(50, level)) for level in (1.00, 1.02, 0.98, 1.01, 0.99)]
    latency = summarise(parts, 1)
    assert latency.headline_s == 1.0
    assert latency.ci95_s is not None
    assert latency.relative_half_width == pytest.approx(2.776 * 0.0158 / np.sqrt(5), rel=0.02)


def test_equal_restarts_keep_the_interval_within_them() -> None:
    values = np.linspace(1, 1.1, 60)
    one = summarise([clean(values)], 1).relative_half_width
    four = summarise([clean(values)] * 4, 1).relative_half_width
    assert one is not None
    assert four == pytest.approx(one / 2, rel=0.05)


def test_mixed_restarts_use_what_all_of_them_have() -> None:
    quiet, busy = clean(np.ones(40)), clean(np.full(40, 2.0), 0.0)
    assert common_basis([quiet, busy], 1) is Basis.CPU_TIME
    assert common_basis([quiet, busy], 2) is Basis.WALL_ALL


def test_nothing_measured_is_no_latency() -> None:
    with pytest.raises(ValueError, match="at least one sample"):
        summarise([], 1)
    with pytest.raises(ValueError, match="at least one sample"):
        summarise([Samples(np.empty(0))], 1)
