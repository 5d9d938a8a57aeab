"""The rows of a lookup table, one line each: fitted to a terminal, or whole for a program to read.

A terminal has milliseconds and short names; a pipe has seconds, joules and bytes under the names of
the exports' columns, whole ids and names, and tabs in between.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from heapq import merge
from typing import Any

from hwprof.lut.listing import SHORT, Entry
from hwprof.measurement import Failure, Measurement
from hwprof.report.columns import Column, Fitted
from hwprof.report.devices import short_names
from hwprof.report.facts import marks, mib, subject_inputs
from hwprof.report.text import Page, ms

Row = Measurement | Failure

FAILED = "failed"
# As few digits as `--model` takes for a hash.
_DIGITS = 6
# Cells of a text that is cut: with the fewest, eighty columns hold model, latency, device and the
# beginning of a note; with enough, a wider terminal shows more columns.
_NAME: Mapping[str, Any] = {"cut": "middle", "least": 16, "enough": 24}
_DEVICE: Mapping[str, Any] = {"cut": "middle", "least": 25, "enough": 25}
_TEXT: Mapping[str, Any] = {"cut": "end", "least": 8, "enough": 16}
# Above this nothing is known of a latency but its size.
_WIDEST = 10

PIPED = (
    *("id", "created_at", "model", "inputs", "latency_s", "ci95_low_s", "ci95_high_s"),
    *("clean_share", "peak_memory_bytes", "energy_gross_j", "energy_net_j", "device"),
    *("source", "sha256", "tags", "notes"),
)
"""Columns in a pipe; an empty cell is a value that is not known."""
ENTRY_COLUMNS = ("id", "created_at", "model", "device", "kind")


def newest_first(measurements: Iterable[Measurement], failures: Iterable[Failure]) -> Iterator[Row]:
    """Both kinds together, each of them being newest first already."""
    both: tuple[Iterable[Row], Iterable[Row]] = (measurements, failures)
    return merge(*both, key=lambda row: (row.created_at, row.id), reverse=True)


def table_page(
    measurements: Iterable[Measurement], failures: Iterable[Failure]
) -> tuple[Page, int]:
    """The rows of a lookup table, and how many measurements there were."""
    rows = list(newest_first(measurements, failures))
    return listing_page(rows), sum(isinstance(row, Measurement) for row in rows)


def listing_page(rows: Sequence[Row], *, digits: int = SHORT, shared: Collection[str] = ()) -> Page:
    """The rows for a terminal, in their order, one line each.

    `digits` of an id are shown; names among `shared`, which models of different content have, are
    followed by the first digits of their hash, as `--model` takes them.
    """
    page = Page()
    if not rows:
        return page
    devices = _short_devices(rows)

    failed = {n: "red" for n, row in enumerate(rows) if isinstance(row, Failure)}
    gross, net = zip(*map(_energy, rows), strict=True)
    columns = [
        Column("id", [row.id[:digits] for row in rows]),
        Column("when (UTC)", [_when(row.created_at) for row in rows], rank=2),
        Column("model", [name_of(row, shared) for row in rows], **_NAME),
        Column("input", [_inputs(row) for row in rows], **_TEXT, rank=5),
        Column("ms", [_milliseconds(row) for row in rows], right=True, styles=failed),
        Column("±", [_half_width(row) for row in rows], right=True),
        Column("clean", [_clean(row) for row in rows], right=True, rank=6),
        Column("peak", [_peak(row) for row in rows], right=True, rank=3),
        Column("gross J", gross, right=True, rank=7),
        Column("net J", net, right=True, rank=7),
        Column("device", [_device(row, devices) for row in rows], **_DEVICE),
        Column("tags", [_tags(row) for row in rows], **_TEXT, rank=4),
        Column("notes", [_notes(row) for row in rows], **_TEXT, rank=1),
    ]
    # A column of which no row has anything tells nothing.
    page.print(Fitted([c for c in columns if any(c.cells)]))
    return page


def entries_page(entries: Sequence[Entry], *, digits: int = SHORT) -> Page:
    """The rows by what names them, as `listing_page`."""
    page = Page()
    styles = {n: "red" for n, entry in enumerate(entries) if entry.failed}
    page.print(
        Fitted(
            [
                Column("id", [entry.id[:digits] for entry in entries]),
                Column("when (UTC)", [_when(entry.created_at) for entry in entries]),
                Column("kind", [_kind(entry) for entry in entries], styles=styles),
                Column("model", [e.model for e in entries], **_NAME),
                Column("device", [e.device for e in entries], **_NAME),
            ]
        )
    )
    return page


def piped(rows: Iterable[Row]) -> Iterator[tuple[str, ...]]:
    """`PIPED`, then the cells of each row."""
    yield PIPED
    for row in rows:
        yield _piped_failure(row) if isinstance(row, Failure) else _piped(row)


def piped_entries(entries: Iterable[Entry]) -> Iterator[tuple[str, ...]]:
    """`ENTRY_COLUMNS`, then the cells of each row."""
    yield ENTRY_COLUMNS
    for entry in entries:
        yield entry.id, entry.created_at, entry.model, entry.device, _kind(entry)


def name_of(row: Row, shared: Collection[str]) -> str:
    """What a row's model is called, with the start of its hash where others are called so too."""
    if isinstance(row, Failure):
        return row.subject
    name = row.subject.name
    return f"{name}@{row.subject.sha256[:_DIGITS]}" if name in shared else name


