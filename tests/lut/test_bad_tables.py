"""Files that are no table, tables that cannot be used, disks that fail."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from hwprof.errors import TableError
from hwprof.lut import Table, schema
from hwprof.lut.faults import explain
from hwprof.testing.stores import example_failure, example_measurement


def refused(path: Path, match: str, **options: Any) -> None:
    with pytest.raises(TableError, match=match) as caught:
        Table.open(path, **options)
    assert "\n" not in str(caught.value)
    assert ": " in str(caught.value), "the next action is missing"


@pytest.fixture
def filled(path: Path) -> Path:
    with Table.open(path) as table:
        for seed in range(40):
            table.add(example_measurement(seed))
    return path


@pytest.fixture
def mount(tmp_path: Path) -> Iterator[Callable[..., Path]]:
    """Mounts a small file system of its own; skips where that is not allowed."""
    folder = tmp_path / "mounted"
    folder.mkdir()
    mounted = False

    def run(options: str) -> Path:
        nonlocal mounted
        command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)]
        if shutil.which("mount") is None or subprocess.run(command, capture_output=True).returncode:
            pytest.skip("mounting a file system is not allowed here")
        mounted = True
        return folder

    yield run
    if mounted:
        subprocess.run(["umount", str(folder)], check=True)


def fill_up(table: Table) -> list[int]:
    """Add until the disk is full; the seeds of what was saved, one at least."""
    saved: list[int] = []
    message = "the disk was never full"
    for seed in range(5_000):
        try:
            table.add(example_measurement(seed))
        except TableError as error:
            message = str(error)
            break
        saved.append(seed)
    assert "free some disk space" in message
    assert saved
    return saved


def run_sql(path: Path, *statements: str) -> None:
    with closing(sqlite3.connect(path)) as connection, connection:
        for statement in statements:
            connection.execute(statement)


@pytest.mark.parametrize("readonly", [False, True])
def test_paths_that_cannot_hold_a_table(tmp_path: Path, readonly: bool) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "plain").write_text("x")
    refused(tmp_path, "is a folder", readonly=readonly)
    refused(tmp_path / "pipe", "not a regular file", readonly=readonly)
    refused(tmp_path / "plain" / "t.db", "does not exist|no table", readonly=readonly)
    refused(tmp_path / ("x" * 300), "cannot be used|no table", readonly=readonly)
    refused(tmp_path / "nul\0.db", "NUL", readonly=readonly)


def test_a_missing_table_is_made_only_where_it_may_be(tmp_path: Path) -> None:
    refused(tmp_path / "t.db", "there is no table", create=False)
    refused(tmp_path / "t.db", "there is no table", readonly=True)
    refused(tmp_path / "a" / "t.db", "the folder .* does not exist: create it first")
    assert list(tmp_path.iterdir()) == []


def test_an_empty_file_becomes_a_table_where_that_is_allowed(path: Path) -> None:
    path.touch()
    refused(path, "empty file", readonly=True)
    refused(path, "empty file", create=False)
    assert path.stat().st_size == 0
    with Table.open(path) as table:
        assert table.add(example_measurement(0))


@pytest.mark.parametrize("readonly", [False, True])
@pytest.mark.parametrize(
    "content",
    [b"record,n\n1,2\n", b"\x80\x04K\x01.", b"SQLite format 3\0" + bytes(200), b"x" * 9000],
)
def test_files_that_are_no_database(path: Path, content: bytes, readonly: bool) -> None:
    path.write_bytes(content)
    refused(path, "not an hwprof table|damaged", readonly=readonly)
    assert path.read_bytes() == content


@pytest.mark.parametrize("readonly", [False, True])
@pytest.mark.parametrize(
    "statements",
    [
        ["CREATE TABLE bookmarks (url TEXT)"],
        ["PRAGMA application_id = 7", "CREATE TABLE bookmarks (url TEXT)"],
        ["PRAGMA user_version = 1", "CREATE TABLE measurement (id TEXT)"],
    ],
)
def test_files_of_other_programs(path: Path, statements: list[str], readonly: bool) -> None:
    run_sql(path, *statements)
    before = path.read_bytes()
    refused(path, "of another program: name another file", readonly=readonly)
    assert path.read_bytes() == before


@pytest.mark.parametrize("readonly", [False, True])
def test_a_table_from_a_newer_hwprof(filled: Path, readonly: bool) -> None:
    run_sql(filled, "PRAGMA user_version = 9")
    refused(filled, "schema version 9 .* version 3: upgrade hwprof", readonly=readonly)


@pytest.mark.parametrize("share", [0.1, 0.5, 0.99])
def test_a_truncated_table(filled: Path, share: float) -> None:
    os.truncate(filled, int(filled.stat().st_size * share))
    with pytest.raises(TableError, match="damaged") as caught, Table.open(filled) as table:
        list(table.measurements())
    assert "restore it from a copy" in str(caught.value)


def test_damage_met_later(filled: Path) -> None:
    content = bytearray(filled.read_bytes())
    content[4096 * 20 :] = b"\xa5" * (len(content) - 4096 * 20)
    filled.write_bytes(content)
    with Table.open(filled) as table, pytest.raises(TableError, match="damaged"):
        list(table.measurements())


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE measurement SET document = '{'",
        "UPDATE measurement SET document = '[]'",
        "UPDATE measurement SET plan = '{\"a\": [1]}'",
        "UPDATE measurement SET plan = x'ff'",
        "UPDATE measurement SET run_id = CAST(x'ff' AS TEXT)",
        "UPDATE measurement SET subject_key = 'other'",
        "UPDATE measurement SET batch = 'many'",
        "UPDATE device SET spec = '{}'",
        "DELETE FROM device",
        "DELETE FROM restart",
        "DELETE FROM kernel",
        "UPDATE restart SET steady_n = steady_n + 1",
        "UPDATE restart SET steady_n = 'x'",
        "UPDATE restart SET steady_wall = x'00'",
        "UPDATE restart SET steady_loops = 0",
        "UPDATE restart SET stop = 'bored'",
        "UPDATE kernel_occurrence SET durations = 'text'",
        "UPDATE kernel_occurrence SET input_names = '[]'",
        "UPDATE profile SET runs = 999",
    ],
)
def test_content_that_makes_no_sense(filled: Path, statement: str) -> None:
    run_sql(filled, statement)
    with Table.open(filled) as table, pytest.raises(TableError, match="damaged"):
        list(table.measurements())


def test_a_part_that_is_missing(filled: Path) -> None:
    run_sql(filled, "DROP TABLE restart")
    for readonly in (False, True):
        refused(filled, "damaged .it lacks the table 'restart'", readonly=readonly)


def test_content_elsewhere_that_makes_no_sense(path: Path) -> None:
    measurement = example_measurement(0)
    with Table.open(path) as table:
        table.add(measurement)
        table.add_failure(example_failure(0))
        table.set_calibration(measurement.device, "node_cost_s", 1.0)
    run_sql(
        path,
        "UPDATE calibration SET legacy_notes = '[]'",
        "UPDATE failure SET reason = x'ff'",
        "UPDATE measurement SET plan = '[]', source = 'measured'",
    )
    key, fingerprint = measurement.subject.key, measurement.device.fingerprint
    with Table.open(path) as table:
        for read in (
            lambda: list(table.calibrations()),
            lambda: list(table.failures()),
            lambda: table.find(key, fingerprint, {}),
        ):
            with pytest.raises(TableError, match="damaged"):
                read()


def test_a_full_disk_keeps_what_was_saved(mount: Callable[..., Path]) -> None:
    path = mount("size=600k") / "t.db"
    with Table.open(path) as table:
        saved = fill_up(table)
        assert list(table.measurements()) == [example_measurement(s) for s in reversed(saved)]
    with Table.open(path, readonly=True) as table:
        assert list(table.measurements()) == [example_measurement(s) for s in reversed(saved)]


def test_a_disk_too_full_to_create_a_table(mount: Callable[..., Path]) -> None:
    refused(mount("size=8k") / "t.db", "free some disk space")


def test_a_full_database_keeps_what_was_saved(table: Table) -> None:
    table.add(example_measurement(0))
    database = table._store.connection
    pages = database.execute("PRAGMA page_count").fetchone()[0]
    database.execute(f"PRAGMA max_page_count = {pages}")
    fill_up(table)
    database.execute("PRAGMA max_page_count = 1000000")
    assert table.get(example_measurement(0).id) == example_measurement(0)
    assert table.add(example_measurement(9_999))


def test_a_table_on_read_only_media(mount: Callable[..., Path]) -> None:
    folder = mount("size=4m")
    path = folder / "t.db"
    with Table.open(path) as table:
        table.add(example_measurement(0))
    subprocess.run(["mount", "-o", "remount,ro", str(folder)], check=True)
    refused(path, "cannot be (written|opened) .*folder you may write to")
    refused(folder / "new.db", "cannot be (written|opened) .*folder you may write to")
    with Table.open(path, readonly=True) as table:
        assert list(table.measurements()) == [example_measurement(0)]
        with pytest.raises(TableError, match="open it for writing"):
            table.add(example_measurement(1))


def test_a_table_on_read_only_media_with_an_unfinished_wal(mount: Callable[..., Path]) -> None:
    folder = mount("size=4m")
    path, wal = folder / "t.db", folder / "t.db-wal"
    with Table.open(path) as table:
        table.add(example_measurement(0))
        # What a killed writer leaves behind.
        kept, kept_wal = path.read_bytes(), wal.read_bytes()
    path.write_bytes(kept)
    wal.write_bytes(kept_wal)
    subprocess.run(["mount", "-o", "remount,ro", str(folder)], check=True)
    refused(path, "t.db-wal .* copy both files", readonly=True)


def test_reading_changes_nothing(filled: Path) -> None:
    before = filled.read_bytes()
    with Table.open(filled, readonly=True) as table:
        assert table.readonly
        with pytest.raises(TableError, match="open for reading: open it for writing"):
            table.add_failure(example_failure(0))
        assert len(list(table.measurements())) == 40
    assert filled.read_bytes() == before


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (sqlite3.SQLITE_READONLY, "cannot be written here: name a file"),
        (sqlite3.SQLITE_READONLY_DIRECTORY, "cannot be written here: name a file"),
        (sqlite3.SQLITE_CANTOPEN, "name a file in a folder you may write to"),
        (sqlite3.SQLITE_BUSY_SNAPSHOT, "wait for it to finish"),
        (sqlite3.SQLITE_IOERR_FSYNC, "check the disk"),
        (sqlite3.SQLITE_CORRUPT_VTAB, "restore it from a copy"),
    ],
)
def test_every_sqlite_error_names_the_file_and_the_next_action(code: int, words: str) -> None:
    error = sqlite3.OperationalError("as SQLite says")
    error.sqlite_errorcode = code
    message = str(explain(error, Path("here.db")))
    assert "here.db" in message
    assert words in message


def test_an_old_table_is_lifted_step_by_step(filled: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now = schema.SCHEMA_VERSION
    monkeypatch.setattr(schema, "SCHEMA_VERSION", now + 2)
    steps = {
        now + 1: "ALTER TABLE failure ADD COLUMN retries INTEGER;",
        now + 2: "-- odd; comment\nUPDATE failure SET retries = 0;\nDROP INDEX failure_by_time;",
    }
    monkeypatch.setattr(schema, "MIGRATIONS", {**schema.MIGRATIONS, **steps})
    before = filled.read_bytes()
    # Whoever only reads has a copy lifted, and writes nothing.
    with Table.open(filled, readonly=True) as table:
        assert len(table.ids()) == 40
    assert filled.read_bytes() == before
    with Table.open(filled) as table:
        assert len(table.ids()) == 40
    with Table.open(filled, readonly=True) as table:
        assert len(table.ids()) == 40
    with closing(sqlite3.connect(filled)) as found:
        assert found.execute("PRAGMA user_version").fetchone() == (now + 2,)
        assert found.execute("SELECT retries FROM failure").fetchall() == []


def test_a_failing_migration_changes_nothing(filled: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now = schema.SCHEMA_VERSION
    monkeypatch.setattr(schema, "SCHEMA_VERSION", now + 1)
    script = "DROP TABLE failure;\nSELECT * FROM nowhere;"
    monkeypatch.setattr(schema, "MIGRATIONS", {**schema.MIGRATIONS, now + 1: script})
    refused(filled, "damaged")
    refused(filled, "damaged", readonly=True)
    monkeypatch.undo()
    with Table.open(filled) as table:
        assert table.counts()["failures"] == 0
