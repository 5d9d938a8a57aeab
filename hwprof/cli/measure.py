"""`hwprof measure`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from hwprof.cli.complaint import complain
from hwprof.cli.options import (
    json_option,
    lut_option,
    measuring_options,
    plan_of,
    shapes_of,
    table_path,
    target_of,
)

if TYPE_CHECKING:
    from hwprof.profiler.campaign import Outcome


@click.command()
@click.argument(
    "models", nargs=-1, required=True, metavar="MODEL...", type=click.Path(path_type=Path)
)
@measuring_options
@click.option("--per-op/--no-per-op", default=True, help="Also measure every kernel.")
@click.option(
    "--percentile", type=float, metavar="90|99|99.9", help="Sample until this tail is supported."
)
@click.option("--resume", is_flag=True, help="Skip what the table holds from the same command.")
@lut_option
@json_option
def measure(
    models: tuple[Path, ...],
    lut_path: Path | None,
    as_json: bool,
    resume: bool,
    **options: Any,
) -> int:
    """Measure latency, per-op costs and memory of ONNX models into a table.

    Each model runs in a fresh process; each result is saved at once.
    """
    from hwprof.cli.progress import Bar
    from hwprof.errors import TableError
    from hwprof.lut import Table
    from hwprof.profiler.campaign import jobs_for, run_campaign

    plan = plan_of(
        precision=options["precision"],
        budget=options["budget"],
        restarts=1 if options["restarts"] is None else options["restarts"],
        per_op=options["per_op"],
        pin=options["pin"],
        percentile=options["percentile"],
    )
    target = target_of(options["device"], options["threads"])
    jobs = jobs_for(models, target, shapes_of(options["shapes"]), options["batch"])
    outcomes: list[Outcome] = []
    path = table_path(lut_path)
    unsaved: TableError | None = None
    try:
        with Table.open(path) as table, Bar(len(jobs)) as bar:
            for outcome in run_campaign(jobs, plan, table, resume=resume, listen=bar.tell):
                outcomes.append(outcome)
                unsaved = outcome.unsaved
                bar.advance()
                if not as_json:
                    bar.clear()
                show(outcome, as_json)
    finally:
        # Also when interrupted: what was measured is printed, and still one document.
        if as_json:
            from hwprof.cli.documents import measurement_document, print_json

            print_json(
                [measurement_document(o.measurement) for o in outcomes if o.measurement is not None]
            )
    if unsaved is not None:
        raise unsaved
    if not as_json and any(o.measurement for o in outcomes):
        click.echo(f"\nSaved in {path}; see 'hwprof lut show --lut {path}'.")
    return 1 if any(o.failure for o in outcomes) else 0


def show(outcome: Outcome, as_json: bool) -> None:
    """Print one outcome as it arrives: failures always, results unless JSON is wanted."""
    from hwprof.cli.render import print_measurement

    if outcome.failure is not None:
        complain(outcome.failure.reason)
    elif outcome.measurement is not None and not as_json:
        print_measurement(outcome.measurement, resumed=outcome.resumed)
