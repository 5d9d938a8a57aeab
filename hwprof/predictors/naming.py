"""How values are called: in their base unit whatever the metric, or by the name of seconds.

`values`, `mean`, `std` and `std_error` are of any metric. `latency_s`, `mean_s`, `std_s` and
`std_error_s` are the same numbers where the metric is latency, and refused elsewhere: nothing that
is called seconds is anything else.
"""

from __future__ import annotations

from numpy.typing import ArrayLike

from hwprof.errors import OptionError
from hwprof.metrics import LATENCY, Metric, check_metric


def need_latency(metric: Metric, what: str, general: str) -> None:
    """Raise OptionError where seconds are asked of another metric; `general` has its values."""
    if not metric.is_same(LATENCY):
        raise OptionError(
            f"this {what} is of {metric.name} in {metric.words}, not of latency; use .{general}"
        )


def values_name(metric: Metric) -> str:
    """How messages call the values."""
    return "latency_s" if metric.is_same(LATENCY) else metric.name


def error_name(metric: Metric) -> str:
    """How messages call the standard errors."""
    return "std_error_s" if metric.is_same(LATENCY) else "std_error"


def given(
    own: Metric,
    values: ArrayLike | None,
    std_error: ArrayLike | None,
    metric: Metric | str | None = None,
    *,
    latency_s: ArrayLike | None,
    std_error_s: ArrayLike | None,
) -> tuple[ArrayLike, ArrayLike | None, Metric]:
    """Values, standard errors and metric that a caller gives, by whichever names they came.

    `own` is the predictor's metric, which they are of unless `metric` names another. Raises
    OptionError for one thing under both names, and for seconds where the metric is another.
    """
    wanted = own if metric is None else check_metric(metric)
    return (
        named_values(wanted, values, latency_s),
        _named(wanted, std_error, std_error_s, "std_error", "std_error_s"),
        wanted,
    )


def named_values(
    metric: Metric, values: ArrayLike | None, latency_s: ArrayLike | None
) -> ArrayLike:
    """The values alone, as `given`. Raises OptionError where there are none, too."""
    found = _named(metric, values, latency_s, "values", "latency_s")
    if found is None:
        raise OptionError("there are no values; pass what was measured")
    return found


def _named(
    metric: Metric,
    general: ArrayLike | None,
    seconds: ArrayLike | None,
    name: str,
    name_s: str,
) -> ArrayLike | None:
    if seconds is None:
        return general
    if general is not None:
        raise OptionError(f"{name} and {name_s} are two names of one thing; pass one of them")
    if not metric.is_same(LATENCY):
        raise OptionError(
            f"{name_s} are seconds of latency, but {metric.name} in {metric.words} is what is "
            f"predicted here; pass {name} in {metric.words}"
        )
    return seconds
