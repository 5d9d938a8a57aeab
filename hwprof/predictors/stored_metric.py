"""A metric as files keep it: its name and units, checked like anything else that is read."""

from __future__ import annotations

import msgspec

from hwprof.errors import OptionError
from hwprof.metrics import LATENCY, METRICS, Metric, check_metric

_LONGEST_EXAMPLE = 40


class StoredMetric(msgspec.Struct, frozen=True):
    """In the header of a file."""

    name: str
    units: dict[str, float]
    example: str

    @classmethod
    def of(cls, metric: Metric) -> StoredMetric:
        """What is written."""
        return cls(metric.name, dict(metric.units), metric.example)


def read_metric(stored: StoredMetric | None) -> Metric:
    """The metric that a file names; one that names none is of latency, as the first ones were.

    Of a metric that hwprof knows, hwprof's own is taken. Raises ValueError for one that cannot be,
    or whose units have other sizes than hwprof's.
    """
    if stored is None:
        return LATENCY
    known = METRICS.get(stored.name)
    if known is not None:
        # A file of another version may have units more or less, but none of another size.
        shared = stored.units.keys() & known.units.keys()
        if known.unit not in shared or any(stored.units[u] != known.units[u] for u in shared):
            raise ValueError(f"its units of {known.name} are not hwprof's")
        return known
    if len(stored.example) > _LONGEST_EXAMPLE or not stored.example.isprintable():
        raise ValueError("the example of its metric is none")
    try:
        return check_metric(Metric(stored.name, stored.units, stored.example))
    except OptionError as error:
        raise ValueError(str(error)) from error
