"""`hwprof compare`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from hwprof.cli.options import (
    json_option,
    lut_option,
    measuring_options,
    one_cell_options,
    plan_of,
    shapes_of,
    table_path,
    target_of,
)

if TYPE_CHECKING:
    from hwprof.profiler.compare import Comparison

PAIRS = 5


@click.command()
@click.argument("a")
@click.argument("b")
@click.option(
    "--model",
    type=click.Path(path_type=Path),
    help="Model to measure when A and B are devices.",
)
@one_cell_options
@measuring_options
@lut_option
@json_option
def compare(
    a: str, b: str, model: Path | None, lut_path: Path | None, as_json: bool, **options: Any
) -> None:
    """Ratio of two latencies, with its 95% interval.

    A and B are two model files (measured now, in turn), two devices with --model (likewise), or
    two measurements of a table, by ID or by model name (the newest one counts).
    """
    from hwprof.errors import OptionError

    files = [Path(side).is_file() for side in (a, b)]
    if model is not None:
        comparison = _devices(a, b, model, lut_path, options)
    elif all(files):
        comparison = _models(a, b, lut_path, options)
    elif any(files):
        stranger = b if files[0] else a
        raise OptionError(
            f"'{stranger}' is not a model file, but the other side is; give two model files, "
            "two devices with --model, or two measurements of a table"
        )
    else:
        comparison = _stored(a, b, table_path(lut_path))
    if as_json:
        from hwprof.report.document import comparison_document, print_json

        print_json(comparison_document(comparison))
    else:
        from hwprof.report.text import print_comparison

        print_comparison(comparison)


def _stored(a: str, b: str, path: Path) -> Comparison:
    from hwprof.lut import Table
    from hwprof.profiler.compare import compare_stored, stored

    with Table.open(path, create=False, readonly=True) as table:
        return compare_stored(stored(table, a), stored(table, b))


def _models(a: str, b: str, lut_path: Path | None, options: dict[str, Any]) -> Comparison:
    from hwprof.models.load import load_model
    from hwprof.profiler.campaign import jobs_for

    target = target_of(options["device"], options["threads"], options["meter"])
    jobs = jobs_for([Path(a), Path(b)], target, shapes_of(options["shapes"]), options["batch"])
    models = [load_model(job.model, shapes=job.shapes, batch=job.batch) for job in jobs]
    return _now([(models[0], target), (models[1], target)], lut_path, options)


def _devices(
    a: str, b: str, model: Path, lut_path: Path | None, options: dict[str, Any]
) -> Comparison:
    from hwprof.models.load import load_model

    loaded = load_model(model, shapes=shapes_of(options["shapes"]), batch=options["batch"])
    sides = [(loaded, target_of(side, options["threads"], options["meter"])) for side in (a, b)]
    return _now(sides, lut_path, options)


def _now(sides: list[Any], lut_path: Path | None, options: dict[str, Any]) -> Comparison:
    from hwprof.cli.progress import Bar
    from hwprof.lut import Table
    from hwprof.profiler.agreement import Agreement
    from hwprof.profiler.compare import compare_now

    plan = plan_of(
        precision=options["precision"],
        budget=options["budget"],
        restarts=PAIRS if options["restarts"] is None else options["restarts"],
        per_op=False,
        pin=options["pin"],
    )
    with Table.open(table_path(lut_path)) as table, Bar(2) as bar:
        comparison = compare_now(
            sides[0],
            sides[1],
            plan,
            agreement=Agreement() if options["check_outputs"] else None,
            listen=lambda p: bar.update("comparing", p),
        )
        table.add(comparison.a)
        table.add(comparison.b)
    return comparison
