"""What a model, a table or a device is called cannot reach the terminal as a command."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hwprof.cli.printing import complain, say, tell
from hwprof.graph import TensorSpec
from hwprof.measurement import Failure, Measurement, MeasurementWarning, WarningCode
from hwprof.profiler.compare import compare_stored
from hwprof.report.document import json_text, measurement_document
from hwprof.report.listing import table_page
from hwprof.report.text import (
    Page,
    comparison_page,
    failure_page,
    kernels_page,
    measurement_page,
    ratios_page,
)
from hwprof.report.visible import visible, visible_lines
from hwprof.testing.examples import example_measurement

# Sets a window's title, clears the screen, forges a line, turns the reading direction around.
BAD = "\x1b]0;owned\x07\x1b[2J\nerror: forged\r\u202e\x9b1m"
COMMANDS = re.compile(r"[^\x20-\x7e\xa0-\uffff\U00010000-\U0010ffff\n]|\u202e")


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("conv_1/Conv:0", "conv_1/Conv:0"),
        ("层/卷积_🚀 naïve", "层/卷积_🚀 naïve"),
        ("\x1b[2J", "\\x1b[2J"),
        ("a\nb\tc\rd", "a\\nb\\tc\\rd"),
        ("\x07\x7f\x9b", "\\x07\\x7f\\x9b"),
        ("\u202egnp.exe", "\\u202egnp.exe"),
        ("\u2028", "\\u2028"),
        ("\udc80", "\\udc80"),
        ("", ""),
    ],
)
def test_what_does_not_print_becomes_an_escape(text: str, shown: str) -> None:
    assert visible(text) == shown


@given(st.text(st.characters()))
def test_any_text_is_one_line_that_prints_and_can_be_encoded(text: str) -> None:
    shown = visible(text)
    assert shown.isprintable()
    assert shown.encode("utf-8").decode("utf-8") == shown
    assert visible(shown) == shown
    assert visible_lines(text).count("\n") == text.count("\n")


def hostile(seed: int) -> Measurement:
    """An example in which whatever comes from outside is called something bad."""
    m = example_measurement(seed)
    profile = m.profile
    assert profile is not None
    occurrences = tuple(
        replace(
            o,
            name=BAD,
            source_nodes=(BAD, "[bold]x"),
            kernel=replace(o.kernel, op=BAD, domain=BAD),
        )
        for o in profile.occurrences
    )
    return replace(
        m,
        subject=replace(m.subject, name=BAD, inputs=(TensorSpec(BAD, "float32", (1, 3)),)),
        device=replace(m.device, name=BAD, runtime_version=BAD, options={BAD: BAD}),
        profile=replace(profile, occurrences=occurrences, uncovered=(BAD,)),
        warnings=(MeasurementWarning(WarningCode.NOISY, BAD),),
        energy=replace(m.energy, reading=None, reason=BAD),
    )


@pytest.fixture(scope="module")
def bad() -> Measurement:
    with_profile = (s for s in range(50) if example_measurement(s).profile is not None)
    return hostile(next(with_profile))


def pages(bad: Measurement) -> list[Page]:
    other = replace(bad, id="b" * 32, device=replace(bad.device, threads=bad.device.threads + 1))
    failure = Failure("c" * 32, "d" * 32, bad.created_at, BAD, BAD, BAD)
    without = replace(bad, profile=None, profile_reason=BAD, plan={**bad.plan, "per_op": True})
    return [
        measurement_page(bad),
        measurement_page(without),
        kernels_page(bad),
        kernels_page(without),
        table_page([bad], [failure])[0],
        failure_page(failure),
        comparison_page(compare_stored(bad, other)),
        ratios_page([bad, other]),
    ]


def test_no_page_passes_a_terminals_commands_on(bad: Measurement) -> None:
    for page in pages(bad):
        text = page.plain(width=2000)
        assert not COMMANDS.search(text)
        assert not re.search("^error: forged", text, re.M)
        assert "\\x1b]0;owned" in text


def test_nor_does_the_json_document(bad: Measurement) -> None:
    text = json_text(measurement_document(bad))
    assert not COMMANDS.search(text)
    assert "\\u001b]0;owned" in text


def test_nor_what_commands_say(capsys: pytest.CaptureFixture[str]) -> None:
    say(f"one\n{BAD}\udc80")
    tell(BAD)
    complain(f"node '{BAD}' does not run")
    out, err = capsys.readouterr()
    assert not COMMANDS.search(out + err)
    assert out.startswith("one\n\\x1b]0;owned")
    last = err.splitlines()[-1]
    assert last.startswith("error: node '\\x1b]0;owned")
    assert last.endswith("' does not run")
