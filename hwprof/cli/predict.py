"""`hwprof select`, `hwprof adapt` and `hwprof predict`: a few measurements, every architecture."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from hwprof.cli.options import json_option, predicting

if TYPE_CHECKING:
    from hwprof.predictors.shipped import Answer

SPACE = click.option("--space", required=True, help="Search space: nasbench201 or fbnet.")
LEVEL = 0.9


@click.command()
@SPACE
@click.option("-k", "--samples", type=int, default=10, show_default=True, help="How many.")
@json_option
def select(space: str, samples: int, as_json: bool) -> None:
    """Print the architectures to measure on a new device, best first."""
    chosen = predicting().to_measure(space, samples)
    if as_json:
        from hwprof.report.document import print_json

        print_json(chosen)
        return
    for arch in chosen:
        click.echo(arch)


@click.command()
@SPACE
@click.option(
    "--measurements",
    required=True,
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="CSV or JSON lines with arch and latency_s (or latency_ms), or a table of hwprof.",
)
@click.option("--device", help="In a table: part of the device's slug.  In a file: its name.")
@click.option(
    "-o", "--output", required=True, type=click.Path(path_type=Path), help="Predictor to write."
)
@click.option(
    "--any-speed", is_flag=True, help="Accept latencies far beyond those of the pool's devices."
)
def adapt(
    space: str, measurements: Path, device: str | None, output: Path, any_speed: bool
) -> None:
    """Fit the shipped pool to a new device from a few measurements."""
    shipped = predicting()
    from hwprof.predictors.measurements import read_measurements

    known = read_measurements(measurements, space, device)
    fitted = shipped.adapt_shipped(space, known, device, check_units=not any_speed)
    fitted.save(output)
    click.echo(f"fitted {len(known)} measurements of {space}; predictor in {output}")
    for name, probability in fitted.resembles():
        click.echo(f"  most like {name:24s} with probability {probability:.2f}")


@click.command()
@click.option(
    "--predictor",
    required=True,
    type=click.Path(path_type=Path),
    help="File that 'hwprof adapt' wrote.",
)
@click.argument("archs", nargs=-1, metavar="[ARCH]...")
@click.option("--all", "everything", is_flag=True, help="Every architecture of the pool.")
@click.option("--top", type=click.IntRange(1), help="At most so many, the fastest first.")
@click.option("--max-latency", metavar="15ms", help="Only those at most this slow.")
@json_option
def predict(
    predictor: Path,
    archs: tuple[str, ...],
    everything: bool,
    top: int | None,
    max_latency: str | None,
    as_json: bool,
) -> None:
    """Predict latencies with 90% intervals."""
    from hwprof.errors import OptionError
    from hwprof.metrics import METRICS, parse_limit

    shipped = predicting()
    if bool(archs) == everything:
        raise OptionError("give architectures, or --all for every one of the pool, but not both")
    limit_s = None if max_latency is None else parse_limit(max_latency, METRICS["latency"])
    answers = shipped.load_adapted(predictor).answer(archs or None, level=LEVEL)
    if limit_s is not None:
        within = [a for a in answers if a.mean_s <= limit_s]
        if not within:
            best = min(answers, key=lambda a: a.mean_s)
            raise OptionError(
                f"no architecture is predicted at or below {max_latency}: the fastest is "
                f"'{best.arch}' with {best.mean_s * 1e3:.4g} ms; raise the limit"
            )
        answers = within
    if top is not None or everything:
        answers = sorted(answers, key=lambda a: a.mean_s)[:top]
    _print(answers, as_json)


def _print(answers: list[Answer], as_json: bool) -> None:
    if as_json:
        from hwprof.report.document import print_json

        rows: list[dict[str, Any]] = [
            {
                "arch": a.arch,
                "mean_s": a.mean_s,
                "std_s": a.std_s,
                "interval90_s": [a.low_s, a.high_s],
            }
            for a in answers
        ]
        print_json(rows)
        return
    from hwprof.report.text import ms

    for a in answers:
        click.echo(f"{ms(a.mean_s):>9s} ms  [{ms(a.low_s)}, {ms(a.high_s)}]  {a.arch}")
