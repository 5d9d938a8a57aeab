"""Pages for people: everything is on them, nothing is printed, and no command line is needed."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from dataclasses import replace

import pytest
from rich.console import Console

from hwprof.codec import to_builtins
from hwprof.profiler.compare import compare_stored
from hwprof.report.document import comparison_document, json_text, measurement_document
from hwprof.report.listing import table_page
from hwprof.report.text import (
    Page,
    comparison_page,
    kernels_page,
    measurement_page,
    ms,
    ratios_page,
)
from hwprof.testing.examples import example_failure, example_measurement


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.0031337, "3.134"), (12.5, "12500"), (4.2e-6, "0.0042"), (0.12345, "123.5")],
)
def test_milliseconds_have_four_digits(seconds: float, text: str) -> None:
    assert ms(seconds) == text


def test_pages_are_texts_and_print_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    measurements = [example_measurement(seed) for seed in range(6)]
    for m in measurements:
        text = measurement_page(m).plain()
        assert m.subject.name in text
        assert m.device.slug in text
        assert ", ".join(m.tags) in text
        assert ms(m.latency.headline_s) in text
        for warning in m.warnings:
            assert warning.code.value in text
        kernels = kernels_page(m).plain(width=10_000)
        for occurrence in m.profile.occurrences if m.profile else ():
            assert occurrence.kernel.key in kernels
    page, count = table_page(measurements, [example_failure(0)])
    assert count == 6
    assert all(m.id[:8] in page.plain() for m in measurements)
    assert example_failure(0).reason in page.plain(1000)
    assert table_page([], [])[0].plain() == ""
    assert capsys.readouterr() == ("", "")


def test_what_looks_like_markup_is_shown_as_it_is() -> None:
    m = example_measurement(0)
    odd = replace(m, subject=replace(m.subject, name="[bold]net[/bold] [1,2]"))
    assert "[bold]net[/bold] [1,2]" in measurement_page(odd).plain()


def test_a_terminal_gets_colours_and_a_pipe_does_not() -> None:
    page = measurement_page(example_measurement(0))
    terminal = io.StringIO()
    Console(file=terminal, force_terminal=True, color_system="standard", width=200).print(page)
    assert "\x1b[1m" in terminal.getvalue()
    assert "\x1b" not in page.plain()


def test_comparisons_and_ratios() -> None:
    a, b = example_measurement(1), example_measurement(2)
    text = comparison_page(compare_stored(a, b)).plain()
    assert "a / b" in text
    assert all(f"note: {note}" in text for note in compare_stored(a, b).notes)
    document = json.loads(json_text(comparison_document(compare_stored(a, b))))
    assert document["a"]["id"] == a.id
    assert document["ratio"] == pytest.approx(a.latency.headline_s / b.latency.headline_s)
    same = replace(b, subject=a.subject)
    shown = ratios_page([a, same]).plain()
    assert a.device.slug in shown
    assert ms(same.latency.headline_s) in shown
    assert ratios_page([a]).plain() == ""


def test_a_document_is_json() -> None:
    m = example_measurement(3)
    document = json.loads(json_text(measurement_document(m)))
    assert document["id"] == m.id
    assert document["latency_s"]["p25"] == m.latency.p25_s
    assert json.loads(json_text([m])) == json.loads(json.dumps(to_builtins([m])))


def test_reports_need_no_command_line() -> None:
    program = (
        "import sys, hwprof.report.text, hwprof.report.document\n"
        "print([m for m in ('typer', 'click', 'hwprof.cli') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stdout.strip() == "[]", done.stderr


def test_a_page_keeps_the_order_of_its_parts() -> None:
    page = Page()
    for part in ("one", "[dim]two[/dim]", "three"):
        page.print(part)
    assert page.plain() == "one\ntwo\nthree\n"
