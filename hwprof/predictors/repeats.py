"""Several measurements of one architecture on one device, taken together."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from math import sqrt


def taken_together(
    values: Sequence[float], std_errors: Sequence[float | None]
) -> tuple[float, float | None]:
    """The median of some values, and its standard error; None where nothing tells.

    The error is what measurements usually say of themselves, or how they scatter, if that is more:
    what differs between two processes no one of them has seen.
    """
    known = [error for error in std_errors if error is not None]
    own = statistics.median(known) if known else None
    if len(values) < 2:
        return values[0], own
    scatter = statistics.stdev(values) / sqrt(len(values))
    return statistics.median(values), max(scatter, own or 0.0)
