"""Rows by what names them: listed, found by a short id, tagged, removed."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hwprof.errors import OptionError, TableError
from hwprof.lut import Table
from hwprof.lut.filters import file_stem
from hwprof.lut.listing import SHORT, Entry
from hwprof.testing.examples import example_calibration, example_failure, example_measurement


def fill(table: Table, count: int = 12) -> None:
    for seed in range(count):
        table.add(example_measurement(seed))
        table.add_failure(example_failure(seed))


def test_entries_are_both_kinds_newest_first(table: Table) -> None:
    fill(table)
    found = table.listing.entries()
    assert found == sorted(found, key=lambda e: (e.created_at, e.id), reverse=True)
    assert [e.id for e in found if not e.failed] == table.ids()
    assert [e.id for e in found if e.failed] == [f.id for f in table.failures()]
    assert [table.listing.read(e) for e in found if e.failed] == list(table.failures())
    assert [table.listing.read(e) for e in found if not e.failed] == list(table.measurements())
    names = {m.id: (m.subject.name, m.device.slug) for m in table.measurements()}
    names |= {f.id: (f.subject, f.device) for f in table.failures()}
    assert {e.id: (e.model, e.device) for e in found} == names
    assert table.listing.entries(limit=5) == found[:5]
    assert table.listing.entries(failures_only=True) == [e for e in found if e.failed]


@pytest.mark.parametrize(
    "filters",
    [
        {"model": "resnet*"},
        {"device": "*-2t-*"},
        {"source": "imported"},
        {"source": "measured"},
        {"since": "2025-01-01T00:00:05"},
        {"before": "2025-01-01T00:00:05"},
        {"since": "2025-01-01T00:00:05", "before": "2025-01-01T00:00:05"},
        {"tag": "nightly"},
        {"tag": "before*"},
        {"run_id": example_measurement(0).run_id},
    ],
)
def test_entries_are_what_the_same_filters_give(table: Table, filters: dict[str, Any]) -> None:
    fill(table)
    found = table.listing.entries(**filters)
    assert [e.id for e in found if not e.failed] == [m.id for m in table.measurements(**filters)]
    assert [e.id for e in found if e.failed] == [f.id for f in table.failures(**filters)]


def test_since_and_before_part_all_rows(table: Table) -> None:
    fill(table)
    for moment in ("2025-01-01T00:00:05", "2025-01-01T00:00:05.5Z", "2025-01-01T01:00:05+01:00"):
        early, late = table.ids(before=moment), table.ids(since=moment)
        assert late + early == table.ids()
        assert early
        assert late


def test_tags_are_found_and_are_no_identity(table: Table) -> None:
    measurement = replace(example_measurement(3), source="measured")
    tagged = replace(measurement, id="b" * 32, tags=("nightly", "gpu box"))
    table.add(measurement)
    table.add(tagged)
    assert table.ids(tag="nightly") == [tagged.id]
    assert table.ids(tag="gpu*") == [tagged.id]
    assert table.ids(tag="night") == []
    assert table.listing.tags() == ["gpu box", "nightly"]
    assert tagged.subject.key == measurement.subject.key
    assert tagged.device.fingerprint == measurement.device.fingerprint
    found = table.find(measurement.subject.key, measurement.device.fingerprint, measurement.plan)
    assert found in (measurement, tagged)


def test_failures_have_the_tags_of_their_run_and_no_source(table: Table) -> None:
    measurement = example_measurement(1)
    failure = example_failure(1)
    table.add(replace(measurement, run_id="r", tags=("nightly",)))
    table.add_failure(replace(failure, run_id="r"))
    table.add_failure(replace(failure, id="other", run_id="s"))
    assert [f.run_id for f in table.failures(tag="nightly")] == ["r"]
    assert len(list(table.failures(source="measured"))) == 2
    assert list(table.failures(source="imported")) == []


def test_a_failed_file_is_found_by_what_it_would_be_called(table: Table) -> None:
    table.add_failure(example_failure(3))
    for name in ("broken_3", "broken_?", "models/broken_3.onnx", "*.onnx"):
        assert len(list(table.failures(model=name))) == 1
    assert list(table.failures(model="broken")) == []
    assert file_stem("a/b.c.onnx") == "b.c"
    assert file_stem("|x~0|.5") == "|x~0|.5"
    assert file_stem(b"\xff") is None


def test_a_name_with_digits_is_one_of_two(table: Table) -> None:
    one = example_measurement(0)
    two = replace(one, id="b" * 32, subject=replace(one.subject, sha256="c" * 64))
    table.add(one)
    assert table.listing.shared_names() == frozenset()
    table.add(two)
    name = one.subject.name
    assert table.listing.shared_names() == {name}
    assert len(table.ids(model=name)) == 2
    assert table.ids(model=f"{name}@cccccc") == [two.id]
    assert table.ids(model=f"{name}@{one.subject.sha256[:6]}") == [one.id]
    assert table.ids(model="other@cccccc") == []
    odd = replace(one, id="d" * 32, subject=replace(one.subject, name="net@abcdef"))
    table.add(odd)
    assert table.ids(model="net@abcdef") == [odd.id]


def test_ids_are_as_short_as_they_can_be(table: Table) -> None:
    assert table.listing.digits() == SHORT
    fill(table, 4)
    assert table.listing.digits() == SHORT
    base = example_failure(0)
    table.add_failure(replace(base, id=example_measurement(1).id[:11] + "!"))
    digits = table.listing.digits()
    assert digits == 12
    for entry in table.listing.entries():
        assert table.listing.find(entry.id[:digits]) == entry


def test_a_row_is_found_by_the_beginning_of_its_id(table: Table) -> None:
    for identity, seed in {"abc1": 1, "abc": 3, "xyz1": 4}.items():
        table.add(replace(example_measurement(seed), id=identity))
    table.add_failure(replace(example_failure(2), id="abc2"))
    find = table.listing.find
    assert find("x").id == "xyz1"
    assert find("abc").id == "abc"
    assert find("abc2").failed
    several = r"^3 rows have ids that begin with 'ab' \(.*abc1 .*abc2 .*\): give more of the id$"
    with pytest.raises(OptionError, match=several):
        find("ab")
    for wrong in ("", "q", "abc11", "%", "ABC"):
        with pytest.raises(OptionError, match="no row with the id"):
            find(wrong)


def test_only_what_was_named_is_removed(table: Table) -> None:
    fill(table)
    for seed in range(3):
        table.add_calibration(example_calibration(seed))
    rows = table.listing.entries()
    before = {entry: table.listing.read(entry) for entry in rows}
    calibrations = list(table.calibrations())
    gone = rows[3:9]
    assert {entry.failed for entry in gone} == {True, False}
    assert table.remove(gone) == 6
    kept = table.listing.entries()
    assert kept == [entry for entry in rows if entry not in gone]
    assert {entry: table.listing.read(entry) for entry in kept} == {
        entry: before[entry] for entry in kept
    }
    assert list(table.calibrations()) == calibrations
    assert table.remove(gone) == 0
    assert table.remove([]) == 0
    assert table.listing.entries() == kept


def test_what_belongs_to_removed_rows_alone_goes_along(table: Table, path: Path) -> None:
    fill(table)
    table.add_calibration(example_calibration(5))
    table.remove(table.listing.entries())
    assert table.counts() == {
        "measurements": 0, "failures": 0, "devices": 1, "kernels": 0, "calibrations": 1,
    }  # fmt: skip
    with closing(sqlite3.connect(path)) as connection:
        for name in ("restart", "profile", "kernel_occurrence"):
            assert connection.execute(f"SELECT count(*) FROM {name}").fetchone() == (0,)
        assert connection.execute("PRAGMA foreign_key_check").fetchall() == []
    # And it may come back.
    assert table.add(example_measurement(0))
    assert table.get(example_measurement(0).id) == example_measurement(0)


def test_removal_is_all_or_nothing_and_for_writers_alone(table: Table, path: Path) -> None:
    fill(table, 4)
    rows = table.listing.entries()
    table._store.connection.execute(
        "CREATE TEMP TRIGGER stop BEFORE DELETE ON failure BEGIN SELECT RAISE(ABORT, 'no'); END"
    )
    with pytest.raises(TableError):
        table.remove(rows)
    assert table.listing.entries() == rows
    with (
        Table.open(path, readonly=True) as reader,
        pytest.raises(TableError, match="open it for writing"),
    ):
        reader.remove(rows)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE measurement SET document = '{'",
        "UPDATE measurement SET document = CAST(x'7bff7d' AS TEXT)",
        "UPDATE measurement SET document = 7",
        "UPDATE measurement SET document = json_set(document, '$.tags', 'text')",
        "UPDATE restart SET steady_wall = x'00'",
        "UPDATE measurement SET subject_name = x'ff'",
        "UPDATE device SET spec = '{}'",
    ],
)
def test_a_damaged_row_is_listed_and_can_be_removed(
    table: Table, path: Path, statement: str
) -> None:
    table.add(example_measurement(0))
    table.close()
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(statement)
    with Table.open(path) as opened:
        (entry,) = opened.listing.entries()
        assert opened.listing.find(entry.id[:8]) == entry
        assert opened.listing.entries(tag="nightly") == []
        opened.listing.tags()
        with pytest.raises(TableError, match="damaged"):
            opened.listing.read(entry)
        assert opened.remove([entry]) == 1
        assert opened.listing.entries() == []


def test_a_row_that_is_gone_says_so(table: Table) -> None:
    for failed in (False, True):
        with pytest.raises(TableError, match="is missing"):
            table.listing.read(Entry("a", "2025-01-01T00:00:00Z", "m", "d", failed))


@settings(deadline=None, max_examples=20)
@given(st.sets(st.text("ab", min_size=1, max_size=12), min_size=1, max_size=8))
def test_every_id_is_found_by_as_many_digits(
    tmp_path_factory: pytest.TempPathFactory, ids: set[str]
) -> None:
    with Table.open(tmp_path_factory.mktemp("ids") / "t.db") as table:
        for number, identity in enumerate(sorted(ids)):
            if number % 2:
                table.add_failure(replace(example_failure(number), id=identity))
            else:
                table.add(replace(example_measurement(3), id=identity))
        digits = table.listing.digits()
        for entry in table.listing.entries():
            assert table.listing.find(entry.id[:digits]) == entry
