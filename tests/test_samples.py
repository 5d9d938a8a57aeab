from __future__ import annotations

import numpy as np
import pytest

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
