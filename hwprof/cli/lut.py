"""`hwprof lut`: show, export and import a lookup table."""

from __future__ import annotations

import io
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, get_args

import typer

from hwprof.cli import completion
from hwprof.cli.options import AsJson, Lut, examples
from hwprof.cli.places import table_path
from hwprof.cli.printing import print_json, print_page, say, tell

if TYPE_CHECKING:
    from hwprof.lut import Table
    from hwprof.lut.filters import Filters

Format = Literal["parquet", "jsonl", "csv"]

# What narrows a selection.
Model = Annotated[
    str | None,
    typer.Option(
        metavar="NAME",
        help="Model name, glob, or 6+ digits of its SHA-256.",
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
Since = Annotated[
    str | None, typer.Option(metavar="TIME", help="Earliest time, for example 2026-01-31.")
]
Limit = Annotated[int | None, typer.Option(min=1, metavar="N", help="At most so many, the newest.")]

app = typer.Typer(rich_markup_mode=None)


@app.callback(
    invoke_without_command=True,
    epilog=examples("hwprof lut show", "hwprof lut export -o latencies.parquet"),
)
def lut(context: typer.Context) -> int:
    """Show, export and import lookup tables."""
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
            help="The first letters of a measurement's id.",
            show_default="the whole table",
            autocompletion=completion.identities,
        ),
    ] = None,
    model: Model = None,
    device: Device = None,
    run_id: RunId = None,
    source: Source = None,
    since: Since = None,
    limit: Limit = None,
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
    from hwprof.report.document import measurement_document
    from hwprof.report.text import kernels_page, measurement_page, table_page

    if kernels and identity is None:
        raise OptionError("--kernels needs the ID of one measurement; 'hwprof lut show' lists them")
    filters = Filters(
        model=model, device=device, run_id=run_id, source=source, since=since, limit=limit
    )
    path = table_path(lut_path)
    with Table.open(path, create=False, readonly=True) as table, table.snapshot():
        if identity is not None:
            measurement = table.get(identity)
            if as_json:
                print_json(measurement_document(measurement))
            else:
                print_page((kernels_page if kernels else measurement_page)(measurement))
            return
        found = table.measurements(**filters)
        if as_json:
            print_json([measurement_document(m) for m in found])
            return
        page, count = table_page(found, table.failures(**filters))
    print_page(page)
    say(f"{count} measurement{'' if count == 1 else 's'} in {path}")


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
    model: Model = None,
    device: Device = None,
    run_id: RunId = None,
    source: Source = None,
    since: Since = None,
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
        model=model, device=device, run_id=run_id, source=source, since=since, limit=limit
    )
    path = table_path(lut_path)
    with Table.open(path, create=False, readonly=True) as table:
        if output == "-" and sys.stdout.isatty():
            count = _show(table, form, filters)
        elif output == "-":
            count = export(table, form, sys.stdout.buffer, **filters)
            sys.stdout.buffer.flush()
        else:
            count = export(table, form, Path(output), **filters)
    tell(f"exported {count} records from {path} to {output}")


def _show(table: Table, form: str, filters: Filters) -> int:
    """An export on a terminal, where names from a table must not act; how many measurements.

    Raises OptionError for Parquet, which nobody reads there.
    """
    from hwprof.errors import OptionError
    from hwprof.lut import export

    if form == "parquet":
        raise OptionError("Parquet is not for a terminal; name a file with -o, or pipe it")
    stream = io.BytesIO()
    count = export(table, form, stream, **filters)
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
