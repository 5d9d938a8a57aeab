"""How far a command is: a bar on a terminal, lines in a pipe, and neither where nobody asks."""

from __future__ import annotations

import os
import pty
import re
import subprocess
import sys
from pathlib import Path

import pytest

from hwprof.cli import printing
from hwprof.cli.progress import Amount, Bar, Lines, TerminalBar
from hwprof.profiler.bench import Progress
from hwprof.profiler.campaign import Job
from hwprof.report.text import measurement_page
from hwprof.testing.clock import FakeClock
from hwprof.testing.examples import example_measurement
from tests.profiler.away import Away

CONTROL = re.compile(rb"\x1b\[[0-9;?]*[A-Za-z]")
QUICK = ("--no-per-op", "--restarts", "1", "--precision", "0.3", "--budget", "2")


def on_a_terminal(
    *arguments: object, folder: Path, mixed: bool = False, **variables: str
) -> tuple[int, bytes, bytes]:
    """Exit code, standard output, and what a terminal got: both streams where they are `mixed`."""
    terminal, line = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "hwprof", "measure", *map(str, arguments), *QUICK],
        stdout=line if mixed else subprocess.PIPE,
        stderr=line,
        cwd=folder,
        env={**os.environ, "TERM": "xterm", "COLUMNS": "120", **variables},
    )
    os.close(line)
    shown = b""
    while True:
        try:
            part = os.read(terminal, 4096)
        except OSError:  # the other end of a terminal is gone
            break
        if not part:
            break
        shown += part
    out, _ = process.communicate()
    os.close(terminal)
    return process.returncode, out or b"", shown


def test_a_terminal_shows_progress_and_standard_output_stays_clean(
    squeezenet: Path, tmp_path: Path
) -> None:
    code, out, shown = on_a_terminal(squeezenet, "--json", folder=tmp_path)
    assert code == 0
    assert b"light_squeezenet (1/1)" in shown
    assert out.startswith(b"[")
    assert b"\x1b" not in out


def test_results_and_errors_stand_on_lines_of_their_own(mlp: Path, tmp_path: Path) -> None:
    missing = tmp_path / "missing.onnx"
    code, _, shown = on_a_terminal(mlp, missing, mlp, folder=tmp_path, mixed=True, NO_COLOR="1")
    assert code == 2
    assert b"mlp (1/3)" in shown
    assert b"mlp (3/3)" in shown
    for words in (b"error: there is no file", b"mlp  x float32", b"Saved in"):
        before = CONTROL.sub(b"", shown.partition(words)[0])
        assert before[-1:] in (b"\n", b"\r"), before[-80:]
    # No colours; what moves the cursor is no colour.
    assert not re.search(rb"\x1b\[[0-9;]*m", shown)


def test_a_quiet_terminal_has_results_alone(mlp: Path, tmp_path: Path) -> None:
    code, _, shown = on_a_terminal(mlp, "-q", folder=tmp_path, mixed=True)
    assert code == 0
    assert shown.startswith(b"mlp on ")
    assert len(shown.splitlines()) == 1
    assert b"\x1b" not in shown


JOB = Job(Path("models/net.onnx"), Away(), device="cpu")


def at(phase: str, restart: int = 1, restarts: int = 3) -> Progress:
    return Progress(phase, restart, restarts, 0.5)


def test_a_pipe_gets_a_line_every_few_seconds(capsys: pytest.CaptureFixture[str]) -> None:
    clock = FakeClock(100.0)
    with Bar(3, clock=clock.now) as bar:
        for number in range(40):
            bar.tell(JOB, at("steady state", number // 20 + 1))
            clock.advance(0.5)
            if number == 20:
                bar.advance()
    out, err = capsys.readouterr()
    assert out == ""
    assert err.splitlines() == [
        "    5.0 s  net (1/3): steady state 1/3",
        "   10.0 s  net (1/3): steady state 2/3",
        "   15.0 s  net (2/3): steady state 2/3",
    ]


def test_quick_commands_and_quiet_ones_have_none(capsys: pytest.CaptureFixture[str]) -> None:
    clock = FakeClock()
    with Bar(1, clock=clock.now) as bar:
        bar.tell(JOB, at("opening"))
        clock.advance(4.9)
        bar.tell(JOB, at("steady state"))
    clock.advance(100)
    bar.tell(JOB, at("steady state"))
    with Bar(1, Amount.NONE, clock.now) as bar:
        clock.advance(100)
        bar.tell(JOB, at("steady state"))
    assert capsys.readouterr() == ("", "")


def test_every_phase_is_told_once(capsys: pytest.CaptureFixture[str]) -> None:
    clock = FakeClock()
    with Bar(1, Amount.EVERY_PHASE, clock.now) as bar:
        bar.several = True
        for phase in ("opening", "steady state", "steady state", "energy"):
            bar.tell(JOB, at(phase, 1, 1))
            clock.advance(1)
    assert capsys.readouterr().err.splitlines() == [
        "    0.0 s  net on cpu (1/1): opening",
        "    1.0 s  net on cpu (1/1): steady state",
        "    3.0 s  net on cpu (1/1): energy",
    ]


def test_a_dumb_terminal_has_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    for term, kind in (("dumb", Lines), ("xterm", TerminalBar)):
        monkeypatch.setenv("TERM", term)
        with Bar() as bar:
            assert type(bar._display) is kind


def test_the_screen_is_cleared_before_anything_is_printed(
    capsys: pytest.CaptureFixture[str],
) -> None:
    cleared: list[str] = []

    def clear() -> None:
        cleared.append(capsys.readouterr().out)

    printing.on_screen(clear)
    try:
        printing.say("one")
        printing.complain("two")
        printing.print_json({})
        printing.print_page(measurement_page(example_measurement(0)))
    finally:
        printing.off_screen(clear)
    assert len(cleared) >= 4
    assert cleared[0] == ""
    assert cleared[1] == "one\n"
    number = len(cleared)
    printing.say("three")
    assert len(cleared) == number


def test_names_are_not_obeyed(capsys: pytest.CaptureFixture[str]) -> None:
    clock = FakeClock()
    with Bar(1, Amount.EVERY_PHASE, clock.now) as bar:
        bar.tell(Job(Path("\x1b[2J\nx.onnx"), Away()), at("opening"))
    (line,) = capsys.readouterr().err.splitlines()
    assert "\x1b" not in line
