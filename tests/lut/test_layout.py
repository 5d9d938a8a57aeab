"""Files that hold more than a table: nothing in them runs, and nothing in them is read."""

from __future__ import annotations

import os
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from hwprof.errors import TableError
from hwprof.lut import Table, export, layout, schema, schema_1
from hwprof.lut.watch import Watch
from hwprof.testing.stores import example_failure, example_measurement
from tests.lut.test_bad_tables import refused, run_sql

STORED = Path(__file__).parents[1] / "stored"
ENDLESS = "WITH RECURSIVE r(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM r) SELECT x FROM r"


@pytest.fixture
def filled(path: Path) -> Path:
    with Table.open(path) as table:
        for seed in (0, 1, 3):
            table.add(example_measurement(seed))
        table.add_failure(example_failure(0))
    return path


@pytest.mark.parametrize("readonly", [False, True])
@pytest.mark.parametrize(
    ("statements", "named"),
    [
        (
            (
                "CREATE TRIGGER boom AFTER INSERT ON measurement BEGIN "
                "DELETE FROM restart; DELETE FROM measurement; END",
            ),
            "trigger 'boom'",
        ),
        (("DROP TABLE measurement", f"CREATE VIEW measurement AS {ENDLESS}"), "view 'measurement'"),
        ((f"CREATE VIEW more AS {ENDLESS}",), "view 'more'"),
        (("CREATE INDEX more ON failure (length(reason))",), "index 'more'"),
        (("CREATE TABLE more (x)",), "table 'more'"),
        (("CREATE VIRTUAL TABLE more USING fts5(x)",), "table 'more"),
        (
            ("ALTER TABLE device ADD COLUMN more TEXT GENERATED ALWAYS AS (upper(name)) VIRTUAL",),
            "the table 'device' is not as hwprof makes it",
        ),
        (
            (
                "DROP TABLE failure",
                "CREATE TABLE failure (id TEXT PRIMARY KEY, run_id TEXT NOT NULL, created_at TEXT "
                "NOT NULL, subject TEXT NOT NULL, device TEXT NOT NULL, "
                "reason TEXT NOT NULL DEFAULT (hex(zeroblob(9))))",
                "CREATE INDEX failure_by_time ON failure (created_at, id)",
            ),
            "the table 'failure' is not as hwprof makes it",
        ),
        (
            (
                "DROP TABLE failure",
                "CREATE TABLE failure (id TEXT PRIMARY KEY, run_id TEXT NOT NULL, created_at TEXT "
                "NOT NULL, subject TEXT NOT NULL, device TEXT NOT NULL, reason TEXT NOT NULL, "
                "CHECK (length(hex(zeroblob(100000000))) > 0))",
                "CREATE INDEX failure_by_time ON failure (created_at, id)",
            ),
            "the table 'failure' is not as hwprof makes it",
        ),
        (
            ("DROP INDEX failure_by_time", "CREATE INDEX failure_by_time ON failure (id)"),
            "the index 'failure_by_time' is not as hwprof makes it",
        ),
        (("ANALYZE",), "table 'sqlite_stat1'"),
        (
            (
                "PRAGMA writable_schema = ON",
                "UPDATE sqlite_master SET type = 'view' WHERE name = 'failure'",
            ),
            "damaged|the view 'failure'",
        ),
        (
            (
                "PRAGMA writable_schema = ON",
                "INSERT INTO sqlite_master VALUES ('index', 'sqlite_autoindex_failure_9', "
                "'failure', 0, 'CREATE TRIGGER boom AFTER INSERT ON failure BEGIN SELECT 1; END')",
            ),
            "damaged|sqlite_autoindex_failure_9",
        ),
    ],
)
def test_whatever_no_table_has_is_refused(
    filled: Path, statements: tuple[str, ...], named: str, readonly: bool
) -> None:
    run_sql(filled, *statements)
    before = filled.read_bytes()
    refused(filled, named, readonly=readonly)
    assert filled.read_bytes() == before


@pytest.mark.parametrize("folder", ["first", "second", "third", "fourth"])
@pytest.mark.parametrize("readonly", [False, True])
def test_old_tables_are_held_against_their_own_layout(
    tmp_path: Path, folder: str, readonly: bool
) -> None:
    path = tmp_path / "t.db"
    shutil.copy(STORED / folder / "table.db", path)
    Table.open(path, readonly=readonly).close()
    shutil.copy(STORED / folder / "table.db", path)
    run_sql(path, "CREATE TRIGGER boom AFTER UPDATE ON profile BEGIN SELECT 1; END")
    refused(path, "trigger 'boom'", readonly=readonly)


def test_a_new_table_and_a_lifted_one_have_one_layout() -> None:
    known = layout.of_version(schema.SCHEMA_VERSION)
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as made:
        schema.run(made, [schema.SCHEMA])
        layout.check(made, schema.SCHEMA_VERSION)
    assert {name for kind, name in known if kind == "table"} == {
        *("device", "measurement", "restart", "profile", "kernel", "kernel_occurrence"),
        *("failure", "calibration"),
    }
    assert layout.of_version(1) != known


