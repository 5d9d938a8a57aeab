from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hwprof.latency import HEADLINE, common_basis, summarise
from hwprof.samples import Basis, Samples
from hwprof.statistics import quantile_interval


def clean(values: np.ndarray, share: float = 1.0) -> Samples:
    switches = np.zeros(len(values), dtype=np.int64)
    switches[round(share * len(values)) :] = 1
    return Samples(values, values, switches)


def test_one_restart_knows_its_own_sampling_and_what_restarts_usually_differ_by() -> None:
    rng = np.random.default_rng(0)
    values = 1 + 0.01 * rng.random(100)
    latency = summarise([clean(values)], 1)
    within = quantile_interval(values, HEADLINE)
    assert within is not None
    assert latency.sampling_width == pytest.approx((within[1] - within[0]) / 2, rel=0.01)
    # Another process now, and another one at another time.
    assert latency.process_width == pytest.approx(4.303 * 0.0125 * np.sqrt(2), rel=0.01)
    assert latency.relative_half_width == pytest.approx(4.303 * 0.0125 * 2, rel=0.01)
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
    variance = (4 * 0.0158**2 + 2 * 0.0125**2) / 6
    assert latency.process_width == pytest.approx(2.447 * np.sqrt(2 * variance / 5), rel=0.02)
    # However many processes there are, the machine moves from one minute to the next.
    half = 2.447 * np.sqrt(2 * variance * (1 / 5 + 1))
    assert latency.relative_half_width == pytest.approx(half, rel=0.02)


def test_several_threads_and_a_machine_that_is_not_quiet_move_more() -> None:
    parts = [clean(np.full(50, 1.0))] * 3
    one, two = summarise(parts, 1), summarise(parts, 2)
    beside = summarise(parts, 1, busy_beside=0.9)
    assert beside.disturbed
    assert not summarise(parts, 1, busy_beside=0.1).disturbed
    widths = [each.relative_half_width or 0.0 for each in (one, beside, two)]
    assert widths == sorted(widths)
    assert len(set(widths)) == 3


def test_of_several_threads_the_lower_quartile_of_processes_counts() -> None:
    parts = [clean(np.full(50, level)) for level in (1.0, 1.01, 1.02, 1.8, 1.9)]
    assert summarise(parts, 1).headline_s == pytest.approx(1.02)
    several = summarise(parts, 2)
    assert several.headline_s == several.p25_s == pytest.approx(1.01)
    assert several.median_s == pytest.approx(1.01)


def test_a_virtual_machine_is_moved_by_what_it_cannot_see() -> None:
    parts = [clean(np.full(50, 1.0))] * 3
    bare, unknown, virtual = (summarise(parts, 1, virtual=known) for known in (False, None, True))
    assert bare.relative_half_width == unknown.relative_half_width
    assert (virtual.relative_half_width or 0) > 2 * (bare.relative_half_width or 1)
    # More processes now would not narrow it.
    assert virtual.process_width == bare.process_width


def test_equal_restarts_keep_the_interval_within_them() -> None:
    values = np.linspace(1, 3, 60)
    widths = [summarise([clean(values)] * n, 1).relative_half_width for n in (1, 4)]
    assert widths[0] is not None
    assert widths[1] == pytest.approx(widths[0] / 2, rel=0.1)


def test_few_samples_are_as_unsure_as_what_they_span() -> None:
    short = clean(np.linspace(1, 1.4, 8))
    latency = summarise([short], 1)
    assert latency.sampling_width is None
    assert latency.ci95_s is not None
    assert latency.ci95_s[1] - latency.ci95_s[0] >= 0.3
    assert summarise([clean(np.array([1.0]))], 1).ci95_s is None
    assert summarise([clean(np.array([1.0]))] * 3, 1).ci95_s is not None


def busy(level: float, waited: float, n: int = 40, threads: int = 1) -> Samples:
    """Runs whose threads waited for a share of the time, each for as long as the others."""
    wall = np.full(n, level)
    dirty = np.full(n, int(waited > 0), dtype=np.int64)
    cpu = wall * (1 - waited)
    return Samples(wall, cpu, dirty, 1, cpu * threads, wall * waited * threads)


def test_a_disturbed_figure_reaches_down_to_where_a_quiet_one_may_lie() -> None:
    quiet, loaded = summarise([busy(1.0, 0.0)] * 3, 1), summarise([busy(2.0, 0.5)] * 3, 1)
    assert not quiet.disturbed
    assert loaded.disturbed
    assert (quiet.waiting_share, loaded.waiting_share) == (0.0, 0.5)
    assert loaded.basis is Basis.CPU_TIME
    assert quiet.ci95_s is not None
    assert loaded.ci95_s is not None
    assert loaded.headline_s == quiet.headline_s
    assert loaded.ci95_s[0] <= 0.93
    assert loaded.ci95_s[1] > quiet.ci95_s[1]


def test_on_several_threads_the_caller_may_have_done_it_all() -> None:
    # The other one never ran: alone, the caller took the time of both.
    wall = np.full(40, 2.0)
    ones = np.ones(40, dtype=np.int64)
    latency = summarise([Samples(wall, wall, ones, 1, wall, wall)], 2)
    assert latency.waiting_share == 0.5
    assert latency.ci95_s is not None
    assert latency.ci95_s[0] == pytest.approx(0.93)
    # It ran half the time: of its part the caller did no more than half.
    latency = summarise([Samples(wall, wall, ones, 1, 1.5 * wall, 0.5 * wall)], 2)
    assert latency.ci95_s is not None
    assert latency.ci95_s[0] == pytest.approx(0.93)
    latency = summarise([Samples(wall, wall, ones, 1, 1.9 * wall, 0.1 * wall)], 2)
    assert latency.ci95_s is not None
    assert latency.ci95_s[0] <= 0.93 * 2 * 0.9
    # A caller that sleeps says nothing: the threads' common time does.
    sleeping = Samples(wall, 0.01 * wall, ones, 1, 1.2 * wall, wall)
    latency = summarise([sleeping], 2)
    assert latency.ci95_s is not None
    assert latency.ci95_s[0] >= 0.93 * 1.2 / 2


@given(
    st.lists(st.floats(0.5, 2.0), min_size=1, max_size=6),
    st.floats(0, 0.9),
    st.integers(1, 4),
)
def test_the_interval_holds_the_headline_and_what_is_known_of_waiting(
    levels: list[float], waited: float, threads: int
) -> None:
    parts = [busy(level, waited, threads=threads) for level in levels]
    latency = summarise(parts, threads)
    assert latency.ci95_s is not None
    assert 0 < latency.ci95_s[0] <= latency.headline_s <= latency.ci95_s[1]
    assert latency.waiting_share == pytest.approx(waited)
    assert latency.disturbed or waited < 0.031
    # Nothing known of waiting is no waiting known.
    old = [Samples(p.wall_s, p.cpu_s, p.switches) for p in parts]
    assert summarise(old, threads).waiting_share is None


def test_mixed_restarts_use_what_all_of_them_have() -> None:
    quiet, busy = clean(np.ones(40)), clean(np.full(40, 2.0), 0.0)
    assert common_basis([quiet, busy], 1) is Basis.CPU_TIME
    assert common_basis([quiet, busy], 2) is Basis.WALL_ALL


def test_nothing_measured_is_no_latency() -> None:
    with pytest.raises(ValueError, match="at least one sample"):
        summarise([], 1)
    with pytest.raises(ValueError, match="at least one sample"):
        summarise([Samples(np.empty(0))], 1)
