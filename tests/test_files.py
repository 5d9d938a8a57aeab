"""A file is written whole or left as it was, and a killed writer's draft does not stay."""

from __future__ import annotations

import errno
import fcntl
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from hwprof.errors import OptionError, TableError
from hwprof.files import (
    STALE_S,
    Kind,
    is_csv,
    is_json,
    is_parquet,
    is_safetensors,
    is_unknown,
    replacing,
    whole_file,
)

DYING = """
import os, signal, sys
from pathlib import Path
from hwprof.files import whole_file
with whole_file(Path(sys.argv[1])) as stream:
    stream.write(b"half")
    stream.flush()
    os.kill(os.getpid(), signal.SIGKILL)
"""


def put(target: Path, content: bytes) -> None:
    with whole_file(target) as stream:
        stream.write(content)


def age(file: Path) -> None:
    then = time.time() - 2 * STALE_S
    os.utime(file, (then, then))


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_file_is_there_once_it_is_whole(tmp_path: Path) -> None:
    target = tmp_path / "file"
    with whole_file(target) as stream:
        stream.write(b"whole")
        assert not target.exists()
    assert target.read_bytes() == b"whole"
    assert names(tmp_path) == ["file"]


@pytest.mark.parametrize("fault", [KeyboardInterrupt(), ValueError("bad"), SystemExit(1)])
def test_whatever_ends_the_writing_leaves_the_old_file(
    tmp_path: Path, fault: BaseException
) -> None:
    target = tmp_path / "file"
    target.write_bytes(b"old")

    def interrupted() -> None:
        with whole_file(target) as stream:
            stream.write(b"new")
            raise fault

    with pytest.raises(type(fault)):
        interrupted()
    assert target.read_bytes() == b"old"
    assert names(tmp_path) == ["file"]


@pytest.mark.parametrize("call", ["fsync", "open", "rename"])
def test_a_full_disk_is_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    target = tmp_path / "file"
    target.write_bytes(b"old")

    def full(*arguments: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    place = {"fsync": "os.fsync", "open": "pathlib.Path.open", "rename": "pathlib.Path.replace"}
    with monkeypatch.context() as patch:
        patch.setattr(place[call], full)
        with (
            pytest.raises(OptionError, match=r"No space left on device\): check") as caught,
            whole_file(target, OptionError) as stream,
        ):
            stream.write(b"new")
    assert "\n" not in str(caught.value)
    assert target.read_bytes() == b"old"
    assert names(tmp_path) == ["file"]


def test_targets_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "plain").touch()
    for target, says in (
        (tmp_path, "is a folder: name a file"),
        (tmp_path / "missing" / "file", "cannot be written .*: check its folder"),
        (tmp_path / "plain" / "file", "cannot be written .*: check its folder"),
        (tmp_path / ("x" * 300), "cannot be written"),
        (tmp_path / "n\0", "NUL"),
    ):
        with pytest.raises(TableError, match=says):
            put(target, b"new")
    assert names(tmp_path) == ["plain"]
    with pytest.raises(IsADirectoryError), replacing(tmp_path):
        pass


def test_links_devices_and_permissions_stay(tmp_path: Path) -> None:
    file, link = tmp_path / "file", tmp_path / "link"
    file.touch(mode=0o640)
    file.chmod(0o640)
    link.symlink_to(file)
    put(link, b"new")
    assert link.is_symlink()
    assert file.read_bytes() == b"new"
    assert file.stat().st_mode & 0o777 == 0o640
    put(Path("/dev/null"), b"new")
    assert not Path("/dev/null").is_file()


