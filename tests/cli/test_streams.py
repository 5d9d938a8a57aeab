"""Standard streams that are full, closed, or know ASCII alone, in processes of their own."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from pathlib import Path

import pytest

from hwprof.cli.streams import Guard, sentence
from hwprof.lut import Table
from hwprof.testing.examples import example_measurement

ROOT = Path(__file__).parents[2]
QUICK = ("--precision", "0.3", "--budget", "0.5", "--restarts", "1", "--no-per-op")
FULL = "error: standard output cannot be written (No space left on device)"


@pytest.fixture
def table(tmp_path: Path) -> Path:
    """One with names and figures that are not ASCII."""
    path = tmp_path / "t.db"
    with Table.open(path) as opened:
        for seed in range(6):
            opened.add(example_measurement(seed))
    return path


def hwprof(
    *arguments: object,
    redirect: str = "",
    folder: Path | None = None,
    **variables: str,
) -> subprocess.CompletedProcess[bytes]:
    """Run the command line by a shell, which redirects."""
    words = [os.fsencode(a) if isinstance(a, Path) else str(a).encode() for a in arguments]
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("LC_")},
        "PYTHONPATH": str(ROOT),
        **variables,
    }
    script = f'exec "$0" -m hwprof "$@" {redirect}'
    command = [b"sh", b"-c", script.encode(), sys.executable.encode(), *words]
    return subprocess.run(command, capture_output=True, env=environment, cwd=folder)


@pytest.mark.parametrize(
    "arguments",
    [
        ("--help",),
        ("lut", "show", "--lut", "t.db"),
        ("lut", "show", "--json", "--lut", "t.db"),
        ("lut", "export", "-o", "-", "--format", "csv", "--lut", "t.db"),
        ("example",),
        ("doctor",),
    ],
    ids=" ".join,
)
def test_a_full_disk_is_one_sentence(
    arguments: tuple[str, ...], table: Path, tmp_path: Path
) -> None:
    done = hwprof(*arguments, redirect="> /dev/full", folder=tmp_path)
    assert done.returncode == 1
    assert done.stderr.decode().splitlines() == [f"{FULL}; send it where there is room"]


@pytest.mark.parametrize("redirect", ["> /dev/full", ">&-", ">&- 2>&- <&-"])
def test_what_was_measured_is_saved_all_the_same(redirect: str, mlp: Path, tmp_path: Path) -> None:
    done = hwprof("measure", mlp, mlp, *QUICK, "-q", redirect=redirect, folder=tmp_path)
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == (0 if "2" in redirect else 1)
    assert b"Traceback" not in done.stderr
    with Table.open(tmp_path / "hwprof.db", create=False, readonly=True) as opened:
        assert opened.counts()["measurements"] == 2


def test_closed_streams(table: Path, tmp_path: Path) -> None:
    shown = ("lut", "show", "--lut", "t.db")
    closed = hwprof(*shown, redirect=">&-", folder=tmp_path)
    assert closed.returncode == 1
    assert closed.stderr.decode().startswith("error: standard output is closed; ")
    # Nothing goes to standard error, so nothing is missed.
    assert hwprof(*shown, redirect="2>&-", folder=tmp_path).returncode == 0


@pytest.mark.parametrize(
    "variables",
    [
        {"PYTHONIOENCODING": "ascii"},
        {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
    ],
    ids=["by variable", "by locale"],
)
def test_ascii_is_enough(variables: dict[str, str], table: Path, mlp: Path, tmp_path: Path) -> None:
    shown = hwprof("lut", "show", "--lut", "t.db", folder=tmp_path, **variables)
    assert (shown.returncode, shown.stderr) == (0, b"")
    text = shown.stdout.decode("ascii")
    assert "\\u5bc6\\u5ea6" in text
    copy = tmp_path / "caf\u00e9 \u00b5.onnx"
    copy.write_bytes(mlp.read_bytes())
    missing = tmp_path / "na\u00efve.onnx"
    measured = hwprof("measure", copy, missing, *QUICK, folder=tmp_path, **variables)
    assert measured.returncode == 2
    assert "+-" in measured.stdout.decode("ascii") or "no interval" in measured.stdout.decode()
    assert "caf\\xe9 u" in measured.stdout.decode("ascii")
    # On a busy machine there are lines of progress, too.
    assert "error: there is no file" in measured.stderr.decode("ascii")
    assert "Traceback" not in measured.stderr.decode("ascii")


def test_names_that_are_no_text_are_escaped(mlp: Path, tmp_path: Path) -> None:
    copy = Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.onnx"))
    copy.write_bytes(mlp.read_bytes())
    missing = copy.with_name(os.fsdecode(b"\xff\xfe.onnx"))
    done = hwprof("measure", copy, missing, *QUICK, "-q", folder=tmp_path)
    assert done.returncode == 2
    assert done.stdout.decode().startswith("caf\\xe9 on ")
    error = done.stderr.decode().splitlines()[0]
    assert "xff" in error or "udcff" in error
    assert "Traceback" not in done.stderr.decode()
    kept = hwprof("lut", "show", "--lut", "hwprof.db", folder=tmp_path)
    assert kept.returncode == 0
    assert "caf\\xe9" in kept.stdout.decode()


class Raw(io.RawIOBase):
    """Takes so many writes, and then fails."""

    def __init__(self, room: int, error: OSError) -> None:
        self.room = room
        self.error = error
        self.taken: list[bytes] = []

    def writable(self) -> bool:
        return True

    def write(self, data: object, /) -> int:
        if len(self.taken) == self.room:
            raise self.error
        self.taken.append(bytes(data))  # type: ignore[call-overload]
        return len(self.taken[-1])


def test_a_stream_that_fails_is_remembered_and_raises_nothing() -> None:
    raw = Raw(1, OSError(28, "No space left on device"))
    guard = Guard(raw, pipes=True)
    stream = io.TextIOWrapper(io.BufferedWriter(guard), encoding="ascii")
    for text in ("one", "two", "three"):
        stream.write(text)
        stream.flush()
    assert raw.taken == [b"one"]
    assert guard.failure is raw.error
    assert "No space left" in sentence(guard.failure)
    raw.room = 2
    stream.write("four")
    stream.flush()
    assert raw.taken == [b"one"]


def test_a_reader_that_goes_away_is_told_apart() -> None:
    error = BrokenPipeError(32, "Broken pipe")
    guard = Guard(Raw(0, error), pipes=True)
    with pytest.raises(BrokenPipeError):
        guard.write(b"one")
    assert guard.failure is None
    # Of standard error nobody is told.
    guard = Guard(Raw(0, error))
    assert guard.write(b"one") == 3
    assert guard.failure is error


def test_a_closed_stream_fails_only_where_something_is_written() -> None:
    guard = Guard(None)
    assert not guard.isatty()
    assert not guard.seekable()
    assert guard.failure is None
    assert guard.write(b"x") == 1
    assert guard.failure is not None
    assert "is closed" in sentence(guard.failure)
    with pytest.raises(io.UnsupportedOperation):
        guard.fileno()
