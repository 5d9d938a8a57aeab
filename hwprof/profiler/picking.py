"""Which measurement of a table a caller means."""

from __future__ import annotations

from hwprof.errors import TableError, WrongTable
from hwprof.lut import Table
from hwprof.measurement import Measurement


def stored(
    table: Table,
    text: str,
    *,
    device: str | None = None,
    threads: int | None = None,
    batch: int | None = None,
) -> Measurement:
    """The measurement whose id begins with `text`, else the newest of the model of that name.

    Only those count whose device matches `device` (as in `hwprof.lut.filters.Filters`), and that
    have so many `threads` and this `batch`, where they are given.
    Raises WrongTable when there is none.
    """

    def fits(measurement: Measurement) -> bool:
        return (threads is None or measurement.device.threads == threads) and (
            batch is None or measurement.subject.batch == batch
        )

    named: Measurement | None = None
    reason: TableError | None = None
    try:
        named = table.get(text)
    except TableError as error:
        reason = error
    else:
        if fits(named) and (device is None or named.id in table.ids(device=device)):
            return named
    if text in table.listing.shared_names():
        raise WrongTable(
            f"several models of different content are called '{text}' in {table.path}; name one by "
            "its id or by name and hash, as in NAME@3f2a77, which 'hwprof lut show' lists"
        )
    for measurement in table.measurements(model=text, device=device):
        if fits(measurement):
            return measurement
    asked = _asked(device, threads, batch)
    if named is not None:
        size = "no batch" if named.subject.batch is None else f"batch {named.subject.batch}"
        raise WrongTable(
            f"'{text}' is a measurement of {size} on {named.device.slug}, not one with {asked}; "
            "leave that out or name another"
        )
    if asked and table.ids(model=text, limit=1):
        raise WrongTable(
            f"no measurement of '{text}' in {table.path} has {asked}; 'hwprof lut show' lists "
            "what there is"
        )
    raise WrongTable(
        f"'{text}' is neither a model file nor the id or model name of a measurement in "
        f"{table.path}; 'hwprof lut show' lists what it holds"
    ) from reason


def _asked(device: str | None, threads: int | None, batch: int | None) -> str:
    """`a device like 'openvino' and 2 threads`: what was asked for besides the name."""
    parts = [] if device is None else [f"a device like '{device}'"]
    if threads is not None:
        parts.append("1 thread" if threads == 1 else f"{threads} threads")
    if batch is not None:
        parts.append(f"batch {batch}")
    return " and ".join(parts)
