"""`hwprof pool`: make, show, check and extend pools of one's own measurements."""

from __future__ import annotations

import sys
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Literal

import typer

from hwprof.cli import completion
from hwprof.cli.gates import WORSE
from hwprof.cli.options import AsJson, examples, predicting
from hwprof.cli.printing import print_json, say, tell

Metric = Literal["latency", "peak_memory", "energy_gross", "energy_net"]

PoolFile = Annotated[Path, typer.Argument(metavar="FILE", help="What 'hwprof pool make' wrote.")]
Seed = Annotated[int, typer.Option("--seed", min=0, metavar="N", help="Of all that is drawn.")]

app = typer.Typer(rich_markup_mode=None)


@app.callback(
    invoke_without_command=True,
    epilog=examples(
        "hwprof pool make hwprof.db --space mobilenetv3 -o my.pool", "hwprof pool check my.pool"
    ),
)
def pool(context: typer.Context) -> int:
    """Make pools of your own tables, to predict new devices from, and say what they are worth."""
    if context.invoked_subcommand is None:
        say(context.get_help())
        return 2
    return 0


@app.command(
    "make",
    epilog=examples(
        "hwprof pool make hwprof.db --space mobilenetv3 -o my.pool",
        "hwprof pool make a.db b.db --space fbnet --metric peak_memory --batch 8 -o memory.pool",
    ),
)
def make_command(
    tables: Annotated[list[Path], typer.Argument(metavar="LUT...", help="Tables of hwprof.")],
    space: Annotated[
        str,
        typer.Option(
            "--space",
            metavar="NAME",
            help="Search space whose architectures were measured.",
            autocompletion=completion.spaces,
        ),
    ],
    output: Annotated[Path, typer.Option("-o", "--output", metavar="FILE", help="Pool to write.")],
    metric: Annotated[Metric, typer.Option("--metric", help="What its values are.")] = "latency",
    batch: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="Only measurements of this batch.")
    ] = None,
    resolution: Annotated[
        int | None,
        typer.Option(min=1, metavar="N", help="Only of this side of the image, or tokens."),
    ] = None,
    precision: Annotated[
        str | None, typer.Option(metavar="NAME", help="Only of this precision: fp32, int8, ...")
    ] = None,
    threads: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="Only of so many threads.")
    ] = None,
    devices: Annotated[
        list[str] | None,
        typer.Option(
            "--device",
            metavar="DEVICE",
            help="Only devices with this in their name or slug, or a glob (repeatable).",
            autocompletion=completion.measured_devices,
        ),
    ] = None,
    include: Annotated[
        list[str] | None,
        typer.Option(
            "--include",
            metavar="SOURCE",
            help="Also rows that were imported, predicted or interpolated (repeatable).",
            autocompletion=completion.sources,
        ),
    ] = None,
) -> None:
    """Make a pool of what tables hold of a search space, under one setting.

    Batch, resolution, precision and threads are never mixed: where the tables hold several, say
    which. Repeated measurements count with their median.
    """
    predicting()
    from hwprof.errors import OptionError
    from hwprof.files import check_kind, is_safetensors
    from hwprof.predictors import pools
    from hwprof.report.pool import made_lines

    # Said before the tables are read. What else a name is wrong with is said by writing.
    with suppress(OSError, ValueError):
        check_kind(output, OptionError, is_safetensors)
    made = pools.from_tables(
        tables,
        space,
        metric=metric,
        batch=batch,
        resolution=resolution,
        precision=precision,
        threads=threads,
        device=devices or (),
        include=tuple(include or ()),
    )
    pools.write_stored(output, made.stored)
    for line in made_lines(made.stored, made.left_out, output):
        say(line)
    small = pools.too_small(made.pool)
    if small is not None:
        tell(small)


@app.command("show", epilog=examples("hwprof pool show my.pool", "hwprof pool show my.pool --json"))
def show_command(file: PoolFile, as_json: AsJson = False) -> None:
    """Show what a pool holds: its setting, its devices, and where their figures come from."""
    predicting()
    from hwprof.predictors import pools
    from hwprof.report.pool import pool_document, pool_lines

    stored = pools.read_stored(file)
    if as_json:
        print_json(pool_document(stored))
        return
    for line in pool_lines(stored):
        say(line)


@app.command(
    "check", epilog=examples("hwprof pool check my.pool", "hwprof pool check my.pool -k 5 --strict")
)
def check_command(
    file: PoolFile,
    samples: Annotated[
        int, typer.Option("-k", "--samples", min=1, metavar="K", help="Measurements per device.")
    ] = 8,
    seed: Seed = 0,
    strict: Annotated[
        bool, typer.Option("--strict", help="Exit with 3 where the pool is too small.")
    ] = False,
    as_json: AsJson = False,
) -> int:
    """Play every device as new: how well would it be predicted from the others?

    Each is left out, the rest is fitted, K architectures are selected and taken for measured, and
    the others are predicted: beside FLOPs alone, and beside the noise of the measurements. Takes
    some seconds per device.
    """
    predicting()
    from hwprof.predictors import pools
    from hwprof.predictors.pools.checking import check
    from hwprof.report.pool import check_document, check_lines

    found = check(pools.read_stored(file), samples, seed, listen=_tell_device)
    if as_json:
        print_json(check_document(found))
    else:
        for line in check_lines(found):
            say(line)
    return WORSE if strict and not found.good else 0


@app.command(
    "plan",
    epilog=examples(
        "hwprof pool plan my.pool --target-error 5%",
        "hwprof pool plan my.pool --target-error 8% --budget 20 --json",
    ),
)
def plan_command(
    file: PoolFile,
    target: Annotated[
        str,
        typer.Option("--target-error", metavar="5%", help="Mean error that is good enough."),
    ],
    budget: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="At most so many measurements in all.")
    ] = None,
    seed: Seed = 0,
    as_json: AsJson = False,
) -> None:
    """Say what to measure next, on which device, until an error is expected.

    The figures are estimates by the predictor's own intervals, set right by cells held back.
    """
    predicting()
    from hwprof.metrics import parse_share
    from hwprof.predictors import pools
    from hwprof.predictors.pools.planning import plan
    from hwprof.report.pool import plan_document, plan_lines

    share = parse_share(target)
    stored = pools.read_stored(file)
    found = plan(stored, share, budget, seed, listen=_tell_device)
    if as_json:
        print_json(plan_document(found, stored))
        return
    for line in plan_lines(found, stored):
        say(line)


def _tell_device(name: str) -> None:
    """Which device is being fitted, to whoever waits at a terminal."""
    if sys.stderr.isatty():
        tell(f"fitting without {name}")
