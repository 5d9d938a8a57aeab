"""Lines over file descriptors, each wait bounded."""

from __future__ import annotations

import os
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest

from hwprof.targets.pipes import CHUNK, Pipes
from hwprof.targets.stream import Ended, Late

SOON = 0.01


class Ends:
    """Both ends of two pipes: ours in `pipes`, the other side's as file descriptors."""

    def __init__(self) -> None:
        source, self.answers = os.pipe()
        self.requests, sink = os.pipe()
        self.pipes = Pipes(source, sink)
        self.open = {source, sink, self.answers, self.requests}

    def close(self, *some: int) -> None:
        for each in some or tuple(self.open):
            os.close(each)
            self.open.remove(each)


@pytest.fixture
def ends() -> Iterator[Ends]:
    made = Ends()
    yield made
    made.close()


def test_lines_come_one_by_one_however_they_were_sent(ends: Ends) -> None:
    os.write(ends.answers, b"one\ntwo\nthr")
    assert ends.pipes.read_line(100, SOON) == b"one\n"
    assert ends.pipes.read_line(100, SOON) == b"two\n"
    os.write(ends.answers, b"ee\n")
    assert ends.pipes.read_line(100, SOON) == b"three\n"


def test_a_line_that_is_too_long_is_cut_and_one_without_end_is_the_last(ends: Ends) -> None:
    os.write(ends.answers, b"x" * 50 + b"\nend")
    assert ends.pipes.read_line(20, SOON) == b"x" * 20
    assert ends.pipes.read_line(20, SOON) == b"x" * 20
    assert ends.pipes.read_line(20, SOON) == b"x" * 10 + b"\n"
    ends.close(ends.answers)
    assert ends.pipes.read_line(20, SOON) == b"end"
    assert ends.pipes.read_line(20, SOON) == b""


def test_who_says_nothing_or_no_whole_line_is_late(ends: Ends) -> None:
    with pytest.raises(Late):
        ends.pipes.read_line(100, SOON)
    os.write(ends.answers, b"half a line")
    with pytest.raises(Late):
        ends.pipes.read_line(100, SOON)


def test_what_came_by_then_counts_however_late_it_is_looked_for(ends: Ends) -> None:
    os.write(ends.answers, b"there\n")
    assert ends.pipes.read_line(100, 0) == b"there\n"
    with pytest.raises(Late):
        ends.pipes.read_line(100, 0)


def test_time_in_which_this_process_was_stopped_is_not_waited_for(tmp_path: Path) -> None:
    # A file is always ready to be read, in five parts; between any two the clock jumps by an hour.
    path = tmp_path / "line"
    path.write_bytes(b"x" * 4 * CHUNK + b"\n")
    hours = count()
    with path.open("rb") as source, (tmp_path / "sink").open("wb") as sink:
        pipes = Pipes(source.fileno(), sink.fileno(), lambda: 3600.0 * next(hours))
        assert len(pipes.read_line(1 << 30, 30.0)) == 4 * CHUNK + 1


def test_who_takes_nothing_is_late_and_who_is_gone_has_ended(ends: Ends) -> None:
    ends.pipes.write(b"hello\n", SOON)
    assert os.read(ends.requests, 100) == b"hello\n"
    with pytest.raises(Late):
        ends.pipes.write(b"x" * (1 << 21), SOON)
    ends.close(ends.requests)
    with pytest.raises(Ended):
        ends.pipes.write(b"hello\n", SOON)
