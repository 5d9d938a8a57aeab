"""Temporary folders end with their owner, or with the next run after it."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from hwprof import scratch
from hwprof.errors import MeasurementError
from hwprof.scratch import FRESH_S, ScratchFolder, clear_leftovers, scratch_folder

# More than any number that Linux gives to a process.
NOBODY = 999_999_999


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "tmp"
    folder.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(folder))
    monkeypatch.delenv(scratch.VARIABLE, raising=False)
    return folder


def left_by(process: int, place: Path, name: str = "abcdefgh", age_s: float = 0.0) -> Path:
    folder = place / f"hwprof-{process}-{name}"
    folder.mkdir()
    (folder / "weights").write_bytes(b"x" * 1000)
    then = time.time() - age_s
    os.utime(folder, (then, then))
    return folder


def test_a_folder_lives_as_long_as_it_is_wanted(place: Path) -> None:
    with scratch_folder() as name:
        assert Path(name).parent == place
        Path(name, "a").write_text("a")
        assert clear_leftovers(str(place)) == ()
    assert list(place.iterdir()) == []
    folder = scratch_folder()
    folder.cleanup()
    folder.cleanup()
    assert list(place.iterdir()) == []


def test_what_a_killed_process_leaves_goes_with_the_next_run(place: Path) -> None:
    script = (
        "import os, signal\n"
        "from hwprof.scratch import scratch_folder\n"
        "folder = scratch_folder()\n"
        "open(folder.name + '/weights', 'w').close()\n"
        "print(folder.name, flush=True)\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    environment = {**os.environ, "TMPDIR": str(place)}
    done = subprocess.run(
        [sys.executable, "-c", script], env=environment, capture_output=True, text=True
    )
    left = Path(done.stdout.strip())
    assert left.parent == place
    assert left.exists()
    scratch._clear_once.cache_clear()
    with scratch_folder() as name:
        assert [str(path) for path in place.iterdir()] == [name]


def test_a_lock_tells_an_owner_whatever_its_number(place: Path) -> None:
    # As from another container, where this number is somebody's.
    held = left_by(NOBODY, place, age_s=2 * FRESH_S)
    lock = scratch._lock(str(held))
    assert lock is not None
    assert clear_leftovers(str(place)) == ()
    os.close(lock)
    assert clear_leftovers(str(place)) == (held.name,)


def test_a_number_that_was_given_again_does_not_keep_a_folder(place: Path) -> None:
    # Not locked yet: its owner made it this moment.
    fresh = left_by(os.getpid(), place, "fresh000")
    old = left_by(os.getpid(), place, "old00000", age_s=2 * FRESH_S)
    assert clear_leftovers(str(place)) == (old.name,)
    assert fresh.exists()


def test_nothing_else_is_removed_and_no_link_is_followed(place: Path, tmp_path: Path) -> None:
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "thesis").write_text("years of work")
    (place / f"hwprof-{NOBODY}-linklink").symlink_to(mine)
    inside = left_by(NOBODY, place)
    (inside / "away").symlink_to(mine)
    others = ["hwprof-abcdefgh", f"hwprof-{NOBODY}", f"hwprof-{NOBODY}-a.b", "hwprof--abcdefgh"]
    for name in others:
        (place / name).mkdir()
    (place / f"hwprof-{NOBODY}-file0000").write_text("a file")
    assert clear_leftovers(str(place)) == (inside.name,)
    assert (mine / "thesis").read_text() == "years of work"
    assert len(list(place.iterdir())) == len(others) + 2


def test_folders_of_others_are_left_alone(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    left = left_by(NOBODY, place)
    monkeypatch.setattr(os, "getuid", lambda: left.stat().st_uid + 1)
    assert clear_leftovers(str(place)) == ()
    assert left.exists()


def test_a_worker_uses_the_folder_that_it_was_given_and_clears_nothing(
    place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    left = left_by(NOBODY, place)
    monkeypatch.setenv(scratch.VARIABLE, str(tmp_path))
    scratch._clear_once.cache_clear()
    with scratch_folder() as name:
        assert Path(name).parent == tmp_path
    assert left.exists()


def test_no_room_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(MeasurementError, match="name another place with TMPDIR"):
        ScratchFolder(str(tmp_path / "away"))
    assert clear_leftovers(str(tmp_path / "away")) == ()
