"""2 for what the caller wrote, 1 for what failed, and a line that says which; never a traceback."""

from __future__ import annotations

import errno
import os
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path

import onnx
import pytest

from hwprof.cli.app import FAILED, USAGE
from hwprof.errors import (
    DeviceError,
    HwprofError,
    MeasurementError,
    ModelError,
    OptionError,
    TableError,
    WrongDevice,
    WrongModel,
    WrongTable,
    wrong,
)
from hwprof.lut import Table, export
from hwprof.targets.channel import _told
from hwprof.targets.protocol import Refusal
from hwprof.testing.examples import example_measurement
from tests.cli.conftest import Result
from tests.small_models import mlp_proto

Cli = Callable[..., Result]
LONG = "n" * 300
DIGITS = "9" * 5000
ADAPT = ("adapt", "--space", "nasbench201", "--measurements")


@pytest.fixture
def here(hwprof: Cli) -> Path:
    """The current folder, with a file of every kind, whole and broken, in it."""
    here = Path.cwd()
    onnx.save(mlp_proto(), "m.onnx")
    (here / "cut.onnx").write_bytes((here / "m.onnx").read_bytes()[:50])
    (here / "text.onnx").write_text("no model " * 50)
    (here / "model.xml").write_text("<net/>")
    (here / "folder").mkdir()
    (here / "empty").touch()
    with Table.open("two.db") as table:
        for seed in range(2):
            table.add(example_measurement(seed))
        for name in ("good.jsonl", "good.csv"):
            export(table, None, name)
    lines = (here / "good.jsonl").read_text().splitlines()
    (here / "cut.jsonl").write_text("\n".join(lines[:-1]))
    (here / "bad.jsonl").write_text("\n".join([lines[0], "{}", *lines[1:]]))
    (here / "foreign.csv").write_text("a,b\n1,2\n")
    with sqlite3.connect("foreign.db") as other:
        other.execute("CREATE TABLE friends (name TEXT)")
    other.close()
    shutil.copy("two.db", "newer.db")
    with sqlite3.connect("newer.db") as newer:
        newer.execute("PRAGMA user_version = 999")
    newer.close()
    (here / "text.db").write_text("no table " * 100)
    (here / "arch.csv").write_text("arch,latency_ms\nx,-1\n")
    # A length, a JSON object, and then nothing: a predictor's file that is cut off.
    (here / "cut.device").write_bytes((500).to_bytes(8, "little") + b'{"__metadata__": {')
    return here


@pytest.mark.parametrize(
    ("line", "code"),
    [
        # what typer refuses
        ("fly", USAGE),
        ("lut fly", USAGE),
        ("measure --no-such-option", USAGE),
        ("measure m.onnx --restarts many", USAGE),
        (f"measure m.onnx --restarts {DIGITS}", USAGE),
        ("lut show --limit 0", USAGE),
        ("lut export", USAGE),
        ("lut export -o x --format xlsx", USAGE),
        ("lut import", USAGE),
        ("compare m.onnx", USAGE),
        ("select", USAGE),
        ("adapt --space fbnet", USAGE),
        ("predict m.onnx", USAGE),
        # values that cannot be
        ("measure", USAGE),
        ("measure m.onnx --space nasbench201 --arch x", USAGE),
        ("measure --space nasbench201", USAGE),
        ("measure --space darts --arch x", USAGE),
        ("measure --space nasbench201 --arch x", USAGE),
        ("measure m.onnx --select 3", USAGE),
        ("measure m.onnx --precision 7", USAGE),
        ("measure m.onnx --budget nan", USAGE),
        ("measure m.onnx --percentile 12", USAGE),
        ("measure m.onnx --threads 1,1", USAGE),
        ("measure m.onnx --shape x=--4,8", USAGE),
        ("measure m.onnx --input x", USAGE),
        ("measure m.onnx --device npu", USAGE),
        ("measure m.onnx --device npu --device cpu", USAGE),
        ("measure m.onnx --device cpu:warp=9", USAGE),
        ("measure m.onnx --device cpu:opt=most", USAGE),
        ("measure m.onnx --device cpu --device cpu", USAGE),
        ("measure m.onnx --device tvm-cpu:database=~nobody-here/x", USAGE),
        (f"measure m.onnx --device tvm-cpu:database={LONG}", USAGE),
        ("compare cpu npu --model m.onnx", USAGE),
        ("compare m.onnx nothing", USAGE),
        ("lut show --since yesterday --lut two.db", USAGE),
        ("lut show --source dreamt --lut two.db", USAGE),
        ("lut show --kernels --lut two.db", USAGE),
        ("lut export -o x.xlsx --lut two.db", USAGE),
        ("select --space fbnet -k 0", USAGE),
        ("predict --predictor cut.device", USAGE),
        # files and rows that are not there, or of another kind
        ("lut show", USAGE),
        ("lut show --lut absent.db", USAGE),
        ("lut show --lut folder", USAGE),
        ("lut show --lut empty", USAGE),
        (f"lut show --lut {LONG}", USAGE),
        ("lut show --lut foreign.db", USAGE),
        ("lut show --lut text.db", USAGE),
        ("lut show ffff --lut two.db", USAGE),
        ("compare ffff eeee --lut two.db", USAGE),
        ("lut export -o absent/x.csv --lut two.db", USAGE),
        ("lut export -o folder --format csv --lut two.db", USAGE),
        (f"lut export -o {LONG}.csv --lut two.db", USAGE),
        ("lut export -o two.db --format csv --lut two.db", USAGE),
        ("lut import absent.csv", USAGE),
        ("lut import folder --format csv", USAGE),
        ("lut import foreign.csv", USAGE),
        ("lut import good.csv --format jsonl", USAGE),
        ("lut import good.jsonl --lut absent/x.db", USAGE),
        (f"lut import {LONG}.csv", USAGE),
        ("predict --all --predictor absent.device", USAGE),
        ("predict --all --predictor two.db", USAGE),
        (f"predict --all --predictor {LONG}", USAGE),
        (" ".join((*ADAPT, "absent.csv -o x")), USAGE),
        (" ".join((*ADAPT, "arch.csv -o x")), USAGE),
        (" ".join((*ADAPT, f"{LONG} -o x")), USAGE),
        ("example -o absent/x.onnx", USAGE),
        (f"example -o {LONG}", USAGE),
        (f"compare {LONG} {LONG}", USAGE),
        # what failed
        ("lut show --lut newer.db", FAILED),
        ("lut import cut.jsonl", FAILED),
        ("lut import bad.jsonl", FAILED),
        ("predict --all --predictor cut.device", FAILED),
        ("compare cut.onnx text.onnx", FAILED),
    ],
)
def test_the_code_tells_whose_turn_it_is(hwprof: Cli, here: Path, line: str, code: int) -> None:
    done = hwprof(*line.split())
    assert done.error
    assert (done.code, done.out) == (code, "")


