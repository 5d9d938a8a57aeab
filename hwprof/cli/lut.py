"""`hwprof lut`: show, export and import a lookup table."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from hwprof.cli.options import json_option, lut_option, table_path

FORMATS = ("parquet", "jsonl", "csv")


@click.group()
def lut() -> None:
    """Show, export and import lookup tables."""


def filter_options(command: Any) -> Any:
    """Options that narrow a selection."""
    options = [
        click.option("--model", help="Model name, glob, or 6+ digits of its SHA-256."),
        click.option("--device", help="Part of a device's name or slug, or a glob."),
        click.option("--run", "run_id", help="Run id: the measurements of one command."),
        click.option("--source", help="measured, imported, interpolated or predicted."),
        click.option("--since", help="Earliest time, for example 2026-01-31."),
        click.option("--limit", type=click.IntRange(1), help="At most so many, the newest."),
    ]
    for option in reversed(options):
        command = option(command)
    return command


@lut.command()
@click.argument("identity", required=False, metavar="[ID]")
@filter_options
@click.option("--kernels", is_flag=True, help="With an ID: every kernel, in execution order.")
@lut_option
@json_option
def show(
    identity: str | None, kernels: bool, lut_path: Path | None, as_json: bool, **filters: Any
) -> int:
    """Show a table, or one measurement by the first letters of its ID."""
    from hwprof.errors import OptionError
    from hwprof.lut import Table
    from hwprof.report.document import measurement_document, print_json
    from hwprof.report.text import print_kernels, print_measurement, print_table

    if kernels and identity is None:
        raise OptionError("--kernels needs the ID of one measurement; 'hwprof lut show' lists them")
    path = table_path(lut_path)
    with Table.open(path, create=False, readonly=True) as table, table.snapshot():
        if identity is not None:
            measurement = table.get(identity)
            if as_json:
                print_json(measurement_document(measurement))
            elif kernels:
                print_kernels(measurement)
            else:
                print_measurement(measurement)
            return 0
        found = table.measurements(**filters)
        if as_json:
            print_json([measurement_document(m) for m in found])
            return 0
        count = print_table(found, table.failures(**filters))
    click.echo(f"{count} measurement{'' if count == 1 else 's'} in {path}")
    return 0


@lut.command("export")
@lut_option
@filter_options
@click.option(
    "--format", "fmt", type=click.Choice(FORMATS), help="[default: from the suffix of -o]"
)
@click.option(
    "-o", "--output", required=True, metavar="FILE|-", help="Where to; - is standard output."
)
def export_command(lut_path: Path | None, fmt: str | None, output: str, **filters: Any) -> None:
    """Write a table to Parquet, JSON lines or CSV; importing it again loses nothing."""
    from hwprof.errors import OptionError
    from hwprof.lut import Table, export

    if fmt is None:
        fmt = Path(output).suffix.lstrip(".")
        if fmt not in FORMATS:
            raise OptionError(f"'{output}' names no format; give --format parquet, jsonl or csv")
    path = table_path(lut_path)
    with Table.open(path, create=False, readonly=True) as table:
        if output == "-":
            count = export(table, fmt, sys.stdout.buffer, **filters)
            sys.stdout.buffer.flush()
        else:
            count = export(table, fmt, Path(output), **filters)
    click.echo(f"exported {count} records from {path} to {output}", err=True)


@lut.command("import")
@click.argument("file", type=click.Path(path_type=Path))
@lut_option
@click.option(
    "--format", "fmt", type=click.Choice(FORMATS), help="[default: from the file's suffix]"
)
def import_command(file: Path, lut_path: Path | None, fmt: str | None) -> None:
    """Read an exported file into a table. What the table holds already is left alone."""
    from hwprof.lut import Table, import_file

    path = table_path(lut_path)
    with Table.open(path) as table:
        report = import_file(file, table, fmt)
    click.echo(f"imported {file} into {path}: {report.added} added, {report.already_there} there")
