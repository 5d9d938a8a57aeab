"""`hwprof lut show` and `rm`: what is listed, what is found, what is removed."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import struct
import subprocess
import sys
import termios
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import typer
from rich.cells import cell_len

from hwprof.lut import Table
from hwprof.measurement import Failure
from hwprof.report.listing import PIPED
from hwprof.testing.examples import example_failure, example_measurement
from tests.cli.conftest import Result
from tests.report.realistic import failures, measurements

Cli = Callable[..., Result]
CODES = re.compile(r"\x1b\[[0-9;]*m")


@pytest.fixture
def filled(hwprof: Cli) -> Path:
    """Sixteen measurements and four failures in the table of the folder."""
    with Table.open("hwprof.db") as table:
        for measurement in measurements():
            table.add(measurement)
        for failure in failures():
            table.add_failure(failure)
    return Path("hwprof.db")


def on_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """From now on, standard output is a terminal of eighty columns."""
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("LINES", "25")
    monkeypatch.setenv("TERM", "xterm")


def kept() -> int:
    with Table.open("hwprof.db", create=False, readonly=True) as table:
        counts = table.counts()
        return counts["measurements"] + counts["failures"]


@pytest.mark.parametrize("columns", [80, 120])
def test_a_real_terminal_shows_a_line_a_row(filled: Path, columns: int) -> None:
    reading, writing = pty.openpty()
    fcntl.ioctl(writing, termios.TIOCSWINSZ, struct.pack("HHHH", 50, columns, 0, 0))
    environment = {k: v for k, v in os.environ.items() if k not in ("COLUMNS", "LINES")}
    process = subprocess.Popen(
        [sys.executable, "-m", "hwprof", "lut", "show", "--lut", str(filled)],
        stdout=writing,
        env={**environment, "TERM": "xterm"},
    )
    os.close(writing)
    shown = b""
    while True:
        try:
            part = os.read(reading, 65536)
        except OSError:  # the other end of a terminal is gone
            break
        if not part:
            break
        shown += part
    os.close(reading)
    assert process.wait() == 0
    lines = CODES.sub("", shown.decode()).splitlines()
    assert len(lines) == 1 + 20 + 1
    assert all(cell_len(line) <= columns for line in lines)
    assert lines[-1] == "16 measurements, 4 failures in hwprof.db"
    ids = [line.split()[0] for line in lines[1:-1]]
    with Table.open(filled, readonly=True) as table:
        assert [table.listing.find(short).id for short in ids] == [
            entry.id for entry in table.listing.entries()
        ]


def test_a_pipe_gets_whole_rows_with_tabs(hwprof: Cli, filled: Path) -> None:
    done = hwprof("lut", "show")
    assert (done.code, done.err) == (0, "")
    head, *lines = [line.split("\t") for line in done.out.splitlines()]
    assert tuple(head) == PIPED
    assert len(lines) == 20
    assert {len(line) for line in lines} == {len(PIPED)}
    models = [line[head.index("model")] for line in lines]
    assert {m.subject.name for m in measurements()} < set(models)
    assert [line[head.index("source")] for line in lines].count("failed") == 4


def test_failures_are_among_the_rows_of_the_document(hwprof: Cli, filled: Path) -> None:
    found = hwprof("lut", "show", "--json").json
    failed = [row for row in found if row["source"] == "failed"]
    assert len(found) == 20
    assert [row["reason"] for row in failed] == [f.reason for f in failures()]
    assert [row["device"]["slug"] for row in failed] == [f.device for f in failures()]
    assert {row["latency_s"] for row in failed} == {None}
    only = hwprof("lut", "show", "--failures", "--json").json
    assert only == failed
    one = hwprof("lut", "show", failed[0]["id"][:8], "--json").json
    assert one == failed[0]


def test_one_failure_is_shown_with_its_whole_reason(hwprof: Cli, filled: Path) -> None:
    failure = failures()[1]
    done = hwprof("lut", "show", failure.id)
    assert failure.reason in " ".join(done.out.split())
    assert failure.subject in done.out
    assert "no kernels" in hwprof("lut", "show", failure.id, "--kernels").error
    for others in (("--failures",), ("--model", "x"), ("--limit", "3")):
        assert "names one row" in hwprof("lut", "show", failure.id, *others).error


def test_a_short_terminal_listing(
    hwprof: Cli, filled: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    on_terminal(monkeypatch)
    lines = CODES.sub("", hwprof("lut", "show", "--limit", "3").out).splitlines()
    assert len(lines) == 5
    assert lines[-1] == "3 measurements in hwprof.db"
    assert all(cell_len(line) <= 80 for line in lines)


def test_models_of_one_name_are_seen_to_differ(
    hwprof: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    on_terminal(monkeypatch)
    one = example_measurement(0)
    with Table.open("hwprof.db") as table:
        for digit in "ab":
            subject = replace(one.subject, name="model", sha256=digit * 64)
            table.add(replace(one, id=digit * 32, subject=subject))
    shown = hwprof("lut", "show").out
    assert "model@aaaaaa" in shown
    assert "model@bbbbbb" in shown
    (row,) = hwprof("lut", "show", "--model", "model@bbbbbb", "--json").json
    assert row["sha256"] == "b" * 64


def test_an_empty_table(hwprof: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    Table.open("hwprof.db").close()
    assert hwprof("lut", "show").out.splitlines() == ["\t".join(PIPED)]
    assert hwprof("lut", "show", "--json").json == []
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    assert hwprof("lut", "show").out == "0 measurements in hwprof.db\n"
    nothing = hwprof("lut", "show", "--model", "x")
    assert "holds no rows yet" in nothing.error
    assert nothing.code == 2


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (
            ("--model", "resnet5"),
            "none of the 20 rows in hwprof.db matches --model 'resnet5'; try ",
        ),
        (("--model", "resnet5"), "resnet50"),
        (("--model", "zzz"), "it holds "),
        (("--device", "onnxruntim-cpu"), "try onnxruntime-cpu"),
        (("--tag", "nightli"), "try nightly"),
        (("--run", "none"), "--run 'none'"),
        (("--source", "predicted"), "--source 'predicted'"),
        (("--since", "2030-01-01"), "--since '2030-01-01'"),
        (("--before", "2020-01-01"), "--before '2020-01-01'"),
        (("--model", "model", "--device", "tensorrt"), "each of --model 'model' and --device"),
        (("--model", "nope", "--failures"), "--model 'nope'"),
    ],
)
def test_filters_that_match_nothing_say_so(
    hwprof: Cli, filled: Path, options: tuple[str, ...], says: str
) -> None:
    commands = [("show",), ("show", "--json"), ("rm", "--yes")]
    if "--failures" not in options:
        commands.append(("export", "-o", "out.csv"))
    for command in commands:
        done = hwprof("lut", *command, *options)
        assert says in done.error
        assert (done.code, done.out) == (2, "")
    assert not Path("out.csv").exists()
    assert kept() == 20


def test_that_nothing_failed_is_an_answer(hwprof: Cli, filled: Path) -> None:
    some = hwprof("lut", "show", "--model", "efficientnet_b0", "--failures", "--json")
    assert (some.code, some.json) == (0, [])
    removed = hwprof("lut", "rm", "--model", "efficientnet_b0", "--failures", "--yes")
    assert removed.code == 0
    assert "nothing to remove" in removed.err
    assert kept() == 20


def test_an_export_of_what_was_tagged(hwprof: Cli, filled: Path) -> None:
    assert hwprof("lut", "export", "-o", "out.jsonl", "--tag", "nightly").code == 0
    assert hwprof("lut", "import", "out.jsonl", "--lut", "theirs.db").code == 0
    theirs = hwprof("lut", "show", "--lut", "theirs.db", "--json").json
    assert {row["id"] for row in theirs} == {m.id for m in measurements() if "nightly" in m.tags}
    assert all("nightly" in row["tags"] for row in theirs)


def test_rows_are_removed_by_their_ids(hwprof: Cli, filled: Path) -> None:
    measurement, failure = measurements()[0], failures()[0]
    done = hwprof("lut", "rm", measurement.id[:8], failure.id[:8], measurement.id, "--yes")
    assert done.code == 0, done.err
    assert done.err == "removed 2 rows from hwprof.db\n"
    _, *lines = [line.split("\t") for line in done.out.splitlines()]
    assert [line[0] for line in lines] == [measurement.id, failure.id]
    assert [line[-1] for line in lines] == ["measurement", "failure"]
    assert kept() == 18
    assert "no row with the id" in hwprof("lut", "show", measurement.id).error


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (("abc",), "give more of the id"),
        (("abcd1", "zzz"), "no row with the id 'zzz'"),
        (("abcd1", "--failures"), "leave one of them out"),
        ((), "say which rows"),
        (("--source", "guessed"), "is not a source"),
        (("--since", "soon"), "is not a time"),
    ],
)
def test_removal_that_is_asked_for_wrongly_removes_nothing(
    hwprof: Cli, filled: Path, options: tuple[str, ...], says: str
) -> None:
    with Table.open(filled) as table:
        table.add(replace(example_measurement(50), id="abcd1"))
        table.add_failure(replace(example_failure(51), id="abce2"))
    done = hwprof("lut", "rm", *options, "--yes")
    assert says in done.error
    assert done.code == 2
    assert kept() == 22


def test_removal_by_options_is_what_show_lists(hwprof: Cli, filled: Path) -> None:
    for options in (
        ("--tag", "nightly"),
        ("--failures",),
        ("--model", "resnet50", "--device", "cpu"),
        ("--before", "2026-11-30T12:00"),
        ("--model", "*"),
    ):
        everything = {row["id"] for row in hwprof("lut", "show", "--json").json}
        listed = {row["id"] for row in hwprof("lut", "show", *options, "--json").json}
        would = hwprof("lut", "rm", *options, "--dry-run")
        assert would.code == 0
        assert {line.split("\t")[0] for line in would.out.splitlines()[1:]} == listed
        assert f"{len(listed)} row" in would.err
        assert kept() == len(everything)
        assert hwprof("lut", "rm", *options, "--yes").code == 0
        left = {row["id"] for row in hwprof("lut", "show", "--json").json}
        assert left == everything - listed
        assert listed
    assert kept() == 0


def test_without_a_terminal_a_yes_is_needed(hwprof: Cli, filled: Path) -> None:
    done = hwprof("lut", "rm", "--failures")
    assert "give --yes" in done.error
    assert done.code == 2
    assert kept() == 20


@pytest.mark.parametrize("answer", [True, False])
def test_a_terminal_is_asked(
    hwprof: Cli, filled: Path, monkeypatch: pytest.MonkeyPatch, answer: bool
) -> None:
    on_terminal(monkeypatch)
    asked = []

    def confirm(text: str, **options: object) -> bool:
        asked.append(text)
        return answer

    monkeypatch.setattr(sys.stdin, "isatty", lambda: True, raising=False)
    monkeypatch.setattr(typer, "confirm", confirm)
    done = hwprof("lut", "rm", "--failures")
    assert asked == ["Remove 4 rows from hwprof.db?"]
    lines = CODES.sub("", done.out).splitlines()
    assert all(cell_len(line) <= 80 for line in lines)
    assert len(lines) == 1 + 4 + 1
    assert lines[-1] == ("removed 4 rows from hwprof.db" if answer else "nothing was removed")
    assert (done.code, kept()) == ((0, 16) if answer else (1, 20))


def test_what_is_written_meanwhile_stays(
    hwprof: Cli, filled: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only what was listed goes, whatever comes in while the question stands."""
    later = replace(example_failure(60), id="later")

    def confirm(text: str, **options: object) -> bool:
        with Table.open("hwprof.db") as table:
            table.add_failure(later)
        return True

    monkeypatch.setattr(sys.stdin, "isatty", lambda: True, raising=False)
    monkeypatch.setattr(typer, "confirm", confirm)
    assert hwprof("lut", "rm", "--failures").code == 0
    with Table.open("hwprof.db") as table:
        assert list(table.failures()) == [later]
        assert isinstance(later, Failure)
