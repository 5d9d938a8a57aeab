"""TERM and HUP end a campaign as Ctrl-C does, whenever they come; nothing is left behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import onnx
import psutil
import pytest

from hwprof.cli import endings
from tests.cli.test_endings import _count, command, names
from tests.small_models import mlp_proto

# A precision out of reach makes every model use its budget: there is time to interrupt.
SLOW = ("--precision", "0.00001", "--budget", "3", "--no-per-op", "--restarts", "1")


@pytest.fixture
def models(tmp_path: Path) -> list[Path]:
    paths = [tmp_path / f"mlp{width}.onnx" for width in (8, 9, 10)]
    for path in paths:
        onnx.save(mlp_proto(width=int(path.stem[3:])), str(path))
    return paths


@pytest.fixture
def place(tmp_path: Path) -> Path:
    folder = tmp_path / "tmp"
    folder.mkdir()
    return folder


Ended = Callable[..., tuple[int, str]]


@pytest.fixture
def ended(models: list[Path], tmp_path: Path, place: Path) -> Ended:
    """Ends a campaign by signals once its first result is saved: its code and what it said."""
    table = tmp_path / "t.db"

    def end(*numbers: int) -> tuple[int, str]:
        process = subprocess.Popen(
            command(models, table, *SLOW),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "TMPDIR": str(place)},
            start_new_session=True,
            preexec_fn=lambda: [
                signal.signal(number, signal.SIG_DFL) for number in (signal.SIGINT, signal.SIGHUP)
            ],
        )
        while process.poll() is None and not (table.exists() and _count(table)):
            with suppress(subprocess.TimeoutExpired):
                process.wait(0.05)
        workers = psutil.Process(process.pid).children(recursive=True)
        for number in numbers:
            process.send_signal(number)
        _, said = process.communicate(timeout=120)
        psutil.wait_procs(workers, timeout=30)
        assert not any(w.is_running() and w.status() != psutil.STATUS_ZOMBIE for w in workers)
        assert names(table)
        return process.returncode, said.strip()

    return end


@pytest.mark.parametrize(
    ("numbers", "code", "says"),
    [
        ((signal.SIGTERM,), 143, "ended by SIGTERM"),
        ((signal.SIGHUP,), 129, "ended by SIGHUP"),
        ((signal.SIGINT, signal.SIGINT), 130, "interrupted"),
        ((signal.SIGTERM, signal.SIGTERM), 143, "ended by SIGTERM"),
    ],
)
def test_every_end_is_one_sentence_and_leaves_nothing(
    ended: Ended, place: Path, numbers: tuple[int, ...], code: int, says: str
) -> None:
    assert ended(*numbers) == (code, f"error: {says}; what was measured before is saved")
    assert list(place.glob("hwprof-*")) == []


def test_what_kill_leaves_behind_goes_with_the_next_run(
    ended: Ended, place: Path, models: list[Path], tmp_path: Path
) -> None:
    assert ended(signal.SIGKILL) == (-signal.SIGKILL, "")
    quick = ("--precision", "0.3", "--budget", "0.2", "--no-per-op", "--restarts", "1")
    subprocess.run(
        command(models[:1], tmp_path / "t.db", *quick),
        env={**os.environ, "TMPDIR": str(place)},
        check=True,
        stdout=subprocess.DEVNULL,
    )
    assert list(place.glob("hwprof-*")) == []


def interrupted_at_import(module: str, number: str) -> subprocess.CompletedProcess[str]:
    """The program, to which a signal comes while it imports `module`."""
    script = (
        "import os, signal, sys\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "signal.signal(signal.SIGHUP, signal.SIG_DFL)\n"
        "class Coming:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        f"        if name == {module!r}:\n"
        f"            os.kill(os.getpid(), signal.{number})\n"
        "sys.meta_path.insert(0, Coming())\n"
        "sys.argv = ['hwprof', 'measure', 'a.onnx']\n"
        "from hwprof.cli import main\n"
        "main()\n"
    )
    return subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)


@pytest.mark.parametrize("module", ["typer", "hwprof.cli.measure", "numpy", "hwprof.profiler.plan"])
@pytest.mark.parametrize(("number", "code"), [("SIGINT", 130), ("SIGTERM", 143)])
def test_a_signal_while_importing_is_no_traceback(
    module: str, number: str, code: int, tmp_path: Path
) -> None:
    done = interrupted_at_import(module, number)
    assert done.returncode == code
    assert done.stdout == ""
    assert done.stderr.strip().endswith("; what was measured before is saved")
    assert len(done.stderr.strip().splitlines()) == 1


def test_what_somebody_decided_about_a_signal_stays() -> None:
    before = {n: signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    try:
        signal.signal(signal.SIGHUP, signal.SIG_IGN)  # as nohup does
        endings.listen()
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
        assert signal.getsignal(signal.SIGTERM) is endings._hear
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def test_only_who_insists_ends_the_cleaning_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(endings, "_heard", [])
    monkeypatch.setattr(endings, "_over", [])
    ends: list[int] = []
    monkeypatch.setattr(os, "_exit", ends.append)
    with pytest.raises(KeyboardInterrupt):
        endings._hear(signal.SIGTERM, None)
    endings._hear(signal.SIGINT, None)
    assert ends == []
    endings._hear(signal.SIGINT, None)
    assert ends == [143]
    # All is done: the process ends by itself in a moment.
    monkeypatch.setattr(endings, "_heard", [])
    endings.finished()
    endings._hear(signal.SIGINT, None)
    assert ends == [143]
