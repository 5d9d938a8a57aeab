"""Playing a pool's devices as new, and the verdict; what to measure next."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from hwprof import spaces
from hwprof.errors import OptionError
from hwprof.predictors import pools
from hwprof.predictors.pool import DevicePool
from hwprof.predictors.pools import checking, planning, playing
from hwprof.predictors.pools.checking import check
from hwprof.predictors.pools.planning import plan
from hwprof.predictors.pools.playing import Play, Score, known_flops, play
from hwprof.predictors.pools.size import LEAST_ARCHITECTURES, LEAST_DEVICES, too_small
from hwprof.predictors.setting import Setting
from tests.predictors.pools.tables import SPACE, archs, costs, full_table

ROWS = 24


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> pools.StoredPool:
    """Five devices that differ as machines do, with noise of 1 %."""
    path = full_table(tmp_path_factory.mktemp("pool") / "t.db", ROWS)
    return pools.from_tables([path], SPACE).stored


@pytest.fixture(scope="module")
def one(stored: pools.StoredPool) -> Play:
    flops, _ = known_flops(stored)
    return play(stored, "b", 6, flops=flops)


def test_a_device_is_predicted_from_the_others(one: Play, stored: pools.StoredPool) -> None:
    assert (one.device, one.k, one.known.cells) == ("b", 6, ROWS - 6)
    assert one.known.rank > 0.9
    assert 0 < one.known.median_error <= one.known.error * 2 < 0.2
    assert 0.5 < one.known.coverage <= 1
    # A third of the architectures was hidden from all devices, and none of them was selected.
    assert one.new is not None
    assert one.new.cells == ROWS // 3
    assert one.new.rank > 0.8


def test_flops_are_ranked_on_the_same_architectures(one: Play, stored: pools.StoredPool) -> None:
    flops, reason = known_flops(stored)
    assert reason == ""
    assert flops is not None
    assert flops.tolist() == spaces.get(SPACE).flops(list(stored.pool.names or ())).tolist()
    assert one.known.flops_rank is not None
    assert 0.3 < one.known.flops_rank < 1
    # At a side that is forced on all of them, they are not what ran.
    forced = replace_setting(stored, Setting(SPACE, resolution=64))
    assert known_flops(forced)[0] is None
    assert "own resolution, but these ran at 64" in known_flops(forced)[1]


def replace_setting(stored: pools.StoredPool, setting: Setting) -> pools.StoredPool:
    pool = stored.pool
    moved = DevicePool(pool.features, pool.values, pool.devices, pool.names, setting=setting)
    return replace(stored, pool=moved)


def test_a_device_with_too_few_cells_is_not_played(stored: pools.StoredPool) -> None:
    with pytest.raises(OptionError, match=r"a has 24 measured .* to measure 22 .*smaller k \(-k\)"):
        play(stored, "a", 22, flops=None)
    with pytest.raises(OptionError, match="of which 3 may be selected"):
        play(stored, "a", 5, flops=None, candidates=[1, 2, 3])


def scored(rank: float = 0.9, flops: float | None = 0.8, coverage: float = 0.9) -> Score:
    return Score(20, rank, flops, 0.05, 0.04, coverage)


def told(
    monkeypatch: pytest.MonkeyPatch, stored: pools.StoredPool, made: Callable[[str], Play]
) -> checking.Check:
    monkeypatch.setattr(checking, "play", lambda _, device, *args, **more: made(device))
    return check(stored, 6)


def test_the_verdict_is_good_where_nothing_speaks_against_it(monkeypatch, stored) -> None:
    found = told(monkeypatch, stored, lambda device: Play(device, 6, scored(), scored()))
    assert found.good
    assert found.verdict.startswith("the pool is large enough")
    assert [each.device for each in found.plays] == list("abcde")


@pytest.mark.parametrize(
    ("known", "new", "says"),
    [
        (
            scored(0.7),
            scored(),
            r"that it holds worse than FLOPs .*0.700 against 0.8",
        ),
        (scored(), scored(0.3), "architectures that it does not hold worse than FLOPs"),
        (scored(coverage=0.5), scored(), "90% intervals hold 50% of what .* that it holds"),
        (scored(), scored(coverage=0.05), "intervals hold 5% of what .* that it does not hold"),
        (scored(), None, "too few architectures to tell how others are predicted"),
    ],
)
def test_what_makes_a_pool_too_small(monkeypatch, stored, known, new, says) -> None:
    found = told(monkeypatch, stored, lambda device: Play(device, 6, known, new))
    assert not found.good
    assert re.search(f"too small for its space: .*{says}", found.verdict)


def test_without_flops_the_rest_is_judged(monkeypatch, stored) -> None:
    blank = scored(0.1, None)
    monkeypatch.setattr(checking, "known_flops", lambda stored: (None, "nobody knows"))
    found = told(monkeypatch, stored, lambda device: Play(device, 6, blank, blank))
    assert found.good
    assert "FLOPs were not compared, and its intervals hold" in found.verdict


def test_a_device_that_cannot_be_played_is_told(monkeypatch, stored) -> None:
    def made(device: str) -> Play:
        if device == "c":
            raise OptionError("c has too few")
        return Play(device, 6, scored(), scored())

    found = told(monkeypatch, stored, made)
    assert found.skipped == ("c has too few",)
    assert len(found.plays) == len(found.noise) == 4


def test_few_devices_are_told_without_a_fit(stored: pools.StoredPool) -> None:
    few = stored.pool.subset(["a", "b", "c"])
    assert f"has 3 devices, where fewer than {LEAST_DEVICES}" in (too_small(few) or "")
    assert too_small(stored.pool) is None
    pool, few_rows = stored.pool, stored.pool.values.copy()
    few_rows[LEAST_ARCHITECTURES - 1 :] = np.nan
    small = too_small(DevicePool(pool.features, few_rows, pool.devices, pool.names))
    assert f"has {LEAST_ARCHITECTURES - 1} architectures, where fewer than" in (small or "")
    two = pools.StoredPool(SPACE, stored.pool.subset(["a", "b"]))
    for refused in (lambda: check(two), lambda: plan(two, 0.05)):
        with pytest.raises(OptionError, match="has 2 devices, of which none can be left out"):
            refused()
    with pytest.raises(OptionError, match="k must be at least 1"):
        check(stored, 0)


@pytest.fixture(scope="module")
def uneven() -> pools.StoredPool:
    """Four devices, one of which has measured a third of the architectures, another three."""
    names = archs(ROWS)
    values = costs(names, 5, noise=0.02)
    values[8:, 1] = np.nan
    values[3:, 4] = np.nan
    features = spaces.get(SPACE).encode(names)
    pool = DevicePool(features, values, tuple("abcde"), names, setting=Setting(SPACE, 2, None))
    return pools.StoredPool(SPACE, pool)


def test_a_plan_says_what_to_measure_where(uneven: pools.StoredPool, monkeypatch) -> None:
    monkeypatch.setattr(planning, "_STEPS", 3)
    found = plan(uneven, 0.001, budget=4)
    devices = {each.device: each for each in found.devices}
    assert [each.cells for each in found.devices] == [ROWS, 8, ROWS, ROWS, 3]
    assert devices["e"].now is None
    assert devices["e"].archs == ()
    known = [each for each in found.devices if each.now is not None]
    assert sum(len(each.archs) for each in known) == 4
    # It goes where the error is largest: to the device that has measured least.
    worst = max(known, key=lambda each: each.now or 0)
    assert worst.device == "b"
    assert len(worst.archs) == max(len(each.archs) for each in known) > 0
    for each in known:
        measured = uneven.pool.measured[:, uneven.pool.devices.index(each.device)]
        has = {name for name, there in zip(uneven.pool.names or (), measured, strict=True) if there}
        assert not has & set(each.archs)
        assert len(set(each.archs)) == len(each.archs)
        assert all(spaces.get(SPACE).parse(arch) for arch in each.archs)
    assert plan(uneven, 0.001, budget=4) == found


def test_a_small_budget_does_not_make_a_target_unreachable(uneven: pools.StoredPool) -> None:
    wide, narrow = plan(uneven, 0.03), plan(uneven, 0.03, budget=1)
    needed = {each.device: each.needed for each in wide.devices}
    assert {each.device: each.needed for each in narrow.devices} == needed
    assert any(needed.values())
    assert sum(len(each.archs) for each in narrow.devices) == 1


def test_what_no_other_device_measured_is_not_among_what_others_have() -> None:
    names = archs(48)
    values = np.full((48, 4), np.nan)
    known = costs(names, 4)
    for device in range(4):
        # Twelve of its own, and from the second on twelve that the first has too.
        own = np.arange(12 * device, 12 * device + 12)
        shared = np.arange(12 if device else 0)
        values[own, device] = known[own, device]
        values[shared, device] = known[shared, device]
    pool = DevicePool(spaces.get(SPACE).encode(names), values, tuple("abcd"), names)
    whole = pools.StoredPool(SPACE, pool)
    played = play(whole, "b", 6, flops=None, candidates=np.arange(12).tolist(), new=False)
    # Its other twelve nobody else has.
    assert played.known.cells == 12 - 6


def test_a_plan_for_an_error_that_is_there_already_asks_for_nothing(uneven) -> None:
    found = plan(uneven, 0.9)
    assert all(each.needed == 0 and each.archs == () for each in found.devices if each.now)


@pytest.mark.parametrize(
    ("target", "budget", "says"),
    [(0.0, None, "error from 0.1% to 100%"), (1.5, None, "0.1%"), (0.1, 0, "budget must be at")],
)
def test_plans_that_cannot_be(stored, target, budget, says) -> None:
    with pytest.raises(OptionError, match=says):
        plan(stored, target, budget)


@pytest.mark.parametrize(
    ("errors", "target", "needed"),
    [
        ([0.2, 0.1, 0.05], 0.1, 1),
        ([0.04], 0.05, 0),
        ([0.2, 0.1], 0.05, None),
        # Squared errors of 0.4^2 / n: from the fourth to the hundredth measurement.
        ([0.4 / n**0.5 for n in range(4, 20)], 0.04, 96),
        # To a floor above the target.
        ([(0.01 + 0.16 / n) ** 0.5 for n in range(4, 20)], 0.05, None),
        ([0.2] * 16, 0.05, None),
    ],
)
def test_curves_are_continued_where_they_lead_somewhere(errors, target, needed) -> None:
    assert planning._needed(errors, 4, target) == needed


def test_a_budget_goes_where_the_error_is_largest() -> None:
    errors = {"a": [0.3, 0.2, 0.1], "b": [0.25, 0.15, 0.05], "c": [0.05]}
    assert planning._shared(errors, 0.12, 3) == {"a": 2, "b": 1, "c": 0}
    assert planning._shared(errors, 0.12, None) == {"a": 2, "b": 2, "c": 0}


def test_ranks_of_what_has_no_order_are_none() -> None:
    assert playing._rank(np.ones(3), np.arange(3.0)) == 0
    assert playing._rank(np.arange(3.0), np.arange(3.0)) == pytest.approx(1)