@pytest.mark.parametrize(
    ("change", "same"),
    [
        (lambda sql: sql.replace("CREATE TABLE failure", 'CREATE TABLE "failure"'), True),
        (lambda sql: sql.replace("    reason     TEXT NOT NULL", "reason TEXT/**/NOT NULL"), True),
        (lambda sql: sql.replace("TEXT NOT NULL", "TEXT  -- more\n NOT NULL"), True),
        (lambda sql: sql.replace("reason     TEXT NOT NULL", "reason TEXT"), False),
        (lambda sql: sql.replace("reason     TEXT", "reason BLOB"), False),
        (lambda sql: sql.replace("TEXT PRIMARY KEY", "TEXT PRIMARY KEY COLLATE NOCASE"), False),
        (lambda sql: sql.replace("TEXT PRIMARY KEY", "TEXT UNIQUE PRIMARY KEY"), False),
        (lambda sql: sql.replace("reason     TEXT", "reason\u00a0TEXT"), False),
    ],
)
def test_only_blanks_and_comments_may_differ(change: object, same: bool) -> None:
    assert callable(change)
    changed = change(schema_1.SCHEMA)
    assert changed != schema_1.SCHEMA
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as made:
        schema.run(made, [changed])
        if same:
            layout.check(made, 1)
        else:
            with pytest.raises(layout.StrangeLayoutError):
                layout.check(made, 1)


@pytest.mark.parametrize("ending", ["-wal", "-shm", "-journal"])
@pytest.mark.parametrize("readonly", [False, True])
def test_what_lies_beside_a_table_is_not_followed(
    filled: Path, tmp_path: Path, ending: str, readonly: bool
) -> None:
    victim = tmp_path / "victim"
    victim.write_bytes(b"precious")
    beside = filled.with_name(filled.name + ending)
    beside.unlink(missing_ok=True)
    beside.symlink_to(victim)
    refused(filled, f"{ending} is not a regular file", readonly=readonly)
    beside.unlink()
    os.mkfifo(beside)
    refused(filled, f"{ending} is not a regular file", readonly=readonly)
    assert victim.read_bytes() == b"precious"


def test_a_journal_that_would_remove_another_file(filled: Path) -> None:
    journal = filled.with_name(filled.name + "-journal")
    journal.write_bytes(bytes(600) + bytes.fromhex("d9d505f920a163d7"))
    refused(filled, "names another file")
    assert journal.exists()


def test_an_error_that_quotes_what_is_not_utf8_is_damage(filled: Path) -> None:
    broken = b"CREATE TABLE kernel \xc5\xff ("
    with closing(sqlite3.connect(filled)) as connection:
        connection.execute("PRAGMA writable_schema = ON")
        connection.execute(
            "UPDATE sqlite_master SET sql = CAST(? AS TEXT) WHERE name = 'kernel'", (broken,)
        )
        connection.commit()
    for readonly in (False, True):
        with pytest.raises(TableError, match="damaged"):
            Table.open(filled, create=False, readonly=readonly)


def test_text_that_is_not_utf8_spoils_its_own_row(filled: Path) -> None:
    bad, failed = example_measurement(1).id, example_failure(0).id
    run_sql(
        filled,
        f"UPDATE measurement SET subject_name = CAST(x'ff41' AS TEXT) WHERE id = '{bad}'",
        f"UPDATE failure SET reason = CAST(x'ff41' AS TEXT) WHERE id = '{failed}'",
    )
    damaged: list[TableError] = []
    with Table.open(filled, readonly=True) as table:
        found = list(table.measurements(on_damage=damaged.append))
        assert list(table.failures(on_damage=damaged.append)) == []
        assert found == [example_measurement(3), example_measurement(0)]
        assert set(table.names()) == {m.subject.name for m in found}
        with pytest.raises(TableError, match=f"{bad} .*subject_name is not UTF-8"):
            list(table.measurements())
    assert len(damaged) == 2


def test_a_query_that_does_not_end_is_stopped(
    filled: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hwprof.lut.watch._FREE_STEPS", 1_000_000)
    with Table.open(filled, readonly=True) as table:
        with pytest.raises(TableError, match="damaged"):
            table._store.query(f"SELECT sum(x) FROM ({ENDLESS})")
        assert len(table.ids()) == 3


def test_more_than_a_file_can_hold_is_not_fetched(
    filled: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hwprof.lut.watch._FREE_BYTES", 1 << 20)
    with Table.open(filled, readonly=True) as table:
        with pytest.raises(TableError, match="more rows than its size allows"):
            table._store.query(f"SELECT hex(zeroblob(1000)) FROM ({ENDLESS})")
        assert len(list(table.measurements())) == 3


def test_an_interrupt_during_a_query_is_one(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Table.open(path) as table:

        def interrupted(watch: Watch) -> int:
            raise KeyboardInterrupt

        monkeypatch.setattr(Watch, "_look", interrupted)
        table._store._watch = Watch(table._store.connection, path)
        with pytest.raises(KeyboardInterrupt):
            table._store.query(f"SELECT sum(x) FROM ({ENDLESS})")


def test_a_received_table_cannot_be_imported_into(filled: Path, tmp_path: Path) -> None:
    with Table.open(tmp_path / "mine.db") as table:
        table.add(example_measurement(5))
        export(table, None, tmp_path / "mine.jsonl")
    run_sql(filled, "CREATE TRIGGER b AFTER INSERT ON measurement BEGIN DELETE FROM failure; END")
    refused(filled, "trigger 'b'")
    with closing(sqlite3.connect(filled)) as found:
        assert found.execute("SELECT count(*) FROM failure").fetchone() == (1,)