@pytest.mark.parametrize(
    ("models", "code"),
    [
        (("m.onnx",), 0),
        (("absent.onnx",), USAGE),
        (("folder",), USAGE),
        ((f"{LONG}.onnx",), USAGE),
        (("model.xml",), USAGE),
        (("cut.onnx",), FAILED),
        (("m.onnx", "absent.onnx"), USAGE),
        (("absent.onnx", "cut.onnx"), FAILED),
    ],
)
def test_a_campaign_failed_where_more_than_a_name_was_wrong(
    hwprof: Cli, here: Path, models: tuple[str, ...], code: int
) -> None:
    quick = ("--precision", "0.5", "--budget", "0.2", "--restarts", "1", "--no-per-op")
    done = hwprof("measure", *models, *quick)
    assert done.code == code
    assert "Traceback" not in done.err
    assert done.err.count("error: ") == len([name for name in models if name != "m.onnx"])


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ("--shape x=4,9", "fixed at"),
        ("--meter sundial", "unknown energy meter"),
        ("--pin 4095", "cannot run on processors"),
    ],
)
def test_what_is_found_out_later_is_still_the_callers(
    hwprof: Cli, here: Path, options: str, says: str
) -> None:
    done = hwprof("measure", "m.onnx", *options.split())
    assert says in done.error
    assert done.code == USAGE


@pytest.mark.parametrize("kind", [WrongModel, WrongDevice, WrongTable, OptionError, ModelError])
def test_a_worker_says_whose_turn_it_is(kind: type[HwprofError]) -> None:
    told = _told(Refusal(kind.__name__, "name another file"))
    assert type(told) is kind
    assert str(told) == "name another file"


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EACCES, errno.EIO])
def test_a_disk_that_fails_is_no_usage(
    hwprof: Cli, here: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    def failing(*arguments: object, **options: object) -> object:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr("pathlib.Path.replace", failing)
    done = hwprof("lut", "export", "-o", "x.csv", "--lut", "two.db")
    assert "cannot be written" in done.error
    assert done.code == FAILED
    done = hwprof("example")
    assert "cannot be written" in done.error
    assert done.code == FAILED


def test_each_class_says_both_what_and_whose() -> None:
    for kind, both in (
        (ModelError, WrongModel),
        (DeviceError, WrongDevice),
        (TableError, WrongTable),
    ):
        assert wrong(kind) is both
        assert issubclass(both, kind)
        assert issubclass(both, OptionError)
    assert wrong(OptionError) is OptionError
    assert wrong(MeasurementError) is MeasurementError
