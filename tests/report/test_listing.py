"""A table's rows: one line each on a terminal, whole in a pipe."""

from __future__ import annotations

import io
import re
from dataclasses import replace

import pytest
from rich.cells import cell_len
from rich.console import Console

from hwprof.measurement import Failure, Measurement
from hwprof.report.facts import marks
from hwprof.report.listing import (
    PIPED,
    counted,
    entries_page,
    listing_page,
    newest_first,
    piped,
    piped_entries,
    table_page,
)
from hwprof.report.text import Page
from hwprof.testing.examples import example_failure, example_measurement
from tests.report.realistic import failures, measurements

Row = Measurement | Failure


@pytest.fixture
def rows() -> list[Row]:
    return list(newest_first(measurements(), failures()))


def on_terminal(page: Page, width: int) -> list[str]:
    stream = io.StringIO()
    Console(file=stream, width=width, highlight=False, force_terminal=True, no_color=True).print(
        page
    )
    text = stream.getvalue()
    for code in ("\x1b[1m", "\x1b[0m"):
        text = text.replace(code, "")
    assert "\x1b" not in text
    return text.splitlines()


@pytest.mark.parametrize("width", [60, 80, 100, 120, 200, 400])
def test_twenty_rows_are_one_line_each(rows: list[Row], width: int) -> None:
    head, *lines = on_terminal(listing_page(rows), width)
    assert len(rows) == len(lines) == 20
    assert all(cell_len(line) <= width for line in (head, *lines))
    for row, line in zip(rows, lines, strict=True):
        # Whole enough to be copied, and to see what it is about.
        assert line.startswith(row.id[:8] + " ")
        name = row.subject if isinstance(row, Failure) else row.subject.name
        assert line.split()[1 if width < 120 else 3].startswith(name[:3])
        assert ("failed" in line) == isinstance(row, Failure)


def test_eighty_columns_have_model_latency_and_device(rows: list[Row]) -> None:
    head, *lines = on_terminal(listing_page(rows), 80)
    assert head.split() == ["id", "model", "ms", "±", "device", "notes"]
    assert "vit_sm" in lines[0]
    assert "in1k" in lines[0]
    assert "onnxruntime-" in lines[0]


def test_what_there_is_room_for_is_shown(rows: list[Row]) -> None:
    head, *lines = on_terminal(listing_page(rows), 500)
    for word in ("when (UTC)", "input", "clean", "peak", "gross J", "net J", "tags", "notes"):
        assert word in head
    for row, line in zip(rows, lines, strict=True):
        if isinstance(row, Failure):
            assert "\\n".join(row.reason.split("\n")) in line
        else:
            assert row.subject.name in line
            assert all(tag in line for tag in row.tags)


def test_devices_are_told_apart_by_what_differs(rows: list[Row]) -> None:
    text = "\n".join(on_terminal(listing_page(rows), 500))
    for name in ("onnxruntime-cpu", "onnxruntime-cpu:threads=2", "onnxruntime-cpu:precision=int8"):
        assert re.search(rf" {name}(?: |$)", text, re.MULTILINE)
    assert "torch-cpu:threads=8 " in text
    # A failure has the slug of its device, and shows what the others show.
    assert len(re.findall(r" openvino-cpu(?: |$)", text, re.MULTILINE)) == 3 + 2


def test_failures_lie_where_they_belong_in_time(rows: list[Row]) -> None:
    assert [row.created_at for row in rows] == sorted((r.created_at for r in rows), reverse=True)
    assert any(isinstance(row, Failure) for row in rows[1:10])


def test_names_of_unlike_models_have_their_hash(rows: list[Row]) -> None:
    measured = [row for row in rows if isinstance(row, Measurement)]
    other = replace(measured[0].subject, sha256="f" * 64)
    twins = [measured[0], replace(measured[1], subject=other)]
    name = other.name
    shown = on_terminal(listing_page(twins, shared={name}), 300)
    assert f"{name}@{measured[0].subject.sha256[:6]} " in shown[1]
    assert f"{name}@ffffff " in shown[2]
    assert "@" not in "".join(on_terminal(listing_page(twins), 300))


def test_as_many_digits_as_asked(rows: list[Row]) -> None:
    lines = on_terminal(listing_page(rows, digits=12), 80)
    assert all(
        line.startswith(row.id[:12] + " ") for row, line in zip(rows, lines[1:], strict=True)
    )
    assert all(cell_len(line) <= 80 for line in lines)


def test_a_pipe_has_whole_values_and_units_in_the_heading(rows: list[Row]) -> None:
    head, *lines = piped(rows)
    assert head == PIPED
    for row, cells in zip(rows, lines, strict=True):
        found = dict(zip(head, cells, strict=True))
        assert found["id"] == row.id
        assert found["created_at"] == row.created_at
        if isinstance(row, Failure):
            assert found["model"] == row.subject
            assert found["device"] == row.device
            assert (found["source"], found["notes"]) == ("failed", row.reason)
            assert found["latency_s"] == ""
            continue
        assert found["model"] == row.subject.name
        assert found["sha256"] == row.subject.sha256
        assert found["device"] == row.device.slug
        assert float(found["latency_s"]) == pytest.approx(row.latency.headline_s, rel=1e-8)
        assert found["peak_memory_bytes"] == (
            "" if (p := row.memory.peak_bytes) is None else str(p)
        )
        reading = row.energy.reading
        assert (found["energy_gross_j"] == "") == (reading is None)
        assert tuple(filter(None, found["tags"].split(","))) == row.tags
        assert found["notes"] == ", ".join(marks(row))


def test_a_row_without_samples_is_a_row() -> None:
    m = example_measurement(3)
    steady = m.restarts[0].steady
    empty = replace(
        steady,
        **{
            name: None if getattr(steady, name) is None else getattr(steady, name)[:0]
            for name in ("wall_s", "cpu_s", "switches", "busy_s", "waited_s")
        },
    )
    bare = replace(m, restarts=(replace(m.restarts[0], steady=empty),))
    _, line = on_terminal(listing_page([bare]), 80)
    assert line.split()[2] == "-"
    _, cells = piped([bare])
    assert cells[PIPED.index("latency_s")] == ""


def test_an_empty_table_is_an_empty_page() -> None:
    assert table_page([], [])[0].plain() == ""
    assert list(piped([])) == [PIPED]


def test_entries_name_rows(rows: list[Row]) -> None:
    from hwprof.lut.listing import Entry

    entries = [
        Entry(
            row.id,
            row.created_at,
            row.subject if isinstance(row, Failure) else row.subject.name,
            row.device if isinstance(row, Failure) else row.device.slug,
            isinstance(row, Failure),
        )
        for row in rows
    ]
    head, *lines = on_terminal(entries_page(entries), 80)
    assert head.split() == ["id", "when", "(UTC)", "kind", "model", "device"]
    assert all(cell_len(line) <= 80 for line in lines)
    assert [line.split()[3] for line in lines].count("failure") == 4
    names, *cells = piped_entries(entries)
    assert names == ("id", "created_at", "model", "device", "kind")
    assert [row[0] for row in cells] == [entry.id for entry in entries]


def test_both_kinds_are_counted() -> None:
    assert counted(1, 0) == "1 measurement"
    assert counted(0, 2) == "0 measurements, 2 failures"
    page, count = table_page([example_measurement(0)], [example_failure(1)])
    assert count == 1
    assert len(page.plain().splitlines()) == 3
