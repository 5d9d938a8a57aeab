"""Waits of threads, from a tree of files that look like the kernel's."""

from __future__ import annotations

import shutil
import threading
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hwprof.machine.host.roots import Roots
from hwprof.machine.host.waits import waits_of_threads, waits_within


@pytest.fixture
def roots(tmp_path: Path) -> Roots:
    return Roots(proc=tmp_path)


def put(roots: Roots, thread: int, ran_ns: int, waited_ns: int) -> None:
    folder = roots.proc / "self/task" / str(thread)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "schedstat").write_text(f"{ran_ns} {waited_ns} 7\n", encoding="ascii")


def test_every_thread_is_read_for_as_long_as_it_lives(roots: Roots) -> None:
    put(roots, 41, 100, 5)
    put(roots, 42, 100, 6)
    waits = waits_of_threads(roots)
    assert waits is not None
    assert waits.caller == threading.get_native_id()
    assert waits.read() == {41: 5, 42: 6}
    put(roots, 42, 200, 60)
    put(roots, 43, 1, 1)
    assert waits.read() == {41: 5, 42: 60, 43: 1}
    # One that ended keeps what it waited; what takes its place is another.
    shutil.rmtree(roots.proc / "self/task/42")
    assert waits.read() == {41: 5, 42: 60, 43: 1}
    waits.close()


@pytest.mark.parametrize("content", [None, "", "0 0 0\n", "nonsense", "12"])
def test_without_the_accounting_nothing_is_known(roots: Roots, content: str | None) -> None:
    folder = roots.proc / "self/task/41"
    folder.mkdir(parents=True)
    if content is not None:
        (folder / "schedstat").write_text(content, encoding="ascii")
    assert waits_of_threads(roots) is None


def test_without_a_proc_nothing_is_known(tmp_path: Path) -> None:
    assert waits_of_threads(Roots(proc=tmp_path / "none")) is None


def test_a_lump_belongs_to_the_time_before_it_was_read() -> None:
    start = np.array([0, 100, 200, 300], dtype=np.int64)
    end = start + 90
    # 150 ns are found after the third window, at 295: waiting began at 145, in the second.
    found = waits_within(start, end, end + 5, np.array([0, 0, 150, 0])) * 1e9
    assert found.tolist() == pytest.approx([0, 45, 90, 0])
    # What began before the first window was waited for before it.
    found = waits_within(start, end, end + 5, np.array([1000, 0, 0, 0])) * 1e9
    assert found.tolist() == pytest.approx([90, 0, 0, 0])


@given(
    st.lists(
        st.tuples(st.integers(1, 100), st.integers(0, 20), st.integers(-5, 300)),
        min_size=1,
        max_size=20,
    )
)
def test_no_window_is_waited_for_more_than_whole(windows: list[tuple[int, int, int]]) -> None:
    lengths, gaps, grown = (
        np.array(column, dtype=np.int64) for column in zip(*windows, strict=True)
    )
    end = np.cumsum(lengths + gaps)
    start = end - lengths
    found = waits_within(start, end, end, grown)
    assert np.all(found >= 0)
    assert np.all(found <= lengths * 1e-9)
    assert found.sum() <= np.maximum(grown, 0).sum() * 1e-9 + 1e-15
    if not np.any(grown > 0):
        assert not found.any()
