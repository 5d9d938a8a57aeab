"""How much is printed, on what kind of terminal, and in which characters."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest

from hwprof.cli import printing
from hwprof.cli.streams import ERRORS, in_ascii
from hwprof.lut import Table
from hwprof.profiler import compare as compare_module
from hwprof.profiler.compare import compare_stored
from hwprof.testing.examples import example_measurement
from tests.cli.conftest import Result

Cli = Callable[..., Result]
QUICK = ("--precision", "0.3", "--budget", "2", "--restarts", "1", "--no-per-op")


def test_quiet_is_one_line_per_result(hwprof: Cli, mlp: Path) -> None:
    missing = mlp.with_name("missing.onnx")
    done = hwprof("measure", mlp, missing, mlp, *QUICK, "-q")
    assert "there is no file" in done.error
    with Table.open("hwprof.db") as table:
        found = sorted(m.brief for m in table.measurements())
    assert sorted(done.out.splitlines()) == found
    assert len(found) == 2
    assert [r["model"] for r in hwprof("measure", mlp, *QUICK, "-q", "--json").json] == ["mlp"]


def test_a_quiet_comparison_is_one_line(hwprof: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    found = compare_stored(example_measurement(1), example_measurement(2))
    monkeypatch.setattr(compare_module, "compare", lambda *sides, **options: found)
    done = hwprof("compare", "a", "b", "--quiet")
    assert (done.code, done.err, done.out) == (4, "", f"{found.brief}\n")
    assert ": no ratio, unlike in " in done.out
    done = hwprof("compare", "a", "b", "--quiet", "--anyway")
    assert done.code == 0
    assert f"= {found.ratio:.3f} (" in done.out


def test_verbose_tells_every_phase_once(hwprof: Cli, mlp: Path) -> None:
    done = hwprof("measure", mlp, *QUICK, "--restarts", "2", "-v", "--json")
    assert done.code == 0
    assert len(done.json) == 1
    told = [line.partition(" s  ")[2] for line in done.err.splitlines()]
    assert told[0] == "mlp (1/1): opening 1/2"
    assert {f"mlp (1/1): steady state {n}/2" for n in (1, 2)} <= set(told)
    assert all(one != other for one, other in pairwise(told))
    assert not any("3/2" in line for line in told)


@pytest.mark.parametrize("command", ["measure", "compare"])
def test_quiet_and_verbose_contradict_each_other(hwprof: Cli, mlp: Path, command: str) -> None:
    done = hwprof(command, mlp, mlp, "-q", "-v")
    assert done.code == 2
    assert "--quiet and --verbose" in done.error


def test_the_device_of_a_format_is_told(
    hwprof: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from hwprof.profiler import sweep as sweep_module
    from hwprof.profiler.sweep import Sweep

    made = Sweep(iter(()), 0, ("torch-cpu",))  # type: ignore[arg-type]
    monkeypatch.setattr(sweep_module, "sweep", lambda *models, **options: made)
    files = ("a.pt2", "b.onnx", "c.pt2", "d.tflite")
    assert hwprof("measure", *files).err.splitlines() == [
        ".pt2 files are measured on torch-cpu, as --device names none",
        ".tflite files are measured on litert-cpu, as --device names none",
    ]
    for quiet in (("b.onnx",), (*files, "-q"), (*files, "--device", "cpu")):
        assert hwprof("measure", *quiet).err == ""


def test_a_runtime_that_is_missing_says_what_to_install(
    hwprof: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # What a worker without LiteRT finds.
    (tmp_path / "sitecustomize.py").write_text(
        "import importlib.util\n"
        "find = importlib.util.find_spec\n"
        "def find_spec(name, package=None):\n"
        "    return None if name == 'ai_edge_litert' else find(name, package)\n"
        "importlib.util.find_spec = find_spec\n"
    )
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join((str(tmp_path), *sys.path)))
    model = tmp_path / "net.tflite"
    model.write_bytes(b"no model")
    error = hwprof("measure", model).error
    assert "device 'litert-cpu' is unavailable" in error
    assert "install it with pip install" in error
    assert not Path("hwprof.db").exists()


class Terminal:
    """A stream as far as colours ask."""

    def __init__(self, is_one: bool) -> None:
        self.is_one = is_one

    def isatty(self) -> bool:
        return self.is_one


@pytest.mark.parametrize(
    ("variables", "terminal", "shown"),
    [
        ({}, True, True),
        ({}, False, False),
        ({"NO_COLOR": "1"}, True, False),
        ({"NO_COLOR": ""}, True, True),
        ({"TERM": "dumb"}, True, False),
        ({"TERM": "xterm-256color"}, True, True),
        ({"FORCE_COLOR": "1"}, False, True),
        ({"FORCE_COLOR": "1", "TERM": "dumb"}, True, True),
        ({"FORCE_COLOR": "0"}, True, False),
        ({"FORCE_COLOR": ""}, True, True),
        ({"FORCE_COLOR": "1", "NO_COLOR": "1"}, True, False),
    ],
)
def test_colours(
    variables: dict[str, str], terminal: bool, shown: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    environment(monkeypatch, variables)
    assert printing.coloured(Terminal(terminal)) is shown  # type: ignore[arg-type]


def environment(monkeypatch: pytest.MonkeyPatch, variables: dict[str, str]) -> None:
    for name in ("NO_COLOR", "FORCE_COLOR", "TERM"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)


def test_every_command_heeds_them(hwprof: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    m = example_measurement(0)
    with Table.open("hwprof.db") as table:
        table.add(m)
    commands = (("doctor",), ("lut", "show", m.id))
    for command in commands:
        environment(monkeypatch, {"FORCE_COLOR": "1"})
        assert "\x1b[" in hwprof(*command).out
        environment(monkeypatch, {"FORCE_COLOR": "1", "NO_COLOR": "1"})
        assert "\x1b" not in hwprof(*command).out
        environment(monkeypatch, {})
        assert "\x1b" not in hwprof(*command).out


def test_a_finding_is_coloured_and_its_text_is_not_obeyed(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    environment(monkeypatch, {"FORCE_COLOR": "1"})
    printing.say_marked("warn", "yellow", "the governor is \x1b[2J")
    assert capsys.readouterr().out == "\x1b[33mwarn\x1b[0m the governor is \\x1b[2J\n"
    printing.say_marked("absent", None, "x")
    assert capsys.readouterr().out == "absent x\n"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("3.1 ms \u00b1 2.0%", "3.1 ms +- 2.0%"),
        ("\u00b5s \u03bcs 2\u00d73 a\u2026", "us us 2x3 a..."),
        ("\u2502 \u2500\u2501\u250c\u2518", "| --++"),
        ("na\u00efve", "na\\xefve"),
        ("\u5bc6", "\\u5bc6"),
        ("caf\udce9.onnx", "caf\\xe9.onnx"),
        ("\U0001f680", "\\U0001f680"),
        ("\ud800", "\\ud800"),
        ("plain", "plain"),
    ],
)
def test_what_ascii_lacks(text: str, shown: str) -> None:
    from hwprof.cli.streams import register

    register()
    assert in_ascii(text) == shown
    assert text.encode("ascii", ERRORS) == shown.encode("ascii")
    # What an encoding has is left as it is.
    assert "\u00b1 \udce9".encode("latin-1", ERRORS) == b"\xb1 \\xe9"
