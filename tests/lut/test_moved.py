"""A table that is deleted or replaced while it is open: nothing is lost, and it is said."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from hwprof.errors import TableError
from hwprof.lut import Table
from hwprof.testing.stores import example_measurement


def deleted(path: Path) -> None:
    path.unlink()


def moved(path: Path) -> None:
    path.rename(path.with_suffix(".old"))


def replaced(path: Path) -> None:
    with Table.open(path.with_suffix(".new")):
        pass
    path.with_suffix(".new").replace(path)


def folder_gone(path: Path) -> None:
    shutil.rmtree(path.parent)


def ids(path: Path) -> set[str]:
    with Table.open(path, readonly=True) as table:
        return set(table.ids())


@pytest.mark.parametrize("take_away", [deleted, moved, replaced])
def test_all_of_it_is_written_beside(tmp_path: Path, take_away: Callable[[Path], None]) -> None:
    path = tmp_path / "t.db"
    first, second, third = (example_measurement(seed) for seed in range(3))
    with Table.open(path) as table:
        table.add(first)
        take_away(path)
        with pytest.raises(TableError, match="was deleted or replaced while it was open") as error:
            table.add(second)
        (rescued,) = tmp_path.glob("t-*-rescued.db")
        assert str(rescued) in str(error.value)
        assert ids(rescued) == {first.id, second.id}
        # One file holds it all, however often that is said.
        with pytest.raises(TableError, match="was deleted or replaced"):
            table.replace(third)
        assert ids(rescued) == {first.id, second.id, third.id}
    assert list(tmp_path.glob("t-*-rescued.db")) == [rescued]


def test_where_the_folder_is_gone_too_the_temporary_folder_takes_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place, home = tmp_path / "tmp", tmp_path / "home"
    place.mkdir()
    home.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(place))
    measurement = example_measurement(1)
    with Table.open(home / "t.db") as table:
        table.add(measurement)
        folder_gone(home / "t.db")
        # SQLite may, or may not, write to what has no folder.
        with pytest.raises(TableError, match=r"measured last.* is in") as error:
            table.add(example_measurement(2))
    (rescued,) = place.glob("t-*-rescued.db")
    assert measurement.id in ids(rescued)
    assert ("but not" in str(error.value)) == (len(ids(rescued)) == 1)


def test_where_nothing_takes_it_that_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "away"))
    with Table.open(home / "t.db") as table:
        folder_gone(home / "t.db")
        with pytest.raises(TableError, match="what was printed is all that is left"):
            table.add(example_measurement(1))


def test_a_table_that_stays_is_no_fault_under_any_name(tmp_path: Path) -> None:
    path, link = tmp_path / "t.db", tmp_path / "link.db"
    with Table.open(path):
        pass
    link.symlink_to(path)
    with Table.open(link) as table:
        table.add(example_measurement(1))
        with table.transaction():
            table.add(example_measurement(2))
    with Table.open(path, readonly=True) as reader:
        path.rename(tmp_path / "moved.db")
        # Who only reads has nothing to lose.
        with reader.snapshot():
            assert len(reader.ids()) == 2
