"""`hwprof select`, `hwprof adapt` and `hwprof predict`: a few measurements, every architecture."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hwprof.cli import completion
from hwprof.cli.options import AsJson, examples, predicting
from hwprof.cli.printing import print_json, say

if TYPE_CHECKING:
    from hwprof.predictors.shipped import Answer

LEVEL = 0.9

SELECT_EXAMPLES = examples(
    "hwprof select --space nasbench201 -k 10", "hwprof select --space fbnet --json"
)
ADAPT_EXAMPLES = examples(
    "hwprof adapt --space nasbench201 --measurements ten.csv -o my.device",
    "hwprof adapt --space fbnet --measurements hwprof.db --device openvino -o my.device",
)
PREDICT_EXAMPLES = examples(
    "hwprof predict --predictor my.device --all --top 20 --max-latency 15ms",
    "hwprof predict --predictor my.device ARCH ARCH --json",
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
            help="CSV or JSON lines with arch and latency_s (or latency_ms), or a table of hwprof.",
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
    from hwprof.predictors.measurements import read_measurements

    # Said before the fit, which takes seconds. What else a name is wrong with is said by writing.
    with suppress(OSError, ValueError):
        check_kind(output, OptionError, is_safetensors)
    known = read_measurements(measurements, space, device)
    fitted = shipped.adapt_shipped(space, known, device, check_units=not any_speed)
    fitted.save(output)
    say(f"fitted {len(known)} measurements of {space}; predictor in {output}")
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
        int | None, typer.Option(min=1, metavar="N", help="At most so many, the fastest first.")
    ] = None,
    max_latency: Annotated[
        str | None, typer.Option(metavar="15ms", help="Only those at most this slow.")
    ] = None,
    as_json: AsJson = False,
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
    from hwprof.figures import ms

    for a in answers:
        say(f"{ms(a.mean_s):>9s} ms  [{ms(a.low_s)}, {ms(a.high_s)}]  {a.arch}")
