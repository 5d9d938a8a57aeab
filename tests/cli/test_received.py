"""Received files at the prompt: nothing in them runs, and no output takes their place."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from hwprof.lut import Table
from hwprof.testing.stores import example_failure, example_measurement
from tests.cli.conftest import Result
from tests.lut.test_bad_tables import run_sql
from tests.predictors.test_damaged import ADAPTED, fill, rewritten

Cli = Callable[..., Result]
CELL = "|nor_conv_3x3~0|+|none~0|avg_pool_3x3~1|+|skip_connect~0|nor_conv_1x1~1|none~2|"


@pytest.fixture
def table() -> Path:
    path = Path("hwprof.db")
    with Table.open(path) as opened:
        for seed in (0, 1, 3):
            opened.add(example_measurement(seed))
        one = example_measurement(5)
        opened.add(replace(one, subject=replace(one.subject, name=CELL)))
        opened.add_failure(example_failure(1))
    return path


def test_a_table_does_not_become_a_predictor(hwprof: Cli, table: Path) -> None:
    before = table.read_bytes()
    wanted = ("adapt", "--space", "nasbench201", "--measurements", table, "--any-speed", "-o")
    assert "is a table and was left alone" in hwprof(*wanted, table).error
    assert table.read_bytes() == before
    for ending in ("-wal", "-shm", "-journal"):
        assert "is a part of the table" in hwprof(*wanted, f"{table}{ending}").error
    Path("model.onnx").write_bytes(b"\x08\x08\x12\x04onnx")
    assert "another kind" in hwprof(*wanted, "model.onnx").error
    assert not Path("my.device").exists()
    shutil.copy(ADAPTED, "my.device")
    assert "another kind" in hwprof("lut", "export", "--format", "jsonl", "-o", "my.device").error
    assert "another kind" in hwprof("example", "--force", "-o", "my.device").error


@pytest.mark.parametrize("ending", ["-wal", "-shm", "-journal"])
def test_an_export_is_no_part_of_a_table(hwprof: Cli, table: Path, ending: str) -> None:
    for fmt in ("jsonl", "csv", "parquet"):
        done = hwprof("lut", "export", "--format", fmt, "-o", f"{table}{ending}")
        assert "is a part of the table hwprof.db: name another file" in done.error
    with Table.open(table, readonly=True) as opened:
        assert len(opened.ids()) == 4


def test_a_trigger_does_not_run(hwprof: Cli, table: Path) -> None:
    assert hwprof("lut", "export", "-o", "mine.jsonl").code == 0
    theirs = Path("theirs.db")
    shutil.copy(table, theirs)
    run_sql(theirs, "CREATE TRIGGER b AFTER INSERT ON measurement BEGIN DELETE FROM restart; END")
    before = theirs.read_bytes()
    for command in (
        ("lut", "show", "--lut", theirs),
        ("lut", "show", "0", "--lut", theirs),
        ("lut", "export", "-o", "x.csv", "--lut", theirs),
        ("lut", "import", "mine.jsonl", "--lut", theirs),
        ("compare", "a", "b", "--lut", theirs),
        ("adapt", "--space", "nasbench201", "--measurements", theirs, "-o", "x.device"),
    ):
        assert "it holds the trigger 'b'" in hwprof(*command).error
    assert theirs.read_bytes() == before


def test_a_damaged_row_is_told_and_the_others_are_shown(hwprof: Cli, table: Path) -> None:
    bad = example_measurement(1).id
    run_sql(table, f"UPDATE restart SET setup_s = -1.0 WHERE measurement_id = '{bad}'")
    done = hwprof("lut", "show")
    assert done.code == 1
    assert f"measurement {bad} in the table hwprof.db is damaged" in done.error
    for seed in (0, 3):
        assert example_measurement(seed).id[:8] in done.out
    shown = hwprof("lut", "show", "--json")
    assert shown.code == 1
    measured = {row["id"] for row in shown.json if row["source"] != "failed"}
    assert measured == {example_measurement(s).id for s in (0, 3, 5)}
    assert bad in hwprof("lut", "show", bad).error
    assert hwprof("lut", "show", example_measurement(0).id).code == 0


def test_a_damaged_predictor_gives_no_figure(hwprof: Cli, tmp_path: Path) -> None:
    path = rewritten(tmp_path / "x.device", ADAPTED, fill("constant", 1e308))
    done = hwprof("predict", "--predictor", path, "--all")
    assert "damaged" in done.error
    assert done.out == ""
