"""Several real processes on one table, and processes that are killed while they write."""

from __future__ import annotations

import random
import subprocess
import sys
from pathlib import Path

import pytest

from hwprof.errors import TableError
from hwprof.lut import Table
from hwprof.testing.stores import example_measurement

WRITER = Path(__file__).with_name("writer.py")


def start(first: int, count: int, *paths: Path) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, str(WRITER), str(first), str(count), *map(str, paths)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


def go(process: subprocess.Popen[str]) -> None:
    assert process.stdin is not None
    process.stdin.write("\n")
    process.stdin.flush()


def finish(processes: list[subprocess.Popen[str]]) -> None:
    for process in processes:
        go(process)
    for process in processes:
        with process:
            process.communicate()
        assert process.returncode == 0


def test_processes_that_write_at_once_lose_nothing(path: Path) -> None:
    # None of them finds a table: the race to create it is part of the test. Seeds overlap.
    writers = [start(0, 60, path), start(60, 60, path), start(40, 40, path)]
    finish(writers)
    with Table.open(path, create=False) as table:
        wanted = [example_measurement(seed) for seed in reversed(range(120))]
        assert list(table.measurements()) == wanted
    assert [p.name for p in path.parent.iterdir()] == [path.name]


def test_processes_may_create_one_table_at_once(tmp_path: Path) -> None:
    # Many files, so that every step of creating one is met by every other.
    paths = [tmp_path / f"{n}.db" for n in range(40)]
    finish([start(first, 1, *paths) for first in range(4)])
    for path in paths:
        with Table.open(path, create=False) as table:
            assert list(table.measurements()) == [example_measurement(s) for s in (3, 2, 1, 0)]


def test_killed_writers_lose_nothing_that_was_acknowledged(path: Path) -> None:
    rng = random.Random(7)
    expected: set[str] = set()
    for attempt in range(10):
        made = {m.id: m for m in map(example_measurement, range(attempt * 50, attempt * 50 + 50))}
        with start(attempt * 50, 50, path) as writer:
            assert writer.stdout is not None
            go(writer)
            # Killed anywhere between one answer and the next; the first while it creates the file.
            for _ in range(rng.randrange(8) if attempt else 0):
                expected.add(writer.stdout.readline().strip())
            # Some work, so that the writer too gets some way into its next measurement.
            for seed in range(rng.randrange(12)):
                example_measurement(seed)
            writer.kill()
            expected |= set(writer.stdout.read().split())
        with Table.open(path) as table:
            kept = {m.id: m for m in table.measurements()}
        # What is kept beyond the acknowledged is the one measurement in flight, and whole.
        assert kept.keys() >= expected
        assert len(kept.keys() - expected) <= 1
        assert all(made[identity] == m for identity, m in kept.items() if identity in made)
        expected = set(kept)


def test_an_add_that_is_killed_at_any_statement_leaves_all_or_nothing(tmp_path: Path) -> None:
    children = 40
    script = WRITER.with_name("dying_writer.py")
    subprocess.run([sys.executable, str(script), str(tmp_path), str(children)], check=True)
    first, second = example_measurement(0), example_measurement(3)
    outcomes = []
    for number in range(children):
        with Table.open(tmp_path / f"{number}.db", create=False) as table:
            outcomes.append(list(table.measurements()))
            assert table.add(second) == (outcomes[-1] == [first])
    assert all(found in ([first], [second, first]) for found in outcomes)
    assert outcomes[0] == [first]
    assert outcomes[-1] == [second, first]


def test_a_table_that_another_holds_too_long_says_so(path: Path) -> None:
    with Table.open(path) as holder, Table.open(path, lock_wait_s=0) as table:
        with holder.transaction():
            with pytest.raises(TableError, match="locked by another process"):
                table.add(example_measurement(1))
            with pytest.raises(TableError, match="locked by another process"):
                Table.open(path, lock_wait_s=0)
            with Table.open(path, readonly=True) as reader:
                assert list(reader.measurements()) == []
        assert table.add(example_measurement(1))
