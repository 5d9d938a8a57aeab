"""`hwprof select`, `hwprof adapt` and `hwprof predict`: a few measurements, every architecture."""

from __future__ import annotations

from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hwprof.cli import completion
from hwprof.cli.answers import print_answers, within
from hwprof.cli.archs import named_archs
from hwprof.cli.options import AsJson, PoolFile, Seed, examples, predicting
from hwprof.cli.printing import fitting, print_json, say, tell
from hwprof.cli.settings import Include, OfBatch, OfPrecision, OfResolution, OfThreads

if TYPE_CHECKING:
    from hwprof.metrics import Metric
    from hwprof.predictors.shipped import Shipped

LEVEL = 0.9
# Of nine architectures in ten that are kept, what is measured keeps the limit.
SAFE = 0.9

SELECT_EXAMPLES = examples(
    "hwprof select --space nasbench201 -k 10",
    "hwprof select --pool ours.pool -k 8 --json",
)
ADAPT_EXAMPLES = examples(
    "hwprof adapt --space nasbench201 --measurements ten.csv -o my.device",
    "hwprof adapt --pool ours.pool --measurements hwprof.db --device openvino -o my.device",
    "hwprof adapt --space fbnet --measurements ten.csv --metric energy -o energy.device",
)
PREDICT_EXAMPLES = examples(
    "hwprof predict --predictor my.device --all --top 20 --max-latency 15ms",
    "hwprof predict --predictor my.device @archs.txt --json",
    "hwprof predict --space fbnet --like pixel3 --like samsung_a50 --all --top 5",
)

PoolSpace = Annotated[
    str | None,
    typer.Option(
        "--space",
        metavar="NAME",
        help="Search space; its pool is the one that ships, if one does.",
        show_default="the pool's",
        autocompletion=completion.spaces,
    ),
]


def select(
    space: PoolSpace = None,
    pool: PoolFile = None,
    samples: Annotated[int, typer.Option("-k", "--samples", metavar="K", help="How many.")] = 10,
    seed: Seed = None,
    as_json: AsJson = False,
) -> None:
    """Print the architectures to measure on a new device, best first."""
    chosen = selection(space, pool, samples, seed)
    if as_json:
        print_json(chosen)
        return
    for arch in chosen:
        say(arch)


def selection(space: str | None, pool: Path | None, samples: int, seed: int | None) -> list[str]:
    """What `hwprof select` prints. Raises OptionError and TableError."""
    shipped = predicting()
    known = shipped.known_devices(space, pool, seed=seed or 0, announce=fitting)
    if known.idealised:
        tell(known.says)
    chosen: list[str] = shipped.to_measure(known, samples, seed=seed)
    return chosen


