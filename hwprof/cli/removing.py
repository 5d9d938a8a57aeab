"""`hwprof lut rm`."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from hwprof.cli import completion
from hwprof.cli.options import Lut, examples
from hwprof.cli.places import table_path
from hwprof.cli.rows import print_rows, sum_up
from hwprof.cli.selecting import (
    Before,
    Device,
    Limit,
    Model,
    OnlyFailures,
    RunId,
    Since,
    Source,
    Tag,
    rows_of,
)

if TYPE_CHECKING:
    from hwprof.lut import Table
    from hwprof.lut.filters import Filters
    from hwprof.lut.listing import Entry

EXAMPLES = examples(
    "hwprof lut rm 3f2a77c0 8b01",
    "hwprof lut rm --failures --before 2026-01-31 --yes",
    "hwprof lut rm --model 'resnet*' --tag trial --dry-run",
)


def remove(
    identities: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="ID",
            help="The first letters of a row's id (repeatable).",
            show_default="what the options name",
            autocompletion=completion.rows,
        ),
    ] = None,
    model: Model = None,
    device: Device = None,
    run_id: RunId = None,
    source: Source = None,
    tag: Tag = None,
    since: Since = None,
    before: Before = None,
    limit: Limit = None,
    failures: OnlyFailures = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show what would be removed, and remove nothing.")
    ] = False,
    lut_path: Lut = None,
) -> int:
    """Remove rows from a table: those of these IDs, or all that the options name.

    Options name what 'hwprof lut show' lists with the same ones, measurements and failures alike.
    What is to go is listed first, and asked about on a terminal.
    """
    from hwprof.errors import OptionError
    from hwprof.lut import Table
    from hwprof.lut.filters import Filters

    filters = Filters(
        model=model,
        device=device,
        run_id=run_id,
        source=source,
        tag=tag,
        since=since,
        before=before,
        limit=limit,
    )
    path = table_path(lut_path)
    with Table.open(path, create=False, readonly=True) as table, table.snapshot():
        entries = _chosen(table, identities or [], filters, failures)
        digits = table.listing.digits()
    if not entries:
        sum_up(f"nothing failed of what was named in {path}, so there is nothing to remove")
        return 0
    if not (yes or dry_run or sys.stdin.isatty()):
        raise OptionError(
            f"{_rows(len(entries))} would be removed from {path}; give --yes to do so, or "
            "--dry-run to see which"
        )
    _list(entries, digits)
    if dry_run:
        sum_up(f"{_rows(len(entries))} would be removed from {path}")
        return 0
    if not yes and not typer.confirm(f"Remove {_rows(len(entries))} from {path}?", err=True):
        sum_up("nothing was removed")
        return 1
    with Table.open(path, create=False) as table:
        removed = table.remove(entries)
    sum_up(f"removed {_rows(removed)} from {path}")
    return 0


def _chosen(
    table: Table, identities: list[str], filters: Filters, failures_only: bool
) -> list[Entry]:
    """The rows that were named, by ids or by options. Raises OptionError where they were not."""
    from hwprof.errors import OptionError

    narrowed = failures_only or any(value is not None for value in filters.values())
    if identities and narrowed:
        raise OptionError("rows are named either by ids or by options; leave one of them out")
    if identities:
        # One that is wrong leaves all alone.
        found = [table.listing.find(identity) for identity in identities]
        return list(dict.fromkeys(found))
    if not narrowed:
        raise OptionError(
            "say which rows to remove: their ids, or options such as --model and --failures "
            "(--model '*' for all)"
        )
    return rows_of(table, filters, failures_only=failures_only)


def _list(entries: list[Entry], digits: int) -> None:
    from hwprof.report.listing import entries_page, piped_entries

    print_rows(lambda: entries_page(entries, digits=digits), piped_entries(entries))


def _rows(number: int) -> str:
    return "1 row" if number == 1 else f"{number} rows"
