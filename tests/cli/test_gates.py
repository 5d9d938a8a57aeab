"""`--fail-above`, `--anyway` and `--markdown`: what a build reads, and the exit codes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from hwprof.lut import Table
from hwprof.measurement import Measurement, WarningCode
from hwprof.profiler import sweep as sweep_module
from hwprof.profiler.campaign import Job, Outcome
from hwprof.profiler.sweep import Sweep
from hwprof.testing.examples import example_failure
from tests.cli.conftest import Result
from tests.profiler.away import Away
from tests.profiler.results import OTHER, SUBJECT, device, result

Cli = Callable[..., Result]
JOB = Job(Path("a.onnx"), Away(), device="cpu")
FAST, AT_IT, SLOW = result("a", 1e-3), result("b", 5e-3), result("c", 9e-3)
OPEN = result("d", 1e-3, warned=(WarningCode.VALUES_DECIDE,))


@pytest.fixture
def measured(monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[Any]]:
    """Have `hwprof measure` find these; gives the list that its calls are noted in."""

    def stand_in(*found: Measurement | None) -> list[Any]:
        calls: list[Any] = []

        def sweep(*arguments: Any, **options: Any) -> Sweep:
            def outcomes() -> Iterator[Outcome]:
                for one in found:
                    failure = example_failure(0) if one is None else None
                    yield Outcome(JOB, one, failure)

            calls.append(arguments)
            return Sweep(outcomes(), len(found), ("cpu",))  # type: ignore[arg-type]

        monkeypatch.setattr(sweep_module, "sweep", sweep)
        return calls

    return stand_in


@pytest.mark.parametrize(
    ("found", "code"),
    [
        ((FAST,), 0),
        ((AT_IT,), 4),
        ((OPEN,), 4),
        ((SLOW,), 3),
        ((FAST, AT_IT), 4),
        ((FAST, AT_IT, SLOW), 3),
        # What was not measured keeps no limit and breaks none.
        ((FAST, SLOW, None), 1),
    ],
)
@pytest.mark.parametrize("form", [(), ("--json",), ("--markdown",)])
def test_the_worst_latency_decides(
    hwprof: Cli,
    measured: Callable[..., list[Any]],
    found: tuple[Measurement | None, ...],
    code: int,
    form: tuple[str, ...],
) -> None:
    measured(*found)
    assert hwprof("measure", "a.onnx", "--fail-above", "5ms", *form).code == code
    failed = 1 if None in found else 0
    assert hwprof("measure", "a.onnx", *form).code == failed


def test_each_judgement_is_a_line(hwprof: Cli, measured: Callable[..., list[Any]]) -> None:
    odd = replace(FAST, subject=replace(SUBJECT, name="a\nlimit: within: b"))
    measured(odd, AT_IT, SLOW)
    out = hwprof("measure", "a.onnx", "--fail-above", "5ms").out
    told = [line for line in out.splitlines() if line.startswith("limit: ")]
    assert [line.split(": ")[1] for line in told] == ["within", "cannot tell", "above"]
    assert all(m.device.slug in line for m, line in zip((odd, AT_IT, SLOW), told, strict=True))
    assert "a\\nlimit: within: b" in told[0]
    assert "\nlimit: " not in hwprof("measure", "a.onnx").out


def test_json_holds_verdict_limit_and_reason(
    hwprof: Cli, measured: Callable[..., list[Any]]
) -> None:
    measured(FAST, SLOW)
    found = hwprof("measure", "a.onnx", "--fail-above", "5ms", "--json").json
    assert [each["gate"]["verdict"] for each in found] == ["within", "above"]
    assert found[1]["gate"]["limit"] == 5e-3
    assert "is above 5ms" in found[1]["gate"]["reason"]
    assert all("gate" not in each for each in hwprof("measure", "a.onnx", "--json").json)


def test_markdown_is_all_that_is_printed(hwprof: Cli, measured: Callable[..., list[Any]]) -> None:
    measured(FAST, SLOW, None)
    done = hwprof("measure", "a.onnx", "--fail-above", "5ms", "--markdown")
    assert done.out.startswith("### hwprof: 2 measurements, 1 within 5ms, 1 above 5ms, 1 failed\n")
    assert "Saved in" not in done.out
    assert "- failed: " in done.out


@pytest.mark.parametrize(
    ("command", "option", "says"),
    [
        ("measure", ("--fail-above", "20"), "15ms"),
        ("measure", ("--fail-above", "5%"), "15ms"),
        ("measure", ("--fail-above", "-1ms"), "15ms"),
        ("measure", ("--json", "--markdown"), "choose one"),
        ("compare", ("--fail-above", "5"), "5%"),
        ("compare", ("--fail-above", "20ms"), "5%"),
        ("compare", ("--json", "--markdown"), "choose one"),
    ],
)
def test_what_is_no_limit_is_told_before_anything_is_measured(
    hwprof: Cli,
    measured: Callable[..., list[Any]],
    command: str,
    option: tuple[str, ...],
    says: str,
) -> None:
    calls = measured(FAST)
    done = hwprof(command, *(["a", "b"] if command == "compare" else ["a"]), *option)
    assert done.code == 2
    assert says in done.error
    assert calls == []


@pytest.fixture
def rows(hwprof: Cli) -> None:
    """The table of the current folder, with a model in several conditions and another one."""
    with Table.open("hwprof.db") as table:
        for measurement in (
            result("a", 3e-3),
            result("b", 6e-3, subject=OTHER),
            result("c", 6e-3, device=device(2)),
            result("d", 6e-3, basis="cpu time"),
            result("e", 6e-3, busy_beside=0.9),
            result("f", 3.1e-3, device=device(name="openvino-cpu")),
        ):
            table.add(measurement)


@pytest.mark.usefixtures("rows")
@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("a", "b"), 0),
        (("b", "a"), 0),
        (("a", "b", "--fail-above", "5%"), 0),
        (("b", "a", "--fail-above", "5%"), 3),
        (("f", "a", "--fail-above", "5%"), 4),
        (("b", "a", "--fail-above", "200%"), 0),
        *(((name, "a", *more), 4) for name in "cde" for more in ((), ("--fail-above", "5%"))),
        *(((name, "a", "--anyway"), 0) for name in "cde"),
        (("d", "a", "--anyway", "--fail-above", "5%"), 3),
        (("a", "aaa"), 2),
        (("a", "net", "--device", "openvino", "--threads", "3"), 2),
        (("a", "b", "--budget", "3"), 2),
        (("a", "b", "--input", "x=1"), 2),
    ],
)
@pytest.mark.parametrize("form", [(), ("--json",), ("--markdown",)])
def test_exit_codes_of_a_comparison(
    hwprof: Cli, arguments: tuple[str, ...], code: int, form: tuple[str, ...]
) -> None:
    done = hwprof("compare", *arguments, *form)
    assert done.code == code
    # A verdict is no error; errors are a line.
    if code in (0, 3, 4):
        assert done.err == ""
    else:
        assert done.error


@pytest.mark.usefixtures("rows")
def test_unlike_rows_get_neither_ratio_nor_verdict(hwprof: Cli) -> None:
    for name in "cde":
        for form in ((), ("--markdown",)):
            out = hwprof("compare", name, "a", *form).out
            assert "unlike in" in out
            assert "slower" not in out
            assert "a / b =" not in out
        assert "a / b = 2.000" in hwprof("compare", name, "a", "--anyway").out
        document = hwprof("compare", name, "a", "--json").json
        assert document["unlike"]
        assert (document["ratio"], document["different"]) == (None, None)
        assert hwprof("compare", name, "a", "--anyway", "--json").json["different"] is True


@pytest.mark.usefixtures("rows")
def test_the_device_says_which_row_counts(hwprof: Cli) -> None:
    found = hwprof("compare", "net", "a", "--device", "openvino", "--json")
    assert found.code == 2
    assert "not one with a device like 'openvino'" in found.error
    found = hwprof("compare", "net", "other", "--threads", "1", "--device", "openvino", "--json")
    assert "no measurement of 'other'" in found.error
    found = hwprof("compare", "net", "other", "--threads", "2", "--json")
    assert "no measurement of 'other' in hwprof.db has 2 threads" in found.error
    found = hwprof("compare", "a", "net", "--threads", "1", "--json").json
    assert found["b"]["id"] == "f" * 32


@pytest.mark.usefixtures("rows")
def test_json_of_a_comparison_holds_its_gate(hwprof: Cli) -> None:
    document = hwprof("compare", "b", "a", "--fail-above", "5%", "--json").json
    assert document["gate"]["verdict"] == "above"
    assert document["gate"]["limit"] == pytest.approx(0.05)
    assert "more than 1.05" in document["gate"]["reason"]
    assert hwprof("compare", "b", "a", "--json").json["gate"] is None
    text = hwprof("compare", "b", "a", "--fail-above", "5%").out
    assert "limit: above: a takes 2.000 times as long as b" in text


def test_help_says_which_side_is_the_baseline(hwprof: Cli) -> None:
    text = " ".join(hwprof("compare", "--help").out.split())
    assert "B is the baseline" in text
    assert "hwprof compare new.onnx old.onnx --fail-above 5%" in text
