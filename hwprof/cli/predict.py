"""`hwprof select`, `hwprof adapt` and `hwprof predict`: a few measurements, every architecture."""

from __future__ import annotations

from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hwprof.cli import completion
from hwprof.cli.options import AsJson, examples, predicting
from hwprof.cli.printing import print_json, say, tell

if TYPE_CHECKING:
    from hwprof.metrics import Metric
    from hwprof.predictors.shipped import Answer

LEVEL = 0.9

SELECT_EXAMPLES = examples(
    "hwprof select --space nasbench201 -k 10", "hwprof select --space fbnet --json"
)
ADAPT_EXAMPLES = examples(
    "hwprof adapt --space nasbench201 --measurements ten.csv -o my.device",
    "hwprof adapt --space fbnet --measurements hwprof.db --device openvino -o my.device",
    "hwprof adapt --space fbnet --measurements ten.csv --metric energy -o energy.device",
)
PREDICT_EXAMPLES = examples(
    "hwprof predict --predictor my.device --all --top 20 --max-latency 15ms",
    "hwprof predict --predictor my.device ARCH ARCH --json",
    "hwprof predict --predictor energy.device --all --top 20 --max 2mJ",
)

PoolSpace = Annotated[
    str,
    typer.Option(
        "--space",
        metavar="NAME",
        help="Search space: nasbench201 or fbnet.",
        autocompletion=completion.pools,
    ),
]


def select(
    space: PoolSpace,
    samples: Annotated[int, typer.Option("-k", "--samples", metavar="K", help="How many.")] = 10,
    as_json: AsJson = False,
) -> None:
    """Print the architectures to measure on a new device, best first."""
    chosen = predicting().to_measure(space, samples)
    if as_json:
        print_json(chosen)
        return
    for arch in chosen:
        say(arch)


def adapt(
    space: PoolSpace,
    measurements: Annotated[
        Path,
        typer.Option(
            metavar="FILE",
            help="CSV or JSON lines with arch and a column such as latency_ms or energy_mJ, or a "
            "table of hwprof.",
        ),
    ],
    output: Annotated[
        Path, typer.Option("-o", "--output", metavar="FILE", help="Predictor to write.")
    ],
    device: Annotated[
        str | None,
        typer.Option(
            metavar="DEVICE", help="In a table: part of the device's slug.  In a file: its name."
        ),
    ] = None,
    metric: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="What to predict: energy, peak_memory, or another column NAME_UNIT of the file.  "
            "Latency where it is left out.",
        ),
    ] = None,
    any_speed: Annotated[
        bool,
        typer.Option(
            "--any-speed", help="Accept latencies far beyond those of the pool's devices."
        ),
    ] = False,
) -> None:
    """Fit the shipped pool to a new device from a few measurements."""
    shipped = predicting()
    from hwprof.errors import OptionError
    from hwprof.files import check_kind, is_safetensors
    from hwprof.predictors.measurements import read

    # Said before the fit, which takes seconds. What else a name is wrong with is said by writing.
    with suppress(OSError, ValueError):
        check_kind(output, OptionError, is_safetensors)
    reading = read(measurements, space, device, metric)
    known = reading.measured
    fitted = shipped.adapt_shipped(space, known, device, metric=metric, check_units=not any_speed)
    fitted.save(output)
    say(f"fitted {len(known)} measurements of {space}; predictor in {output}")
    for reason, count in Counter(reading.left_out).items():
        tell(f"measurements left out for lack of {reading.metric.name}: {count} ({reason})")
    if not fitted.metric.is_same(fitted.pool_metric):
        say(
            f"  of {fitted.metric.name} in {fitted.metric.words}, with the shape that the pool's "
            f"devices have in {fitted.pool_metric.name}"
        )
    for warning in fitted.warnings:
        tell(warning)
    for name, probability in fitted.resembles():
        say(f"  most like {name:24s} with probability {probability:.2f}")


def predict(
    predictor: Annotated[
        Path, typer.Option(metavar="FILE", help="File that 'hwprof adapt' wrote.")
    ],
    archs: Annotated[
        list[str] | None, typer.Argument(metavar="ARCH", help="Architectures as text.")
    ] = None,
    everything: Annotated[
        bool, typer.Option("--all", help="Every architecture of the pool.")
    ] = False,
    top: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="At most so many, the least first.")
    ] = None,
    max_latency: Annotated[
        str | None, typer.Option(metavar="15ms", help="Only those at most this slow.")
    ] = None,
    most: Annotated[
        str | None,
        typer.Option(
            "--max",
            metavar="2mJ",
            help="Only those at most this costly, in a unit of the predictor's metric.",
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Predict the metric that was adapted to, latency as a rule, with 90% intervals."""
    from hwprof.errors import OptionError
    from hwprof.metrics import LATENCY, parse_limit

    shipped = predicting()
    if bool(archs) == everything:
        raise OptionError("give architectures, or --all for every one of the pool, but not both")
    if max_latency is not None:
        if most is not None:
            raise OptionError("--max and --max-latency are one limit; give one of them")
        # Said before the file is read, which takes longer.
        parse_limit(max_latency, LATENCY)
    loaded = shipped.load_adapted(predictor)
    metric = loaded.metric
    if max_latency is not None and not metric.is_same(LATENCY):
        raise OptionError(
            f"--max-latency is for predictors of latency, but this one is of {metric.name} in "
            f"{metric.words}; give --max, such as --max {metric.example}"
        )
    wanted = most if max_latency is None else max_latency
    limit = None if wanted is None else parse_limit(wanted, metric)
    answers = loaded.answer(archs or None, level=LEVEL)
    if limit is not None:
        answers = _within(answers, limit, metric)
    if top is not None or everything:
        answers = sorted(answers, key=lambda a: a.mean)[:top]
    if not as_json and not metric.is_same(loaded.pool_metric):
        tell(f"{metric.name}, with the shape of the pool's {loaded.pool_metric.name}")
    _print(answers, metric, as_json)


def _within(answers: list[Answer], limit: float, metric: Metric) -> list[Answer]:
    within = [a for a in answers if a.mean <= limit]
    if not within:
        from hwprof.errors import OptionError
        from hwprof.metrics import LATENCY

        best = min(answers, key=lambda a: a.mean)
        least = "fastest" if metric.is_same(LATENCY) else "least"
        raise OptionError(
            f"no architecture is predicted at or below {metric.show(limit)}: the {least} is "
            f"'{best.arch}' with {metric.show(best.mean)}; raise the limit"
        )
    return within


def _print(answers: list[Answer], metric: Metric, as_json: bool) -> None:
    from hwprof.metrics import LATENCY

    of_latency = metric.is_same(LATENCY)
    if as_json:
        rows: list[dict[str, Any]] = []
        for a in answers:
            named = {"metric": metric.name, "unit": metric.unit}
            figures = {"mean": a.mean, "std": a.std, "interval90": [a.low, a.high]}
            row = {"arch": a.arch, **named, **figures}
            if of_latency:
                row |= {f"{name}_s": value for name, value in figures.items()}
            rows.append(row)
        print_json(rows)
        return
    from hwprof.figures import four_digits

    # One unit for all lines; that of latencies is milliseconds, whatever they are.
    middle = sorted(a.mean for a in answers)[len(answers) // 2]
    unit = "ms" if of_latency else metric.shown_in(middle)
    size, name = metric.units[unit], "" if of_latency else f"{metric.name} "
    for a in answers:
        mean, low, high = (four_digits(value / size) for value in (a.mean, a.low, a.high))
        say(f"{name}{mean:>9s} {unit}".rstrip() + f"  [{low}, {high}]  {a.arch}")
