"""`hwprof measure`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from hwprof.cli.complaint import complain
from hwprof.cli.options import (
    json_option,
    lut_option,
    measuring_options,
    plan_of,
    predicting,
    shapes_of,
    sweep_options,
    table_path,
    targets_of,
)

if TYPE_CHECKING:
    from hwprof.profiler.campaign import Outcome


# Pairs of turns that a ratio's interval needs.
RESTARTS_IN_TURNS = 3


@click.command()
@click.argument("models", nargs=-1, metavar="[MODEL]...", type=click.Path(path_type=Path))
@click.option("--space", help="Measure architectures of this search space instead of files.")
@click.option("--arch", "archs", multiple=True, metavar="TEXT", help="One of them (repeatable).")
@click.option(
    "--select",
    "selected",
    type=click.IntRange(1),
    metavar="K",
    help="Those that 'hwprof select' prints: what a prediction needs most.",
)
@click.option("--sample", "sampled", type=click.IntRange(1), metavar="K", help="K random ones.")
@click.option("--resolution", type=click.IntRange(1), help="Side of the image, or tokens.")
@sweep_options
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
    space: str | None,
    archs: tuple[str, ...],
    selected: int | None,
    sampled: int | None,
    resolution: int | None,
    lut_path: Path | None,
    as_json: bool,
    resume: bool,
    **options: Any,
) -> int:
    """Measure latency, per-op costs and memory of ONNX models into a table.

    Each model runs in a fresh process; each result is saved at once. Several devices take turns,
    so that drift of the machine hits all alike. With --space, architectures are built with random
    weights and measured.
    """
    from hwprof import spaces
    from hwprof.cli.progress import Bar
    from hwprof.errors import OptionError, TableError
    from hwprof.lut import Table
    from hwprof.profiler.agreement import Agreement
    from hwprof.profiler.architectures import architecture_jobs
    from hwprof.profiler.campaign import Job, Turns, in_turns, jobs_for, run_campaign

    targets = targets_of(options["devices"], options["threads"], options["meter"])
    usual = 1 if len(targets) == 1 else RESTARTS_IN_TURNS
    plan = plan_of(
        precision=options["precision"],
        budget=options["budget"],
        restarts=usual if options["restarts"] is None else options["restarts"],
        per_op=options["per_op"],
        pin=options["pin"],
        percentile=options["percentile"],
    )
    chosen = _architectures(models, space, archs, selected, sampled, resolution)
    shapes = shapes_of(options["shapes"])
    if space is not None and shapes:
        raise OptionError("--shape is for files; --resolution sets the input of --space")
    sweep: list[Iterator[Turns]] = []
    for batch in options["batches"] or (None,):
        jobs: Iterable[Job]
        if space is None:
            jobs = jobs_for(models, targets[0][1], shapes, batch)
        else:
            jobs = architecture_jobs(
                spaces.get(space), chosen, targets[0][1], batch=batch or 1, resolution=resolution
            )
        sweep.append(in_turns(jobs, targets))
    cells = len(chosen or models) * len(targets) * len(options["batches"] or (None,))
    agreement = Agreement() if options["check_outputs"] else None
    outcomes: list[Outcome] = []
    path = table_path(lut_path)
    unsaved: TableError | None = None
    try:
        with Table.open(path) as table, Bar(cells) as bar:
            for outcome in run_campaign(
                chain.from_iterable(sweep),
                plan,
                table,
                resume=resume,
                agreement=agreement,
                listen=bar.tell,
            ):
                outcomes.append(outcome)
                unsaved = outcome.unsaved
                bar.advance()
                if not as_json:
                    bar.clear()
                show(outcome, as_json, several=len(targets) > 1)
    finally:
        # Also when interrupted: what was measured is printed, and still one document.
        if as_json:
            from hwprof.report.document import measurement_document, print_json

            print_json(
                [measurement_document(o.measurement) for o in outcomes if o.measurement is not None]
            )
    if unsaved is not None:
        raise unsaved
    if not as_json and any(o.measurement for o in outcomes):
        if len(targets) > 1:
            from hwprof.report.text import print_ratios

            print_ratios([o.measurement for o in outcomes if o.measurement is not None])
        click.echo(f"\nSaved in {path}; see 'hwprof lut show --lut {path}'.")
    return 1 if any(o.failure for o in outcomes) else 0


def _architectures(
    models: tuple[Path, ...],
    space: str | None,
    archs: tuple[str, ...],
    selected: int | None,
    sampled: int | None,
    resolution: int | None,
) -> list[str]:
    """Texts of the architectures asked for; none where files were named.

    Raises OptionError for options that do not go together.
    """
    from hwprof.errors import OptionError

    ways = [bool(archs), selected is not None, sampled is not None]
    if space is None:
        if any(ways) or resolution is not None:
            raise OptionError(
                "--arch, --select, --sample and --resolution are for architectures; name their "
                "search space with --space"
            )
        if not models:
            raise OptionError("name the models to measure, or a search space with --space")
        return []
    if models:
        raise OptionError("measure either files or architectures of --space, one at a time")
    if sum(ways) != 1:
        raise OptionError("with --space, say which architectures: --arch, --select or --sample")
    if selected is not None:
        chosen: list[str] = predicting().to_measure(space, selected)
        return chosen
    from hwprof import spaces

    known = spaces.get(space)
    if sampled is not None:
        import numpy as np

        return known.texts(known.sample(sampled, np.random.default_rng(0)))
    return known.texts(known.indices(list(archs)))


def show(outcome: Outcome, as_json: bool, *, several: bool = False) -> None:
    """Print one outcome as it arrives: failures always, results unless JSON is wanted."""
    from hwprof.report.text import print_measurement

    if outcome.failure is not None:
        # Most reasons name the model; among several devices it must be clear which one failed.
        device = f"{outcome.job.device}: " if several else ""
        complain(device + outcome.failure.reason)
    elif outcome.measurement is not None and not as_json:
        print_measurement(outcome.measurement, resumed=outcome.resumed)