def test_a_link_to_nothing_makes_what_it_points_to(tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to(tmp_path / "file")
    put(link, b"new")
    assert link.is_symlink()
    assert (tmp_path / "file").read_bytes() == b"new"


def test_the_draft_of_a_killed_writer_goes_with_a_later_write(tmp_path: Path) -> None:
    target = tmp_path / "file"
    target.write_bytes(b"old")
    done = subprocess.run([sys.executable, "-c", DYING, str(target)], check=False)
    assert done.returncode == -signal.SIGKILL
    assert target.read_bytes() == b"old"
    (draft,) = tmp_path.glob(".hwprof-*.tmp")
    # It may be of a process that is only slow to take its lock.
    put(target, b"new")
    assert draft.exists()
    age(draft)
    put(target, b"newer")
    assert names(tmp_path) == ["file"]
    assert target.read_bytes() == b"newer"


def test_a_draft_that_is_held_stays_however_old(tmp_path: Path) -> None:
    with whole_file(tmp_path / "slow") as stream:
        stream.write(b"slow")
        stream.flush()
        (draft,) = tmp_path.glob(".hwprof-*.tmp")
        age(draft)
        put(tmp_path / "quick", b"quick")
        assert draft.exists()
    assert names(tmp_path) == ["quick", "slow"]


def test_only_drafts_are_removed(tmp_path: Path) -> None:
    kept = [tmp_path / name for name in ("hwprof-1.tmp", ".hwprof-1", ".other-1.tmp")]
    for file in kept:
        file.touch()
        age(file)
    os.mkfifo(tmp_path / ".hwprof-1.tmp")
    (tmp_path / ".hwprof-2.tmp").mkdir()
    (tmp_path / ".hwprof-3.tmp").symlink_to(kept[0])
    for odd in (tmp_path / ".hwprof-1.tmp", tmp_path / ".hwprof-2.tmp"):
        age(odd)
    before = names(tmp_path)
    put(tmp_path / "file", b"new")
    assert names(tmp_path) == sorted([*before, "file"])


def test_file_systems_without_locks_lose_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unsupported(descriptor: int, operation: int) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", unsupported)
    draft = tmp_path / ".hwprof-1.tmp"
    draft.touch()
    age(draft)
    put(tmp_path / "file", b"new")
    assert names(tmp_path) == [draft.name, "file"]


TABLE = b"SQLite format 3\0" + bytes(100)
PREDICTOR = (30).to_bytes(8, "little") + b'{"__metadata__":{}}'


@pytest.mark.parametrize("ending", ["-wal", "-shm", "-journal"])
def test_what_sqlite_keeps_beside_a_table_is_left_alone(tmp_path: Path, ending: str) -> None:
    (tmp_path / "t.db").write_bytes(TABLE)
    target = tmp_path / f"t.db{ending}"
    with pytest.raises(TableError, match=r"is a part of the table t\.db: name another file"):
        put(target, b"new")
    assert names(tmp_path) == ["t.db"]
    put(tmp_path / f"other{ending}", b"no table is there")


def test_a_table_is_never_replaced(tmp_path: Path) -> None:
    (tmp_path / "t.db").write_bytes(TABLE)
    (tmp_path / "link").symlink_to("t.db")
    for target in (tmp_path / "t.db", tmp_path / "link"):
        with pytest.raises(TableError, match="is a table and was left alone: name another file"):
            put(target, b"new")
    assert (tmp_path / "t.db").read_bytes() == TABLE


@pytest.mark.parametrize(
    ("kind", "own"),
    [
        (is_safetensors, PREDICTOR),
        (is_parquet, b"PAR1" + bytes(9)),
        (is_json, b'\xef\xbb\xbf \n{"format":1}\n'),
        (is_csv, b"a,b\r\n1,2\r\n"),
        (is_csv, b"a;b\n"),
        (is_unknown, b"\x08\x08\x12\x04onnx"),
    ],
)
def test_a_file_is_replaced_by_its_own_kind(tmp_path: Path, kind: Kind, own: bytes) -> None:
    target = tmp_path / "file"
    for there in (b"", own):
        target.write_bytes(there)
        with whole_file(target, replaces=kind) as stream:
            stream.write(b"new")
        assert target.read_bytes() == b"new"
    for other in (TABLE, PREDICTOR, b"PAR1\0", b'{"a": 1}', b"PK\x03\x04\0"):
        if kind(other):
            continue
        target.write_bytes(other)
        with (
            pytest.raises(TableError, match="was left alone: name another file"),
            whole_file(target, replaces=kind) as stream,
        ):
            stream.write(b"new")
        assert target.read_bytes() == other
    assert names(tmp_path) == ["file"]


def test_a_draft_is_not_written_through_a_link(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its name cannot be guessed, and where it could, a link of that name would not be followed."""
    victim = tmp_path / "victim"
    victim.write_bytes(b"precious")
    monkeypatch.setattr("hwprof.files.secrets.token_hex", lambda size: "known")
    (tmp_path / ".hwprof-known.tmp").symlink_to(victim)
    with pytest.raises(TableError, match="cannot be written"):
        put(tmp_path / "file", b"new")
    assert victim.read_bytes() == b"precious"
