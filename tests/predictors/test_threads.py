"""Linear algebra on one thread, for as long as anybody wants it."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import numpy as np
import pytest
from threadpoolctl import ThreadpoolController

from hwprof.predictors import threads
from hwprof.predictors.fewshot import FewShotPredictor
from hwprof.predictors.fewshot.smoothing import smooth
from hwprof.predictors.pool import DevicePool
from hwprof.predictors.threads import one_thread


def _threads() -> set[int]:
    return {found["num_threads"] for found in _blas().info()}


def _blas() -> ThreadpoolController:
    return ThreadpoolController().select(user_api="blas")


@pytest.fixture(autouse=True)
def two_threads() -> Iterator[None]:
    with _blas().limit(limits=2):
        if _threads() != {2}:
            pytest.skip("this BLAS was built for one thread")
        yield


def test_a_block_has_one_thread_and_gives_the_others_back() -> None:
    with one_thread():
        assert _threads() == {1}
    assert _threads() == {2}


def test_blocks_nest_and_may_end_in_any_order() -> None:
    one, other = one_thread(), one_thread()
    one.__enter__()
    other.__enter__()
    one.__exit__(None, None, None)
    assert _threads() == {1}
    other.__exit__(None, None, None)
    assert _threads() == {2}


def test_an_error_gives_them_back() -> None:
    with pytest.raises(ValueError, match="it"), one_thread():
        raise ValueError("it")
    assert _threads() == {2}


def test_a_fit_has_one_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []

    def watched(*args: object, **more: object) -> object:
        seen.append(_threads())
        return smooth(*args, **more)  # type: ignore[arg-type]

    monkeypatch.setattr("hwprof.predictors.fewshot.model.smooth", watched)
    rng = np.random.default_rng(0)
    FewShotPredictor.fit(DevicePool(rng.random((30, 4)), 1 + rng.random((30, 3)), ["a", "b", "c"]))
    assert seen == [{1}]
    assert _threads() == {2}


def test_without_the_library_nothing_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "threadpoolctl", None)
    threads._controller.cache_clear()
    try:
        with one_thread():
            assert _threads() == {2}
    finally:
        threads._controller.cache_clear()
