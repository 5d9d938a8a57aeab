"""Which rows of a table a command is about: the options that say so, and what to say of none."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches
from typing import TYPE_CHECKING, Annotated

import typer

from hwprof.cli import completion

if TYPE_CHECKING:
    from hwprof.errors import OptionError
    from hwprof.lut import Table
    from hwprof.lut.filters import Filters
    from hwprof.lut.listing import Entry

Model = Annotated[
    str | None,
    typer.Option(
        metavar="NAME",
        help="Model name, glob, or 6+ digits of its SHA-256; both as NAME@DIGITS.",
        autocompletion=completion.models,
    ),
]
Device = Annotated[
    str | None,
    typer.Option(
        metavar="DEVICE",
        help="Part of a device's name or slug, or a glob.",
        autocompletion=completion.measured_devices,
    ),
]
RunId = Annotated[
    str | None,
    typer.Option("--run", metavar="ID", help="Run id: the measurements of one command."),
]
Source = Annotated[
    str | None,
    typer.Option(
        metavar="SOURCE",
        help="measured, imported, interpolated or predicted.",
        autocompletion=completion.sources,
    ),
]
Tag = Annotated[
    str | None,
    typer.Option(
        metavar="TEXT", help="One of its tags, or a glob.", autocompletion=completion.tags
    ),
]
Since = Annotated[
    str | None, typer.Option(metavar="TIME", help="Earliest time, for example 2026-01-31.")
]
Before = Annotated[str | None, typer.Option(metavar="TIME", help="Only what is older than this.")]
Limit = Annotated[int | None, typer.Option(min=1, metavar="N", help="At most so many, the newest.")]
OnlyFailures = Annotated[
    bool, typer.Option("--failures", help="Only what failed, of what the other options name.")
]

_FLAGS = {
    "model": "--model",
    "device": "--device",
    "run_id": "--run",
    "source": "--source",
    "tag": "--tag",
    "since": "--since",
    "before": "--before",
}
_NAMED = 3


def rows_of(table: Table, filters: Filters, *, failures_only: bool = False) -> list[Entry]:
    """The rows that match every filter, newest first.

    Raises OptionError where rows were named and there are none, with what there is. That none of
    those that match has failed is an answer, and no error.
    """
    found = table.listing.entries(failures_only=failures_only, **filters)
    asked = {name: filters[name] for name in _FLAGS if filters.get(name) is not None}  # type: ignore[literal-required]
    if found or not asked:
        return found
    if failures_only and table.listing.entries(**filters):
        return []
    raise nothing_matches(table, asked)


def nothing_matches(table: Table, asked: dict[str, str]) -> OptionError:
    """What to say when no row matches these filters."""
    from hwprof.errors import OptionError

    listing = table.listing
    total = sum(table.counts()[kind] for kind in ("measurements", "failures"))
    if not total:
        return OptionError(f"the table {table.path} holds no rows yet: measure something first")
    told = [f"{_FLAGS[name]} '{value}'" for name, value in asked.items()]
    guilty = []
    for name, value in asked.items():
        alone: Filters = {"limit": 1}
        alone[name] = value  # type: ignore[literal-required]
        if not listing.entries(**alone):
            guilty.append(name)
    if not guilty:
        return OptionError(
            f"each of {' and '.join(told)} matches some of the {total} rows in {table.path}, but "
            "no row matches all of them: leave one out"
        )
    name = guilty[0]
    value = asked[name]
    there = {
        "model": lambda: _near(value, (entry.model for entry in listing.entries())),
        "device": lambda: _near(value, (t for d in table.devices() for t in (d.name, d.slug))),
        "tag": lambda: _near(value, listing.tags()),
    }.get(name, lambda: "'hwprof lut show' lists them")()
    return OptionError(
        f"none of the {_rows(total)} in {table.path} matches {_FLAGS[name]} '{value}'; {there}"
    )


def _rows(total: int) -> str:
    return "1 row" if total == 1 else f"{total} rows"


def _near(text: str, known: Iterable[str]) -> str:
    """The names that are like `text`, or else some of those there are."""
    names = {name.lower(): name for name in known}
    if not names:
        return "there are none at all"
    near = [names[lower] for lower in get_close_matches(text.lower(), names, _NAMED, 0.5)]
    near += [name for lower, name in sorted(names.items()) if text.lower() in lower]
    shown = list(dict.fromkeys(near))[:_NAMED]
    if shown:
        return f"try {' or '.join(shown)}"
    some = sorted(names.values())
    more = ", ..." if len(some) > _NAMED else ""
    return f"it holds {', '.join(some[:_NAMED])}{more}"
