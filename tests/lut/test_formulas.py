"""No cell of a CSV export is a formula, whatever models are called, and nothing is lost by it."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hwprof.lut import ImportReport, Table, export, import_file
from hwprof.lut.exchange import csv as exchange
from hwprof.lut.exchange.to_rows import COLUMNS
from hwprof.measurement import Failure
from hwprof.testing.stores import example_measurement

BEGINNINGS = ("=", "+", "-", "@", "\t", "\r", "\n", " ", "\uff1d", "'", "")
# Runs a program in spreadsheets that still do so.
FORMULA = "=cmd|'/c calc'!A0"


@given(st.sampled_from(BEGINNINGS), st.text())
def test_every_text_comes_back_from_its_cell(beginning: str, rest: str) -> None:
    text = beginning + rest
    cell = exchange.as_text(text)
    assert exchange.from_text(cell) == text
    assert not cell.startswith(("=", "+", "-", "@", "\t", "\r", "\n", " "))


@pytest.mark.parametrize("text", ["", "resnet18", "a=b", "1-2", "3f2a", '{"a": -1}', "[-1.5]"])
def test_other_texts_are_their_cells(text: str) -> None:
    assert exchange.as_text(text) == text
    assert exchange.from_text(text) == text


@pytest.mark.parametrize("cell", ["'", "'quoted' name", "'s"])
def test_cells_of_earlier_exports_stay(cell: str) -> None:
    assert exchange.from_text(cell) == cell


def formulas(table: Table) -> None:
    """A measurement with a profile, and a failure, whose every name is a formula."""
    found = (example_measurement(seed) for seed in range(50))
    measurement = next(m for m in found if m.profile is not None)
    assert measurement.profile is not None
    occurrences = tuple(
        replace(o, name=FORMULA, provider=FORMULA, kernel=replace(o.kernel, op="@SUM(A1)"))
        for o in measurement.profile.occurrences
    )
    table.add(
        replace(
            measurement,
            id="=1+1",
            run_id="-1+1",
            subject=replace(measurement.subject, name=FORMULA),
            profile=replace(measurement.profile, occurrences=occurrences),
        )
    )
    table.add_failure(Failure("+f", "@r", measurement.created_at, "\tmodel", "\rdevice", "-reason"))


def test_names_do_not_compute_and_come_back(table: Table, tmp_path: Path) -> None:
    formulas(table)
    file = tmp_path / "all.csv"
    export(table, "csv", file)
    csv.field_size_limit(10**7)
    with file.open(newline="", encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    cells = [row[name] for row in rows for name, kind in COLUMNS.items() if kind == "text"]
    assert f"'{FORMULA}" in cells
    assert not [cell for cell in cells if cell.startswith(("=", "+", "-", "@", "\t", "\r"))]
    with Table.open(tmp_path / "copy.db") as copy:
        assert import_file(file, copy) == ImportReport(1, 0, 1, 0)
        assert list(copy.measurements()) == list(table.measurements())
        assert list(copy.failures()) == list(table.failures())


def test_files_without_apostrophes_still_import(table: Table, tmp_path: Path) -> None:
    """As exports of before had them."""
    formulas(table)
    file = tmp_path / "all.csv"
    export(table, "csv", file)
    csv.field_size_limit(10**7)
    with file.open(newline="", encoding="utf-8") as stream:
        rows = [
            {name: exchange.from_text(cell) for name, cell in row.items()}
            for row in csv.DictReader(stream)
        ]
    assert FORMULA in {row["subject"] for row in rows}
    with file.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, COLUMNS)
        writer.writeheader()
        writer.writerows(rows)
    with Table.open(tmp_path / "copy.db") as copy:
        import_file(file, copy)
        assert list(copy.measurements()) == list(table.measurements())


def test_numbers_below_zero_stay_numbers() -> None:
    assert exchange._cell(-1.5, "float") == -1.5
    assert exchange._cell([-1.5, 2.0], "floats") == "[-1.5,2.0]"
    assert exchange._cell(None, "text") is None
