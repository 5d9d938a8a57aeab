"""`hwprof lut`: show, export, import and prune a lookup table."""

from __future__ import annotations

import io
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, get_args

import typer

from hwprof.cli import additive, completion, removing, streams
from hwprof.cli.options import AsJson, Lut, examples
from hwprof.cli.places import table_path
from hwprof.cli.printing import complain, print_json, print_page, say, tell
from hwprof.cli.rows import print_rows
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
    from collections.abc import Iterable, Iterator

    from hwprof.errors import TableError
    from hwprof.lut import Table
    from hwprof.lut.filters import Filters
    from hwprof.lut.listing import Entry
    from hwprof.measurement import Failure, Measurement

Format = Literal["parquet", "jsonl", "csv"]

app = typer.Typer(rich_markup_mode=None)


@app.callback(
    invoke_without_command=True,
    epilog=examples("hwprof lut show", "hwprof lut export -o latencies.parquet"),
)
def lut(context: typer.Context) -> int:
    """Show, export, import and prune lookup tables."""
    if context.invoked_subcommand is None:
        say(context.get_help())
        return 2
    return 0


@app.command(
    epilog=examples(
        "hwprof lut show --model 'resnet*'",
        "hwprof lut show 3f2a77c0 --kernels",
        "hwprof lut show --lut theirs.db --json",
    )
)
def show(
    identity: Annotated[
        str | None,
        typer.Argument(
            metavar="ID",
            help="The first letters of a row's id.",
            show_default="the whole table",
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
    kernels: Annotated[
        bool,
        typer.Option("--kernels", help="With an ID: every kernel, in execution order."),
    ] = False,
    lut_path: Lut = None,
    as_json: AsJson = False,
) -> None:
    """Show a table, or one measurement by the first letters of its ID."""
    from hwprof.errors import OptionError
    from hwprof.lut import Table
    from hwprof.lut.filters import Filters
    from hwprof.report.document import row_document
    from hwprof.report.listing import counted, listing_page, piped

    if kernels and identity is None:
        raise OptionError("--kernels needs the ID of one measurement; 'hwprof lut show' lists them")
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
    if identity is not None and (failures or any(v is not None for v in filters.values())):
        raise OptionError("an ID names one row; leave out the options that name others")
    path = table_path(lut_path)
    with Table.open(path, create=False, readonly=True) as table, table.snapshot():
        if identity is not None:
            _show_one(table.listing.read(table.listing.find(identity)), kernels, as_json)
            return
        entries = rows_of(table, filters, failures_only=failures)
        damaged: list[TableError] = []
        found = _readable(table, entries, damaged)
        if as_json:
            print_json([row_document(row) for row in found])
        else:
            names = table.listing.shared_names()
            digits = table.listing.digits()
            print_rows(lambda: listing_page(list(found), digits=digits, shared=names), piped(found))
    if sys.stdout.isatty() and not as_json:
        failed = sum(entry.failed for entry in entries)
        say(f"{counted(len(entries) - failed, failed)} in {path}")
    for error in damaged:
        complain(str(error))
    if damaged:
        raise typer.Exit(1)


def _readable(
    table: Table, entries: Iterable[Entry], damaged: list[TableError]
) -> Iterator[Measurement | Failure]:
    """The rows one by one; what is wrong with those that do not read is added to `damaged`."""
    from hwprof.errors import TableError

    for entry in entries:
        try:
            yield table.listing.read(entry)
        except TableError as error:
            damaged.append(error)


def _show_one(row: Measurement | Failure, kernels: bool, as_json: bool) -> None:
    """One row with all that is known of it. Raises OptionError for the kernels of a failure."""
    from hwprof.errors import OptionError
    from hwprof.measurement import Failure
    from hwprof.report.document import row_document
    from hwprof.report.text import failure_page, kernels_page, measurement_page

    if as_json:
        print_json(row_document(row))
    elif not isinstance(row, Failure):
        print_page((kernels_page if kernels else measurement_page)(row))
    elif kernels:
        raise OptionError("a failure has no kernels; leave out --kernels to see its reason")
    else:
        print_page(failure_page(row))


@app.command(
    "export",
    epilog=examples(
        "hwprof lut export -o latencies.parquet",
        "hwprof lut export --format csv -o - --model 'resnet*'",
    ),
)
def export_command(
    output: Annotated[
        str,
        typer.Option("-o", "--output", metavar="FILE|-", help="Where to; - is standard output."),
    ],
    fmt: Annotated[
        Format | None, typer.Option("--format", show_default="from the suffix of -o")
    ] = None,
    anonymous: Annotated[
        bool,
        typer.Option("--anonymous", help="Leave out host names, git commits, GPU ids, failures."),
    ] = False,
    model: Model = None,
    device: Device = None,
    run_id: RunId = None,
    source: Source = None,
    tag: Tag = None,
    since: Since = None,
    before: Before = None,
    limit: Limit = None,
    lut_path: Lut = None,
) -> None:
    """Write a table to Parquet, JSON lines or CSV; importing it again loses nothing."""
    from hwprof.errors import OptionError
    from hwprof.lut import Table, export
    from hwprof.lut.filters import Filters

    form: str = Path(output).suffix.lstrip(".") if fmt is None else fmt
    if form not in get_args(Format):
        raise OptionError(f"'{output}' names no format; give --format parquet, jsonl or csv")
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
    with Table.open(path, create=False, readonly=True) as table:
        rows_of(table, filters)  # refused, before a file is written, where nothing matches
        if output == "-" and sys.stdout.isatty():
            count = _show(table, form, filters, anonymous)
        elif output == "-":
            count = export(table, form, sys.stdout.buffer, anonymous=anonymous, **filters)
            sys.stdout.buffer.flush()
            if streams.failed():
                return  # which is told at the end
        else:
            count = export(table, form, Path(output), anonymous=anonymous, **filters)
    tell(f"exported {count} records from {path} to {output}")


def _show(table: Table, form: str, filters: Filters, anonymous: bool) -> int:
    """An export on a terminal, where names from a table must not act; how many measurements.

    Raises OptionError for Parquet, which nobody reads there.
    """
    from hwprof.errors import OptionError
    from hwprof.lut import export

    if form == "parquet":
        raise OptionError("Parquet is not for a terminal; name a file with -o, or pipe it")
    stream = io.BytesIO()
    count = export(table, form, stream, anonymous=anonymous, **filters)
    text = stream.getvalue().decode("utf-8", "backslashreplace")
    say("\n".join(_rows(text.rstrip("\r\n"), form)))
    return count


def _rows(text: str, form: str) -> Iterator[str]:
    """The rows of an export; a line break inside of a cell begins none."""
    held = ""
    for line in text.replace("\r\n", "\n").split("\n"):
        held = f"{held}\\n{line}" if held else line
        if form == "jsonl" or held.count('"') % 2 == 0:
            yield held
            held = ""


@app.command(
    "import",
    epilog=examples(
        "hwprof lut import latencies.parquet", "hwprof lut import theirs.csv --lut theirs.db"
    ),
)
def import_command(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="What 'hwprof lut export' wrote.")],
    fmt: Annotated[
        Format | None, typer.Option("--format", show_default="from the file's suffix")
    ] = None,
    lut_path: Lut = None,
) -> None:
    """Read an exported file into a table. What the table holds already is left alone."""
    from hwprof.lut import Table, import_file

    path = table_path(lut_path)
    with Table.open(path) as table:
        report = import_file(file, table, fmt)
    say(f"imported {file} into {path}: {report.added} added, {report.already_there} there")


app.command("rm", epilog=removing.EXAMPLES)(removing.remove)
app.command("additive", epilog=additive.EXAMPLES)(additive.additive)
