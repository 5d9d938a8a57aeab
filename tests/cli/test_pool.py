"""`hwprof pool` from tables to what to measure next."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from itertools import pairwise, product
from pathlib import Path

import pytest

from hwprof import spaces
from hwprof.predictors import pools
from hwprof.predictors.pools import checking, planning
from hwprof.predictors.pools.playing import Play, Score
from tests.cli.conftest import Result
from tests.predictors.pools.tables import SPACE, archs, device, full_table, row, written

Cli = Callable[..., Result]
MAKE = ("pool", "make", "--space", SPACE, "-o", "my.pool")


@pytest.fixture
def table(tmp_path: Path) -> Path:
    return full_table(tmp_path / "t.db", 20, "abcd")


def test_from_a_table_to_a_pool(hwprof: Cli, table: Path) -> None:
    made = hwprof(*MAKE, table)
    assert made.code == 0, made.err
    assert made.out.splitlines()[0] == (
        f"latency of {SPACE}, batch 1, fp32, 1 thread: 20 architectures x 4 devices, 80 of 80 "
        "cells measured (100%); pool in my.pool"
    )
    assert made.err == ""
    shown = hwprof("pool", "show", "my.pool")
    assert shown.out.startswith(f"pool of {SPACE}, batch 1, fp32, 1 thread: latency in seconds\n")
    assert "a: onnxruntime 1.20.1 on Example CPU @ 2.50GHz; 20 measurements" in shown.out
    told = hwprof("pool", "show", "my.pool", "--json").json
    assert (told["space"], told["metric"], told["unit"]) == (SPACE, "latency", "s")
    assert (told["architectures"], told["cells"], told["coverage"]) == (20, 80, 1.0)
    assert told["setting"]["batch"] == 1
    first = told["devices"][0]
    assert first["min"] <= first["median"] <= first["max"]
    assert first["provenance"]["tables"][0]["name"] == "t.db"
    assert first["quality"] == []


def test_a_shipped_pool_is_shown_too(hwprof: Cli) -> None:
    shown = hwprof("pool", "show", pools.shipped_file("fbnet"))
    assert shown.out.startswith("pool of fbnet, setting not known: latency in seconds\n5000 arch")
    assert "heavy tail" in shown.out or "tied" in shown.out


def test_what_is_left_out_is_told(hwprof: Cli, tmp_path: Path, table: Path) -> None:
    more = [row(9000 + i, arch, device("e"), 0.01, source="imported")
            for i, arch in enumerate(archs(20)[:3])]  # fmt: skip
    other = written(tmp_path / "other.db", more)
    made = hwprof(*MAKE, table, other)
    assert "left out: 3 (it is imported, not measured here (--include imported))" in made.out
    more_made = hwprof(*MAKE, table, other, "--include", "imported")
    assert "20 architectures x 5 devices, 83 of 100 cells" in more_made.out
    assert "3 measurements (imported)" in more_made.out
    assert hwprof(*MAKE, table, "--include", "guessed").code == 2


def test_settings_are_chosen_by_options(hwprof: Cli, tmp_path: Path, table: Path) -> None:
    rows = [row(5000 + i, arch, device(name), 0.02, batch=8)
            for i, (arch, name) in enumerate(product(archs(20)[:3], "ab"))]  # fmt: skip
    other = written(tmp_path / "8.db", rows)
    error = hwprof(*MAKE, table, other)
    assert error.code == 2
    assert "(batch 1: 80 rows; batch 8: 6 rows); choose with --batch" in error.error
    assert not Path("my.pool").exists()
    made = hwprof(*MAKE, table, other, "--batch", "8")
    assert made.out.startswith(f"latency of {SPACE}, batch 8, fp32, 1 thread: 3 architectures x 2")
    # Two devices are a pool, and too few to learn from.
    assert "the pool has 2 devices, where fewer than 4" in made.err
    one = hwprof(*MAKE, table, "--device", "[a]")
    assert "needs 2 devices" in one.error


def test_a_pool_is_checked(hwprof: Cli, table: Path) -> None:
    assert hwprof(*MAKE, table).code == 0
    told = hwprof("pool", "check", "my.pool", "-k", "4", "--json").json
    assert [each["device"] for each in told["devices"]] == ["a", "b", "c", "d"]
    assert all(-1 <= each["known"]["rank"] <= 1 for each in told["devices"])
    assert told["good"] == (not told["problems"])
    error = hwprof("pool", "check", "my.pool", "-k", "19")
    assert error.code == 2
    assert "ask for a smaller k (-k)" in error.error


@pytest.mark.parametrize(("rank", "strict", "code"), [(0.9, True, 0), (0.1, True, 3), (0.1, 0, 0)])
def test_a_strict_check_has_an_exit_code(
    hwprof: Cli, table: Path, monkeypatch: pytest.MonkeyPatch, rank: float, strict: bool, code: int
) -> None:
    score = Score(8, rank, 0.5, 0.05, 0.04, 0.9)
    monkeypatch.setattr(checking, "play", lambda _, name, k, **more: Play(name, k, score, score))
    assert hwprof(*MAKE, table).code == 0
    found = hwprof("pool", "check", "my.pool", *(["--strict"] if strict else []))
    assert found.code == code
    last = found.out.splitlines()[-1]
    assert last.startswith("the pool is too small" if rank < 0.5 else "the pool is large enough")
    assert f"{rank:.3f}  0.500   5.0%   4.0%  90.0%" in found.out


def test_a_plan_ends_in_commands(hwprof: Cli, table: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = cache(lambda file, target, budget: plan(pools.read_stored(file), target, budget))
    plan = planning.plan
    # The fits take the time: both forms are of one plan.
    monkeypatch.setattr(planning, "plan", lambda _, *asked, **more: found("my.pool", *asked[:2]))
    assert hwprof(*MAKE, table).code == 0
    wanted = ("pool", "plan", "my.pool", "--target-error", "0.2%", "--budget", "3")
    told = hwprof(*wanted, "--json").json
    planned = [each for each in told["devices"] if each["archs"]]
    assert sum(len(each["archs"]) for each in planned) == 3
    for each in planned:
        words = shlex.split(each["measure"])
        assert words[:6] == ["hwprof", "measure", "--space", SPACE, "--device",
                             f"{each['device']}:spin=on"]  # fmt: skip
        given = [word for before, word in pairwise(words) if before == "--arch"]
        assert given == each["archs"]
        assert words[6:10] == ["--threads", "1", "--batch", "1"]
        assert all(spaces.get(SPACE).parse(arch) for arch in given)
    text = hwprof(*wanted)
    assert text.out.startswith("estimates of a mean error of 0.2% or less")
    assert [line for line in text.out.splitlines() if line.startswith("hwprof measure")] == [
        each["measure"] for each in planned
    ]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("pool", "show", "gone.pool"), "there is no pool file 'gone.pool'"),
        (("pool", "check", "t.db"), "not a pool file"),
        (("pool", "plan", "my.pool", "--target-error", "5"), "a share must look like 5%"),
        ((*MAKE, "gone.db"), "gone.db"),
        (("pool", "make", "t.db", "--space", "darts", "-o", "x"), "unknown search space 'darts'"),
    ],
)
def test_what_cannot_be_is_one_sentence(hwprof: Cli, arguments: tuple[str, ...], says: str) -> None:
    Path("t.db").write_text("text")
    assert says in hwprof(*arguments).error


def test_a_table_is_never_written_over(hwprof: Cli, table: Path) -> None:
    before = table.read_bytes()
    refused = hwprof("pool", "make", table, "--space", SPACE, "-o", table)
    assert refused.code == 2
    assert table.read_bytes() == before


def test_the_command_line_of_a_device_with_another_precision() -> None:
    from hwprof.predictors.pools.labels import asked_as

    assert asked_as(replace(device("a"), precision="int8", options={})) == "a:precision=int8"
    assert asked_as(replace(device("a"), options={})) == "a"
