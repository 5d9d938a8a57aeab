"""Results as Markdown, for the comment on a pull request.

Whatever comes from a model, a table or a device stands in a code span: there it is no markup, no
link and no mention of a person.
"""

from __future__ import annotations

from collections.abc import Sequence

from hwprof.measurement import Failure, Measurement
from hwprof.metrics import metric_of
from hwprof.profiler.compare import Comparison
from hwprof.profiler.judge import Judgement, Verdict
from hwprof.report.facts import marks, subject_inputs, verdict_text
from hwprof.report.text import ms
from hwprof.report.visible import visible

HEADS = ("model", "inputs", "device", "latency", "95 % interval")


def code(text: str) -> str:
    """A text of others as a code span on one line; `-` for an empty one.

    A bar would end a cell of a table, even within a code span.
    """
    shown = visible(text).replace("`", "'").replace("|", "\\x7c").strip()
    return f"`{shown}`" if shown else "-"


def measurements_markdown(
    measurements: Sequence[Measurement],
    judgements: Sequence[Judgement] = (),
    failures: Sequence[Failure] = (),
) -> str:
    """A table of results, what a limit came to (`judgements`, one for each), and what failed."""
    lines = [f"### {_headline(measurements, judgements, failures)}", ""]
    if measurements:
        judged = [[each.verdict.value] for each in judgements] or [[] for _ in measurements]
        rows = [
            [*_cells(measurement), *verdict, ", ".join(marks(measurement)) or "-"]
            for measurement, verdict in zip(measurements, judged, strict=True)
        ]
        heads = [*HEADS, *(["limit"] if judgements else []), "notes"]
        lines += [*_table(heads, rows), ""]
    for measurement, judgement in zip(measurements, judgements, strict=False):
        if judgement.verdict is not Verdict.WITHIN:
            name = code(measurement.subject.name)
            lines.append(f"- {judgement.verdict.value}: {name}: {code(judgement.reason)}")
    lines += [
        f"- failed: {code(failure.subject)} on {code(failure.device)}: {code(failure.reason)}"
        for failure in failures
    ]
    return "\n".join(lines).rstrip()


def comparison_markdown(comparison: Comparison, judgement: Judgement | None = None) -> str:
    """Both sides in a table, the ratio or why there is none, and what a limit came to."""
    rows = [
        [label, *_cells(side), ", ".join(marks(side)) or "-"]
        for label, side in (("a", comparison.a), ("b", comparison.b))
    ]
    if comparison.unlike:
        lines = ["### hwprof: a and b are unlike, so there is no ratio", ""]
    else:
        ci95 = comparison.ci95
        interval = "" if ci95 is None else f" ({ci95[0]:.3f} to {ci95[1]:.3f})"
        lines = [f"### hwprof: a / b = {comparison.ratio:.3f}{interval}", ""]
        lines += [f"{verdict_text(comparison)}; {comparison.method}", ""]
    lines += [*_table(["", *HEADS, "notes"], rows), ""]
    lines += [f"- unlike in {code(reason)}" for reason in comparison.unlike]
    if judgement is not None:
        lines.append(f"- limit: {judgement.verdict.value}: {code(judgement.reason)}")
    lines += [f"- note: {code(note)}" for note in comparison.notes]
    return "\n".join(lines).rstrip()


def _headline(
    measurements: Sequence[Measurement],
    judgements: Sequence[Judgement],
    failures: Sequence[Failure],
) -> str:
    count = len(measurements)
    parts = [f"{count} measurement{'' if count == 1 else 's'}"]
    if judgements:
        limit = metric_of("latency").show(judgements[0].limit)
        found = [judgement.verdict for judgement in judgements]
        parts += [
            f"{found.count(verdict)} {verdict.value} {limit}"
            if verdict is not Verdict.UNKNOWN
            else f"{found.count(verdict)} cannot be told"
            for verdict in Verdict
            if verdict in found
        ]
    parts += [f"{len(failures)} failed"] if failures else []
    return f"hwprof: {', '.join(parts)}"


def _cells(measurement: Measurement) -> list[str]:
    latency = measurement.latency
    interval = "none"
    if latency.ci95_s is not None:
        interval = f"{ms(latency.ci95_s[0])} to {ms(latency.ci95_s[1])} ms"
    return [
        code(measurement.subject.name),
        code(subject_inputs(measurement.subject)),
        code(measurement.device.slug),
        f"{ms(latency.headline_s)} ms",
        interval,
    ]


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Lines of a table."""
    cells = [list(heads), ["---"] * len(heads), *rows]
    return [f"| {' | '.join(row)} |" for row in cells]
