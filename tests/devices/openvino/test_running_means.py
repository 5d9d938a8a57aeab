"""Durations of runs out of the whole-number running means that a profiler reports."""

from __future__ import annotations

import numpy as np
import pytest

from hwprof.devices.openvino.running_means import run_durations


def reported(durations: np.ndarray) -> np.ndarray:
    """What the plugin would report after each run: a sum over whole microseconds, divided."""
    return np.cumsum(durations) // np.arange(1, durations.size + 1)


@pytest.mark.parametrize("runs", [1, 2, 3, 12, 62])
def test_every_report_is_reproduced(runs: int) -> None:
    rng = np.random.default_rng(runs)
    means = reported(rng.integers(0, 500, runs))
    found = run_durations(means)
    assert found.shape == (runs,)
    assert (found >= 0).all()
    sums, count = np.cumsum(found), np.arange(1, runs + 1)
    assert (sums >= count * means - 1e-6).all()
    assert (sums <= count * means + count - 1 + 1e-6).all()


def test_a_slow_first_run_is_kept_apart() -> None:
    found = run_durations(reported(np.array([4854] + [259] * 61)))
    assert found[0] == 4854
    assert found[2:] == pytest.approx(259, abs=1)


def test_an_interruption_stays_in_its_run() -> None:
    durations = np.full(62, 40)
    durations[45] += 4000
    found = run_durations(reported(durations))
    assert found.argmax() == 45
    # Some of it leaks into its neighbours, hardly any into the faster half.
    assert found[45] > 3800
    assert np.sort(found)[:31] == pytest.approx(40, abs=2)


def test_differences_alone_would_be_far_off() -> None:
    durations = np.array([150] + [101] * 61)
    means = reported(durations)
    count = np.arange(1, 63)
    naive = np.diff(count * means)
    assert np.abs(naive - 101).max() > 10
    assert np.abs(run_durations(means)[1:] - 101).max() < 3


@pytest.mark.parametrize("seed", range(8))
def test_the_faster_half_is_near_the_truth(seed: int) -> None:
    rng = np.random.default_rng(seed)
    true_us = rng.uniform(5, 200)
    durations = rng.normal(true_us, true_us * 0.02, 62)
    durations[0] *= 20
    durations[rng.integers(2, 62, 3)] += 3000
    found = run_durations(reported(np.floor(durations).astype(np.int64)))[2:]
    # A microsecond lost to rounding, and what the faster half of a spread lies below its middle.
    assert np.sort(found)[:30].mean() == pytest.approx(true_us, abs=1.5 + 0.02 * true_us)


def test_a_change_of_pace_is_followed() -> None:
    found = run_durations(reported(np.array([300] * 20 + [200] * 42)))
    assert found[2:18] == pytest.approx(300, abs=2)
    assert found[24:] == pytest.approx(200, abs=3)
    faster_half = np.sort(found[2:])[:30].mean()
    assert faster_half == pytest.approx(200, abs=1)


def test_nothing_is_made_of_nothing() -> None:
    assert run_durations(np.array([], dtype=np.int64)).size == 0
    # Below a microsecond the sum is only known to less than one per run.
    assert (run_durations(np.zeros(10, dtype=np.int64)) < 1).all()
