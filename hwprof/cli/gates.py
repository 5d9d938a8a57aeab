"""Limits that results must keep, as an automated build asks: options and exit codes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hwprof.cli.printing import say
from hwprof.report.visible import visible

if TYPE_CHECKING:
    from hwprof.measurement import Measurement
    from hwprof.profiler.campaign import Outcome
    from hwprof.profiler.judge import Judgement, Verdict

WORSE = 3
"""Exit code: a result does not keep its limit."""
UNKNOWN = 4
"""Exit code: it cannot be told, or two results are too unlike to be compared."""

MaxLatency = Annotated[
    str | None,
    typer.Option(
        "--fail-above",
        metavar="TIME",
        help="Exit with 3 if a latency is above, such as 20ms, and with 4 if that cannot be told.",
    ),
]
MaxSlower = Annotated[
    str | None,
    typer.Option(
        "--fail-above",
        metavar="PERCENT",
        help="Exit with 3 if A is so much slower than B, such as 5%, and with 4 if that cannot "
        "be told.",
    ),
]
Anyway = Annotated[
    bool,
    typer.Option("--anyway", help="Give the ratio of two that are unlike all the same."),
]
AsMarkdown = Annotated[
    bool, typer.Option("--markdown", help="Print Markdown, for a pull request's comment.")
]


def check_forms(as_json: bool, markdown: bool) -> None:
    """Raise OptionError where both are asked for."""
    from hwprof.errors import OptionError

    if as_json and markdown:
        raise OptionError("--json and --markdown are two forms of one answer; choose one")


def max_latency(text: str | None) -> float | None:
    """`--fail-above` of `hwprof measure` in seconds. Raises OptionError."""
    from hwprof.metrics import metric_of, parse_limit

    return None if text is None else parse_limit(text, metric_of("latency"))


def max_slower(text: str | None) -> float | None:
    """`--fail-above` of `hwprof compare` as a share. Raises OptionError."""
    from hwprof.metrics import parse_share

    return None if text is None else parse_share(text)


def exit_code(verdicts: Iterable[Verdict]) -> int:
    """Of all that was held against a limit, the worst."""
    from hwprof.profiler.judge import Verdict, worst

    return {Verdict.WITHIN: 0, Verdict.ABOVE: WORSE, Verdict.UNKNOWN: UNKNOWN}[worst(verdicts)]


def judgements_of(measurements: Sequence[Measurement], limit_s: float | None) -> list[Judgement]:
    """Each held against the limit; empty without one."""
    from hwprof.profiler.judge import judge

    return [] if limit_s is None else [judge(m, limit_s) for m in measurements]


def documents(outcomes: Sequence[Outcome], judgements: Sequence[Judgement]) -> list[dict[str, Any]]:
    """The outcomes as JSON prints them, results with what their limit came to, if there is one.

    `judgements` are those of the measurements, in their order, or none.
    """
    from hwprof.report.document import failure_document, judgement_document, measurement_document

    found: list[dict[str, Any]] = []
    judged = iter(judgements)
    for outcome in outcomes:
        if outcome.measurement is not None:
            found.append(measurement_document(outcome.measurement))
            judgement = next(judged, None)
            if judgement is not None:
                found[-1]["gate"] = judgement_document(judgement)
        if outcome.failure is not None:
            found.append(failure_document(outcome.failure, kept=not outcome.refused))
    return found


def tell_judgements(measurements: Sequence[Measurement], judgements: Sequence[Judgement]) -> None:
    """A line for each on standard output."""
    for measurement, judgement in zip(measurements, judgements, strict=False):
        name, slug = visible(measurement.subject.name), visible(measurement.device.slug)
        say(f"limit: {judgement.verdict.value}: {name} on {slug}: {judgement.reason}")