def counted(measurements: int, failures: int) -> str:
    """How many of each: `2 measurements, 1 failure`."""
    parts = [f"{measurements} measurement{'' if measurements == 1 else 's'}"]
    if failures:
        parts.append(f"{failures} failure{'' if failures == 1 else 's'}")
    return ", ".join(parts)


def notes_of(measurement: Measurement) -> list[str]:
    """What its latency must not be read without; where it has none, what it was warned of."""
    if _timed(measurement):
        return marks(measurement)
    source = [] if measurement.source == "measured" else [measurement.source]
    return source + [warning.code.value for warning in measurement.warnings]


def _kind(entry: Entry) -> str:
    return "failure" if entry.failed else "measurement"


def _when(created_at: str) -> str:
    return created_at[:16].replace("T", " ")


def _inputs(row: Row) -> str:
    return "" if isinstance(row, Failure) else subject_inputs(row.subject)


def _timed(row: Row) -> bool:
    """Whether there is a latency to show: what comes from elsewhere may hold no samples."""
    return isinstance(row, Measurement) and all(len(r.steady) for r in row.restarts)


def _milliseconds(row: Row) -> str:
    if isinstance(row, Failure):
        return FAILED
    return ms(row.latency.headline_s) if _timed(row) else "-"


def _half_width(row: Row) -> str:
    if isinstance(row, Failure):
        return ""
    width = row.latency.relative_half_width if _timed(row) else None
    if width is None:
        return "-"
    return f"{width:.1%}" if width < _WIDEST else f">{_WIDEST:.0%}"


def _clean(row: Row) -> str:
    if isinstance(row, Failure):
        return ""
    share = row.latency.clean_share if _timed(row) else None
    return "-" if share is None else f"{share:.0%}"


def _peak(row: Row) -> str:
    return "" if isinstance(row, Failure) else mib(row.memory.peak_bytes)


def _energy(row: Row) -> tuple[str, str]:
    """Gross and net, joules of a run."""
    if isinstance(row, Failure):
        return "", ""
    reading = row.energy.reading
    if reading is None:
        return "absent", "absent"
    return f"{reading.gross_j_per_run:.3g}", f"{reading.net_j_per_run:.3g}"


def _short_devices(rows: Iterable[Row]) -> dict[str, str]:
    """Short names by fingerprint, and by slug: a failure has no more of its device, if that."""
    specs = {row.device.fingerprint: row.device for row in rows if isinstance(row, Measurement)}
    names = short_names(specs.values())
    return {spec.slug: names[key] for key, spec in specs.items()} | names


def _device(row: Row, names: dict[str, str]) -> str:
    if isinstance(row, Failure):
        return names.get(row.device, row.device)
    return names[row.device.fingerprint]


def _tags(row: Row) -> str:
    return "" if isinstance(row, Failure) else ", ".join(row.tags)


def _notes(row: Row) -> str:
    return row.reason if isinstance(row, Failure) else ", ".join(notes_of(row))


def _piped(m: Measurement) -> tuple[str, ...]:
    latency = m.latency if _timed(m) else None
    interval = None if latency is None else latency.ci95_s
    reading = m.energy.reading
    return (
        m.id,
        m.created_at,
        m.subject.name,
        subject_inputs(m.subject),
        _number(None if latency is None else latency.headline_s),
        _number(None if interval is None else interval[0]),
        _number(None if interval is None else interval[1]),
        _number(None if latency is None else latency.clean_share),
        _number(m.memory.peak_bytes),
        _number(None if reading is None else reading.gross_j_per_run),
        _number(None if reading is None else reading.net_j_per_run),
        m.device.slug,
        m.source,
        m.subject.sha256,
        ",".join(m.tags),
        ", ".join(notes_of(m)),
    )


def _piped_failure(failure: Failure) -> tuple[str, ...]:
    known = {
        "id": failure.id,
        "created_at": failure.created_at,
        "model": failure.subject,
        "device": failure.device,
        "source": FAILED,
        "notes": failure.reason,
    }
    return tuple(known.get(name, "") for name in PIPED)


def _number(value: float | None) -> str:
    """A number with every digit that was measured; empty where unknown."""
    if value is None:
        return ""
    return str(value) if isinstance(value, int) else f"{value:.9g}"
