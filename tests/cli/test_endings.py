"""A campaign that is killed or interrupted keeps what it measured and can be resumed."""

from __future__ import annotations

import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest

from hwprof.codec import from_json
from hwprof.lut import Table

KILLS = 20
QUICK = ("--precision", "0.3", "--budget", "2", "--restarts", "1", "--no-per-op")


def command(models: list[Path], table: Path, *options: str) -> list[str]:
    """The shell command that measures `models`."""
    paths = [str(model) for model in models]
    return [sys.executable, "-m", "hwprof", "measure", *paths, "--lut", str(table), *options]


def names(table: Path) -> list[str]:
    with Table.open(table, readonly=True, create=False) as opened:
        return sorted(m.subject.name for m in opened.measurements())


@pytest.fixture
def nine(tmp_path: Path, mlp: Path) -> list[Path]:
    """Nine models of different content that take a moment each."""
    import onnx

    from tests.small_models import mlp_proto

    models = []
    for width in range(8, 17):
        path = tmp_path / f"mlp{width:02d}.onnx"
        onnx.save(mlp_proto(width=width), str(path))
        models.append(path)
    return models


def test_killed_at_random_moments_nothing_finished_is_lost(
    nine: list[Path], tmp_path: Path
) -> None:
    """kill -9, twenty times over one campaign that is resumed each time until it is complete."""
    table = tmp_path / "campaign.db"
    rng = random.Random(1)
    finished: set[str] = set()
    full_run_s = 9 * 0.5
    done = 0
    for _ in range(KILLS):
        if len(finished) == len(nine):
            # Complete before the last kill: start over in a new table.
            table = tmp_path / f"campaign{done}.db"
            finished = set()
        done += 1
        process = subprocess.Popen(
            command(nine, table, *QUICK, "--resume"),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            process.wait(rng.uniform(0.05, full_run_s / 2))
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            process.wait()
        if not table.exists():
            continue
        try:
            kept = names(table)
        except Exception as error:
            # Killed between creating the file and its schema: an empty file, which is a new table.
            assert table.stat().st_size == 0, error  # noqa: PT017
            continue
        assert len(kept) == len(set(kept)), "--resume measured something twice"
        assert finished <= set(kept), "a finished measurement is gone"
        finished = set(kept)
        connection = sqlite3.connect(table)
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        connection.close()
    last = subprocess.run(
        command(nine, table, *QUICK, "--resume", "--json"), capture_output=True, check=True
    )
    assert len(from_json(last.stdout, list)) == 9
    assert names(table) == sorted(model.stem for model in nine)


def test_ctrl_c_is_one_line_and_keeps_what_was_measured(nine: list[Path], tmp_path: Path) -> None:
    table = tmp_path / "interrupted.db"
    # A precision out of reach makes every model use its budget: there is time to interrupt.
    slow = ("--precision", "0.00001", "--budget", "1.5", "--no-per-op", "--json", "-q")
    process = subprocess.Popen(
        command(nine, table, *slow),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
        # A shell's background jobs start with SIGINT ignored, and Python then leaves it so.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        # Wait for the first saved result without holding the table.
        if table.exists() and table.stat().st_size and _count(table):
            break
    os.kill(process.pid, signal.SIGINT)
    out, err = process.communicate()
    assert process.returncode == 130
    assert err.decode().strip() == "error: interrupted; what was measured before is saved"
    printed = from_json(out, list)
    # A latency is saved as soon as it is known, before its row is whole and printed.
    assert len(printed) < 9
    assert len(names(table)) >= max(1, len(printed))


def _count(table: Path) -> int:
    try:
        connection = sqlite3.connect(f"file:{table}?mode=ro", uri=True)
        try:
            return int(connection.execute("SELECT count(*) FROM measurement").fetchone()[0])
        finally:
            connection.close()
    except sqlite3.Error:
        return 0  # being created


def test_two_processes_write_one_table_and_lose_nothing(nine: list[Path], tmp_path: Path) -> None:
    table = tmp_path / "shared.db"
    halves = [nine[:4], nine[4:]]
    running = [
        subprocess.Popen(command(half, table, *QUICK), stdout=subprocess.DEVNULL) for half in halves
    ]
    assert [process.wait() for process in running] == [0, 0]
    assert names(table) == sorted(model.stem for model in nine)


def test_a_reader_that_goes_away_is_not_an_error(nine: list[Path], tmp_path: Path) -> None:
    table = tmp_path / "piped.db"
    subprocess.run(command(nine[:1], table, *QUICK), check=True, stdout=subprocess.DEVNULL)
    shell = shutil.which("sh")
    assert shell is not None
    show = f"{sys.executable} -m hwprof lut show --lut {table} --json | head -c 1"
    done = subprocess.run([shell, "-c", show], capture_output=True, check=True)
    assert done.stderr == b""