def adapt(
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
    space: PoolSpace = None,
    pool: PoolFile = None,
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
            "The pool's, or latency, where it is left out.",
        ),
    ] = None,
    seed: Seed = None,
    batch: OfBatch = None,
    resolution: OfResolution = None,
    precision: OfPrecision = None,
    threads: OfThreads = None,
    include: Include = None,
    any_speed: Annotated[
        bool,
        typer.Option(
            "--any-speed", help="Accept latencies far beyond those of the pool's devices."
        ),
    ] = False,
) -> None:
    """Fit a pool of known devices to a new one from a few measurements.

    The architectures measured need not be in the pool. Without a pool, where none ships for the
    space, idealised machines stand for devices.
    """
    shipped = predicting()
    from hwprof.errors import OptionError
    from hwprof.files import check_kind, is_safetensors
    from hwprof.metrics import LATENCY, check_metric
    from hwprof.predictors.measurements import Wanted, read

    # Said before the fit, which takes seconds. What else a name is wrong with is said by writing.
    with suppress(OSError, ValueError):
        check_kind(output, OptionError, is_safetensors)
    asked = None if metric is None else check_metric(metric)
    drawn = seed or 0
    known = shipped.known_devices(
        space, pool, metric=asked or LATENCY, seed=drawn, announce=fitting
    )
    # Of a pool in a file its metric is meant, unless another is named.
    wanted = asked or (None if pool is None else known.pool.metric)
    rows = Wanted(batch, resolution, precision, threads, tuple(include or ()))
    reading = read(measurements, known.space.name, device, wanted, rows)
    named = {"batch": batch, "resolution": resolution, "precision": precision, "threads": threads}
    known.check_setting(reading.setting, asked=[n for n, v in named.items() if v is not None])
    if known.idealised:
        tell(known.says)
        known = shipped.known_devices(
            known.space.name, metric=reading.metric, seed=drawn, announce=fitting
        )
    fitted = shipped.adapt_shipped(
        known, reading.measured, device, metric=wanted, check_units=not any_speed
    )
    fitted.save(output)
    say(f"fitted {len(reading.measured)} measurements of {known.space.name}; predictor in {output}")
    for reason, count in Counter(reading.left_out).items():
        tell(f"measurements left out: {count} ({reason})")
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
    archs: Annotated[
        list[str] | None,
        typer.Argument(metavar="ARCH|@FILE", help="Architectures as text, or files of them."),
    ] = None,
    predictor: Annotated[
        Path | None, typer.Option(metavar="FILE", help="File that 'hwprof adapt' wrote.")
    ] = None,
    space: PoolSpace = None,
    pool: PoolFile = None,
    like: Annotated[
        list[str] | None,
        typer.Option(
            metavar="DEVICE",
            help="Without a predictor: a device of the pool that the new one is like (repeatable).",
        ),
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
    max_memory: Annotated[
        str | None, typer.Option(metavar="64MB", help="Only those that need at most so much.")
    ] = None,
    max_energy: Annotated[
        str | None, typer.Option(metavar="2mJ", help="Only those that take at most so much.")
    ] = None,
    most: Annotated[
        str | None,
        typer.Option(
            "--max",
            metavar="LIMIT",
            help="Only those at most this costly, in a unit of the predictor's metric.",
        ),
    ] = None,
    quantile: Annotated[
        float | None,
        typer.Option(
            metavar="Q",
            help="Limits keep architectures that stay within them with this probability.",
            show_default=str(SAFE),
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Predict the metric that was adapted to, latency as a rule, with 90% intervals.

    Before anything was measured, --pool or --space tell what to expect of a new device, and --like
    of which kind it is.
    """
    from hwprof.errors import OptionError
    from hwprof.metrics import parse_limit

    texts = named_archs(archs)
    if bool(texts) == everything:
        raise OptionError("give architectures, or --all for every one of the pool, but not both")
    asked = {"--max-latency": max_latency, "--max-memory": max_memory, "--max-energy": max_energy}
    given = {
        option: limit for option, limit in {**asked, "--max": most}.items() if limit is not None
    }
    if len(given) > 1:
        raise OptionError(f"{' and '.join(given)} are one limit; give one of them")
    if quantile is not None and not given:
        raise OptionError("--quantile goes with a limit; give one, such as --max-latency 15ms")
    if quantile is not None and not 0 < quantile < 1:
        raise OptionError(f"--quantile must lie between 0 and 1, got {quantile}; 0.9 is safe")
    for option, limit in given.items():
        # Said before the file is read, which takes longer.
        if option in _METRICS:
            parse_limit(limit, _usual(option))
    loaded = _loaded(predictor, space, pool, like)
    metric = loaded.metric
    share = quantile or SAFE
    answers = loaded.answer(texts or None, LEVEL, share if given else None)
    for option, limit in given.items():
        _check_option(option, metric)
        answers = within(answers, parse_limit(limit, metric), metric, share)
        tell(f"kept: those that stay within {limit} with probability {share:g}")
    if top is not None or everything:
        answers = sorted(answers, key=lambda a: a.mean)[:top]
    if not as_json and not metric.is_same(loaded.pool_metric):
        tell(f"{metric.name}, with the shape of the pool's {loaded.pool_metric.name}")
    print_answers(answers, metric, as_json)


# What each limit may bound, the usual one first.
_METRICS = {
    "--max-latency": ("latency",),
    "--max-memory": ("peak_memory", "memory"),
    "--max-energy": ("energy", "energy_gross", "energy_net"),
}


def _usual(option: str) -> Metric:
    from hwprof.metrics import METRICS

    return METRICS[_METRICS[option][0]]


def _check_option(option: str, metric: Metric) -> None:
    from hwprof.errors import OptionError

    if option in _METRICS and metric.name not in _METRICS[option]:
        raise OptionError(
            f"{option} is for predictors of {_usual(option).name}, but this one is of "
            f"{metric.name} in {metric.words}; give --max, such as --max {metric.example}"
        )


def _loaded(
    predictor: Path | None, space: str | None, pool: Path | None, like: list[str] | None
) -> Shipped:
    """The predictor in a file, or what a pool tells of a device of which nothing was measured."""
    from hwprof.errors import OptionError

    shipped = predicting()
    found: Shipped
    if predictor is not None:
        if like or pool is not None or space is not None:
            raise OptionError(
                "a predictor knows its space and its pool: leave --space, --pool and --like out"
            )
        found = shipped.load_adapted(predictor)
        return found
    if pool is None and space is None:
        raise OptionError("give a predictor that 'hwprof adapt' wrote, with --predictor FILE")
    known = shipped.known_devices(space, pool, announce=fitting)
    if known.idealised:
        raise OptionError(
            f"nothing is known of any device with {known.space.name}; measure some architectures, "
            "such as 'hwprof select' prints, and adapt to them"
        )
    tell("nothing was measured on the device: this is what those of the pool let expect")
    found = shipped.unmeasured(known, like)
    return found
