"""Predictions as lines or as JSON, and which of them keep a limit."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hwprof.cli.printing import print_json, say

if TYPE_CHECKING:
    from hwprof.metrics import Metric
    from hwprof.predictors.shipped import Answer


def within(answers: list[Answer], limit: float, metric: Metric, share: float) -> list[Answer]:
    """Answers whose bound, which holds with probability `share`, is at most `limit`.

    Raises OptionError where there is none, with the least.
    """
    kept = [a for a in answers if a.bound is not None and a.bound <= limit]
    if not kept:
        from hwprof.errors import OptionError
        from hwprof.metrics import LATENCY

        best = min(answers, key=lambda a: a.bound or a.mean)
        least = "fastest" if metric.is_same(LATENCY) else "least"
        raise OptionError(
            f"no architecture is predicted at or below {metric.show(limit)} with probability "
            f"{share:g}: the {least} is '{best.arch}' with {metric.show(best.bound or best.mean)} "
            f"({metric.show(best.mean)} expected); raise the limit, or lower --quantile"
        )
    return kept


def print_answers(answers: list[Answer], metric: Metric, as_json: bool) -> None:
    """One line each with its 90 % interval, or one document."""
    from hwprof.metrics import LATENCY

    of_latency = metric.is_same(LATENCY)
    if as_json:
        rows: list[dict[str, Any]] = []
        for a in answers:
            named = {"metric": metric.name, "unit": metric.unit}
            figures = {"mean": a.mean, "std": a.std, "interval90": [a.low, a.high]}
            row = {"arch": a.arch, **named, **figures}
            if of_latency:
                row |= {f"{name}_s": value for name, value in figures.items()}
            rows.append(row)
        print_json(rows)
        return
    from hwprof.figures import four_digits

    # One unit for all lines; that of latencies is milliseconds, whatever they are.
    middle = sorted(a.mean for a in answers)[len(answers) // 2]
    unit = "ms" if of_latency else metric.shown_in(middle)
    size, name = metric.units[unit], "" if of_latency else f"{metric.name} "
    for a in answers:
        mean, low, high = (four_digits(value / size) for value in (a.mean, a.low, a.high))
        say(f"{name}{mean:>9s} {unit}".rstrip() + f"  [{low}, {high}]  {a.arch}")
