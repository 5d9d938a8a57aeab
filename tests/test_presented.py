"""Results in a prompt, a program, a data frame and a notebook."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from hwprof.errors import OptionError
from hwprof.measurement import Measurement
from hwprof.presented import Presented
from hwprof.profiler.campaign import Job, Outcome
from hwprof.profiler.compare import compare_stored
from hwprof.profiler.sweep import Sweep
from hwprof.report.document import comparison_document, json_text, measurement_document
from hwprof.report.text import ms, spread
from hwprof.samples import Samples
from hwprof.testing.examples import example_failure, example_measurement
from tests.profiler.away import Away

JOB = Job(Path("a.onnx"), Away(), device="cpu")
BAD = "<script>\x1b[2J\nx"


def outcomes(number: int = 3) -> list[Outcome]:
    good = [Outcome(JOB, example_measurement(seed)) for seed in range(number - 1)]
    return [*good, Outcome(JOB, failure=example_failure(0))]


def sweep_of(found: list[Outcome], log: list[Outcome] | None = None) -> Sweep:
    def each() -> Iterator[Outcome]:
        for one in found:
            if log is not None:
                log.append(one)
            yield one

    return Sweep(each(), len(found), ("cpu", "cpu:opt=none"))  # type: ignore[arg-type]


def everything() -> list[Presented]:
    a, b = example_measurement(1), example_measurement(2)
    found: list[Presented] = [a, compare_stored(a, b), sweep_of(outcomes())]
    return [*found, *outcomes()]


def renamed(measurement: Measurement, name: str) -> Measurement:
    return replace(measurement, subject=replace(measurement.subject, name=name))


def test_a_measurement_is_one_line_in_a_prompt() -> None:
    m = example_measurement(3)
    shown = repr(m)
    figure = f"{ms(m.latency.headline_s)} ms {spread(m.latency)}"
    assert shown == f"<Measurement {m.subject.name} on {m.device.slug}: {figure} ({m.id[:8]})>"


def test_every_result_is_one_line_in_a_prompt() -> None:
    for result in everything():
        assert len(repr(result).splitlines()) == 1
        assert repr(result).startswith(f"<{type(result).__name__} ")
        assert result.brief in repr(result)
    bad = renamed(example_measurement(0), BAD)
    for result in (bad, Outcome(JOB, bad), compare_stored(bad, example_measurement(1))):
        assert repr(result).isprintable()


def test_a_measurement_without_samples_has_a_line_too() -> None:
    m = example_measurement(0)
    none = Samples(np.array([]))
    empty = replace(m, restarts=(replace(m.restarts[0], steady=none),))
    assert "no latency" in repr(empty)


def test_plain_data_is_what_the_command_line_prints() -> None:
    a, b = example_measurement(1), example_measurement(2)
    assert a.to_dict() == measurement_document(a)
    assert a.to_json() == json_text(measurement_document(a))
    compared = compare_stored(a, b)
    assert compared.to_json() == json_text(comparison_document(compared))
    good, _, bad = outcomes()
    assert good.to_dict()["id"] == example_measurement(0).id
    assert bad.to_dict()["reason"] == example_failure(0).reason
    document = json.loads(sweep_of(outcomes()).to_json())
    assert document["devices"] == ["cpu", "cpu:opt=none"]
    assert [each.get("reason") for each in document["outcomes"]] == [
        None,
        None,
        example_failure(0).reason,
    ]


def test_a_sweep_is_measured_by_its_data_and_not_by_its_looks() -> None:
    log: list[Outcome] = []
    made = sweep_of(outcomes(), log)
    assert "0 of 3" in repr(made)
    made._repr_html_()
    assert log == []
    first = next(made)
    assert made.outcomes == (first,)
    assert first.brief in made._repr_html_()
    assert "1 of 3" in repr(made)
    assert len(made.to_dict()["outcomes"]) == 3
    assert len(log) == 3
    assert made.finished() == tuple(log)


@pytest.mark.runtimes
def test_a_data_frame_has_a_row_for_each() -> None:
    m = example_measurement(3)
    frame = m.to_pandas()
    assert len(frame) == 1
    row = frame.iloc[0]
    assert row["latency_s"] == m.latency.headline_s
    assert (row["model"], row["device"], row["id"]) == (m.subject.name, m.device.slug, m.id)
    assert row["inputs_per_s"] == pytest.approx(1 / m.latency.headline_s)
    assert row["failure"] is None or row["failure"] != row["failure"]
    several = sweep_of(outcomes()).to_pandas()
    assert list(several.columns) == list(frame.columns)
    assert list(several["model"])[:2] == [example_measurement(s).subject.name for s in (0, 1)]
    assert several["failure"].iloc[2] == example_failure(0).reason
    compared = compare_stored(m, example_measurement(4))
    sides = compared.to_pandas()
    assert list(sides["side"]) == ["a", "b"]
    assert list(sides["ratio"]) == [compared.ratio] * 2
    assert len(outcomes()[2].to_pandas()) == 1


def test_without_pandas_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(OptionError, match="pip install pandas"):
        example_measurement(0).to_pandas()


def test_a_notebook_shows_the_page_and_runs_nothing_in_it() -> None:
    for result in everything():
        shown = result._repr_html_()
        assert shown.startswith("<pre ")
        assert shown.endswith("</pre>")
    m = renamed(example_measurement(0), BAD)
    made = sweep_of([Outcome(JOB, m)])
    made.finished()
    for result in (m, Outcome(JOB, m), compare_stored(m, example_measurement(1)), made):
        shown = result._repr_html_()
        assert "<script>" not in shown
        assert "&lt;script&gt;" in shown
        assert "\x1b" not in shown
    assert m.device.slug in m._repr_html_()


def test_results_load_no_report_and_no_pandas() -> None:
    program = (
        "import sys, hwprof.measurement\n"
        "print([m for m in sys.modules if m.startswith(('hwprof.report', 'pandas', 'rich'))])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stdout.strip() == "[]", done.stderr
