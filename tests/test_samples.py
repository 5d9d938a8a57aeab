from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hwprof.codec import CodecError, from_json, to_json
from hwprof.samples import Basis, Samples


def samples(n: int, clean: int) -> Samples:
    switches = np.ones(n, dtype=np.int64)
    switches[:clean] = 0
    return Samples(np.linspace(1, 2, n), np.linspace(1, 1.1, n), switches)


def test_enough_clean_samples_are_the_basis() -> None:
    part = samples(50, 10)
    assert part.basis(threads=1) is Basis.WALL_CLEAN
    assert len(part.values(Basis.WALL_CLEAN)) == 10
    assert part.clean_share == 0.2


@pytest.mark.parametrize(("n", "clean"), [(50, 0), (50, 7), (200, 19)])
def test_too_few_clean_samples_fall_back(n: int, clean: int) -> None:
    part = samples(n, clean)
    assert part.basis(threads=1) is Basis.CPU_TIME
    # The caller's CPU time is not the duration of a run on several threads.
    assert part.basis(threads=2) is Basis.WALL_ALL


def marked(wall: list[float], cpu: list[float], busy: list[float], waited: list[float]) -> Samples:
    none = np.zeros(len(wall), dtype=np.int64)
    return Samples(np.array(wall), np.array(cpu), none, 1, np.array(busy), np.array(waited))


def clean(part: Samples) -> list[bool]:
    assert part.clean is not None
    return part.clean.tolist()


def test_who_waits_or_pauses_is_not_clean_though_nothing_was_switched() -> None:
    # Waiting for 0.5 %, and for 2 %; then stopped by a signal for half the time, and for 40 us.
    wall = [0.01, 0.01, 0.02, 0.01004]
    ran = [0.00995, 0.0098, 0.01, 0.01]
    part = marked(wall, ran, ran, [5e-5, 2e-4, 0.0, 0.0])
    assert clean(part) == [True, False, False, True]
    # Nothing of this is known of older samples.
    assert clean(Samples(part.wall_s, part.cpu_s, part.switches)) == [True] * 4


def test_a_thread_that_works_for_the_caller_is_no_pause() -> None:
    part = marked([0.01] * 9, [1e-5] * 9, [0.0099] * 9, [0.0] * 9)
    assert clean(part) == [True] * 9
    assert part.basis(1) is Basis.WALL_CLEAN
    # The caller's time would be nothing of the kind.
    switched = Samples(part.wall_s, part.cpu_s, np.ones(9, dtype=np.int64), 1, part.busy_s)
    assert not switched.cpu_is_work
    assert switched.basis(1) is Basis.WALL_ALL


def test_on_several_threads_a_pause_is_less_of_the_caller_than_in_other_runs() -> None:
    wall = [0.01] * 9 + [0.02]
    cpu = [0.0096] * 9 + [0.0099]
    # The process's time comes in ticks.
    busy = [0.02, 0.01, 0.03, 0.02, 0.02, 0.02, 0.02, 0.02, 0.02, 0.02]
    assert clean(marked(wall, cpu, busy, [0.0] * 10)) == [True] * 9 + [False]
    # Callers that sleep while others work do so in every run.
    asleep = marked([0.01] * 10, [0.001] * 10, busy, [0.0] * 10)
    assert clean(asleep) == [True] * 10


def duty_cycled(switches: list[int], threads: int) -> Samples:
    """Runs of 93 ms that `cpulimit` stops and continues in turn: 184.9 ms each."""
    n = len(switches)
    return Samples(
        np.full(n, 0.1849),
        np.full(n, 0.0930),
        np.array(switches, dtype=np.int64),
        1,
        np.full(n, 0.0930 * threads),
        np.zeros(n),
    )


def test_stopped_half_of_the_time_one_thread_is_told_by_its_own_time() -> None:
    # Neither a switch nor waiting: only what it computed tells.
    part = duty_cycled([0] * 30, threads=1)
    assert clean(part) == [False] * 30
    assert part.basis(1) is Basis.CPU_TIME
    assert part.values(part.basis(1)).tolist() == [0.0930] * 30


def test_stopped_half_of_the_time_two_threads_are_told_by_what_continued_them() -> None:
    # A caller that sleeps half of the time while another thread works looks just the same.
    asleep = duty_cycled([0] * 30, threads=2)
    assert clean(asleep) == [True] * 30
    part = duty_cycled([2] * 30, threads=2)
    assert clean(part) == [False] * 30
    assert part.basis(2) is Basis.WALL_ALL
    # Short runs fall between two stops, mostly.
    short = duty_cycled([0, 0, 1] * 10, threads=2)
    assert short.basis(2) is Basis.WALL_CLEAN
    assert len(short.values(Basis.WALL_CLEAN)) == 20


@given(
    st.integers(1, 20).flatmap(
        lambda n: st.tuples(*[st.lists(st.floats(0, 10), min_size=n, max_size=n)] * 4)
    ),
    st.integers(1, 5),
)
def test_more_waiting_never_makes_a_sample_clean(
    columns: tuple[list[float], ...], loops: int
) -> None:
    wall, cpu, busy, waited = columns
    part = replace(marked(wall, cpu, busy, waited), loops=loops)
    more = replace(part, waited_s=np.array(waited) + 0.1)
    switched = replace(part, switches=np.ones(len(wall), dtype=np.int64))
    assert all(a >= b for a, b in zip(clean(part), clean(more), strict=True))
    assert not any(clean(switched))
    assert clean(Samples.concatenate([part])) == clean(part)


def test_without_a_counter_all_samples_count() -> None:
    part = Samples(np.ones(5), np.ones(5))
    assert part.clean is None
    assert part.clean_share is None
    assert part.basis(threads=1) is Basis.WALL_ALL


@pytest.mark.parametrize(
    "make",
    [
        lambda: Samples(np.ones((2, 2))),
        lambda: Samples(np.array([1.0, np.nan])),
        lambda: Samples(np.array([-1.0])),
        lambda: Samples(np.ones(2), np.ones(3)),
        lambda: Samples(np.ones(2), loops=0),
        lambda: Samples(np.ones(2), busy_s=np.ones(3)),
        lambda: Samples(np.ones(2), waited_s=np.array([0.0, -1.0])),
    ],
)
def test_impossible_samples_are_refused(make: object) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - each case has its own message
        make()  # type: ignore[operator]


def test_joining_keeps_order_and_marks() -> None:
    joined = Samples.concatenate([samples(3, 1), samples(2, 2)])
    assert len(joined) == 5
    assert joined.clean is not None
    assert joined.clean.tolist() == [True, False, False, True, True]
    with pytest.raises(ValueError, match="loop counts"):
        Samples.concatenate([samples(2, 1), Samples(np.ones(2), loops=4)])


def test_json_keeps_every_digit() -> None:
    part = samples(7, 3)
    assert from_json(to_json(part), Samples) == part
    assert from_json(to_json(part), Samples) != samples(7, 4)


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", '{"wall_s": "x"}', '{"wall_s": ["x"]}', '{"wall_s": [[1]]}', '{"wall_s":[-1]}'],
)
def test_malformed_json_is_a_codec_error(text: str) -> None:
    with pytest.raises(CodecError):
        from_json(text, Samples)
