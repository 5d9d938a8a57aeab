"""Markdown for a pull request's comment: tables that hold, and nothing of others that is markup."""

from __future__ import annotations

import re
from dataclasses import replace

from hwprof.graph import TensorSpec
from hwprof.measurement import Failure, Measurement, MeasurementWarning, WarningCode
from hwprof.profiler.compare import compare_stored
from hwprof.profiler.judge import judge
from hwprof.report.markdown import code, comparison_markdown, measurements_markdown
from hwprof.testing.examples import example_failure
from tests.profiler.results import OTHER, device, result

BAD = "`x`|y\\|z\n\n# @everyone <img src=x> [a](http://b)\x1b[2J"


def cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.split("|")[1:-1]]


def tables(text: str) -> list[list[str]]:
    return [cells(line) for line in text.splitlines() if line.startswith("|")]


def test_a_table_of_results() -> None:
    results = [result("a"), result("b", 9e-3, warned=(WarningCode.NOISY,))]
    text = measurements_markdown(results)
    assert text.splitlines()[0] == "### hwprof: 2 measurements"
    head, rule, one, two = tables(text)
    assert head == ["model", "inputs", "device", "latency", "95 % interval", "notes"]
    assert set(rule) == {"---"}
    assert one[:4] == ["`net`", "`float32[1,3,8,8]`", f"`{results[0].device.slug}`", "3.000 ms"]
    assert (one[-1], two[-1]) == ("-", "noisy")


def test_what_a_limit_came_to_and_what_failed() -> None:
    results = [result("a"), result("b", 9e-3), result("c", 5e-3)]
    judged = [judge(each, "5ms") for each in results]
    text = measurements_markdown(results, judged, [example_failure(0)])
    assert text.splitlines()[0] == (
        "### hwprof: 3 measurements, 1 within 5ms, 1 above 5ms, 1 cannot be told, 1 failed"
    )
    assert [row[5] for row in tables(text)] == ["limit", "---", "within", "above", "cannot tell"]
    listed = [line for line in text.splitlines() if line.startswith("- ")]
    assert [line.split(":")[0] for line in listed] == ["- above", "- cannot tell", "- failed"]
    assert code(example_failure(0).reason) in listed[-1]


def test_two_sides_and_their_ratio() -> None:
    compared = compare_stored(result("a", 6e-3), result("b", subject=OTHER))
    text = comparison_markdown(compared, judge(compared, "5%"))
    assert text.startswith("### hwprof: a / b = 2.000 (")
    assert "a is slower; two stored measurements" in text
    assert [row[0] for row in tables(text)] == ["", "---", "a", "b"]
    assert "- limit: above: `a takes 2.000 times as long as b" in text


def test_two_that_are_unlike_have_no_ratio() -> None:
    compared = compare_stored(result("a", 6e-3), result("b", device=device(2)))
    text = comparison_markdown(compared, judge(compared, "5%"))
    assert "a / b =" not in text
    assert "slower" not in text
    assert "- unlike in `threads: a has 1, b has 2`" in text
    assert "- limit: cannot tell: " in text
    assert "a / b = 2.000" in comparison_markdown(compared.anyway())


def hostile() -> Measurement:
    bad = result("a", warned=(WarningCode.NOISY,))
    return replace(
        bad,
        subject=replace(bad.subject, name=BAD, inputs=(TensorSpec(BAD, BAD, (1,)),)),
        device=replace(bad.device, name=BAD, options={BAD: BAD}),
        warnings=(MeasurementWarning(WarningCode.NOISY, BAD),),
    )


def test_names_are_no_markup() -> None:
    bad = hostile()
    other = replace(bad, id="b" * 32, subject=replace(bad.subject, sha256="2" * 64))
    unlike = compare_stored(bad, replace(other, device=replace(bad.device, options={})))
    texts = [
        measurements_markdown([bad], [judge(bad, 1e-3)], [Failure("f", "r", "t", BAD, BAD, BAD)]),
        comparison_markdown(compare_stored(bad, other)),
        comparison_markdown(unlike, judge(unlike, 0.05)),
    ]
    for text in texts:
        begins = ("### hwprof", "|", "- ", "no difference")
        assert all(line.startswith(begins) for line in text.splitlines() if line)
        assert len({len(row) for row in tables(text)}) == 1
        # Outside of code spans nothing of it is left.
        bare = re.sub(r"`[^`]*`", "", text)
        assert "`" not in bare
        assert not re.search(r"everyone|img|http|\x1b", bare)


def test_code_spans() -> None:
    assert code("a`b\nc|d") == "`a'b\\nc\\x7cd`"
    assert code(" ") == "-"
