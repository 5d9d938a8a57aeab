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
from hwprof.measurement import WarningCode
from hwprof.profiler.compare import compare_stored
from hwprof.profiler.judge import judge
from hwprof.report.document import comparison_document, json_text, measurement_document
from hwprof.report.facts import marks
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
from tests.profiler.results import OTHER, device, result


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


def test_comparisons() -> None:
    a, b = result("a", 6e-3, warned=(WarningCode.NOISY,)), result("b", subject=OTHER)
    compared = compare_stored(a, b)
    text = comparison_page(compared).plain()
    assert "a / b = 2.000 [" in text
    assert "(a is slower; two stored measurements)" in text
    assert all(f"note: {note}" in text for note in compared.notes)
    document = json.loads(json_text(comparison_document(compared)))
    assert document["a"]["id"] == a.id
    assert document["ratio"] == pytest.approx(2)
    assert (document["verdict"], document["unlike"]) == ("a is slower", [])
    assert document["gate"] is None
    judged = json.loads(json_text(comparison_document(compared, judge(compared, "5%"))))
    assert (judged["gate"]["verdict"], judged["gate"]["limit"]) == ("above", 0.05)
    even = compare_stored(a, replace(a, id="c" * 32))
    assert "no difference shown" in comparison_page(even).plain()
    lone = compare_stored(*(result(name, restarts=1, n=1) for name in "ab"))
    assert "no interval, so no verdict" in comparison_page(lone).plain()


def test_unlike_sides_have_no_ratio_but_reasons() -> None:
    compared = compare_stored(
        result("a", 6e-3, basis="cpu time"), result("b", device=device(2), source="imported")
    )
    assert len(compared.unlike) == 4
    text = comparison_page(compared).plain(width=10_000)
    assert "a / b" not in text
    assert "slower" not in text
    lines = text.splitlines()
    assert all(f"unlike in {reason}" in lines for reason in compared.unlike)
    document = json.loads(json_text(comparison_document(compared)))
    assert document["unlike"] == list(compared.unlike)
    assert document["ratio"] is document["ci95"] is document["different"] is None
    despite = compared.anyway()
    text = comparison_page(despite).plain(width=10_000)
    assert "a / b = 2.000 [" in text
    assert all(f"note: unlike in {reason}" in text for reason in compared.unlike)
    assert json.loads(json_text(comparison_document(despite)))["ratio"] == pytest.approx(2)


def test_ratios_of_what_took_turns() -> None:
    rows = [
        result("a"),
        result("b", 6e-3, device=device(2)),
        result("c", device=device(name="busy"), warned=(WarningCode.CONTENDED,)),
        result("d", device=device(name="gpu"), source="imported"),
    ]
    text = ratios_page(rows).plain(width=10_000)
    lines = {m.id[0]: next(x for x in text.splitlines() if m.device.slug in x) for m in rows}
    assert lines["a"].split()[:2] == ["3.000", "1"]
    # Threads were swept: that is the point.
    assert lines["b"].split()[:2] == ["6.000", "2.000"]
    assert lines["c"].split()[:3] == ["3.000", "-", "none"]
    assert lines["c"].rstrip().endswith("contended")
    assert lines["d"].rstrip().endswith("imported")
    told = [line for line in text.splitlines() if line.startswith("no ratio for")]
    assert [line.rpartition("unlike the first (b) in ")[2].partition(":")[0] for line in told] == [
        "conditions",
        "origin",
    ]
    # Threads that nobody swept are another matter.
    other = result("b", 6e-3, device=device(2, name="other"))
    assert "in threads: a has 2, b has 1" in ratios_page([rows[0], other]).plain(width=10_000)
    assert ratios_page(rows[:1]).plain() == ""


def test_marks_tell_what_a_latency_stands_on() -> None:
    assert marks(result()) == []
    assert marks(result(basis="cpu time")) == ["cpu time", "disturbed"]
    assert marks(result(busy_beside=0.9, warned=(WarningCode.CONTENDED,))) == ["contended"]
    assert marks(result(source="predicted", warned=(WarningCode.NOISY,))) == ["predicted", "noisy"]


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
