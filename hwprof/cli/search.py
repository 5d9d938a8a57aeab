"""`hwprof search`: from predictors of devices to the architectures that keep their limits."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hwprof.cli import completion
from hwprof.cli.options import AsJson, Quiet, examples, predicting
from hwprof.cli.printing import print_json, say, tell

if TYPE_CHECKING:
    from hwprof.predictors.fewshot.adapted import AdaptedFewShot
    from hwprof.search.stored import Predicted, Search

EXAMPLES = examples(
    "hwprof search --predictor my.device --max-latency 15ms",
    "hwprof search --predictor phone.device --predictor board.device --max phone=15ms --max "
    "board=2mJ",
    "hwprof search --predictor my.device --max-latency 15ms --accuracies mine.csv --json",
)


def search(
    predictors: Annotated[
        list[Path],
        typer.Option(
            "--predictor",
            metavar="FILE",
            help="File that 'hwprof adapt' wrote (repeatable); limits name it without its ending.",
        ),
    ],
    space: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Search space.",
            show_default="the predictors'",
            autocompletion=completion.spaces,
        ),
    ] = None,
    max_latency: Annotated[
        str | None,
        typer.Option(metavar="15ms", help="At most this slow, on every device of latency."),
    ] = None,
    most: Annotated[
        list[str] | None,
        typer.Option(
            "--max",
            metavar="[NAME=]2mJ",
            help="At most this: of a predictor, of a metric, or of flops, parameters, "
            "activation_bytes or compute_intensity (repeatable).",
        ),
    ] = None,
    least: Annotated[
        list[str] | None,
        typer.Option("--min", metavar="[NAME=]5", help="At least this, likewise (repeatable)."),
    ] = None,
    maximise: Annotated[
        str | None,
        typer.Option(
            metavar="flops|parameters|live_flops",
            help="What stands in for accuracy, which only training tells; live_flops leaves out "
            "operations whose result is not used.",
            show_default="live_flops where the space tells it, else flops",
        ),
    ] = None,
    accuracies: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="CSV with arch and accuracy: choose among these, by your own accuracy.",
        ),
    ] = None,
    quantile: Annotated[
        float,
        typer.Option(
            metavar="Q", help="Each limit is to be kept with this probability, as predicted."
        ),
    ] = 0.9,
    generations: Annotated[int, typer.Option(metavar="N", help="Of the genetic search.")] = 20,
    population: Annotated[
        int, typer.Option(metavar="N", help="Architectures per generation.")
    ] = 40,
    seed: Annotated[int, typer.Option(min=0, metavar="N", help="Of what is random.")] = 0,
    top: Annotated[int, typer.Option(min=1, metavar="N", help="Print at most so many.")] = 10,
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> None:
    """Find the architectures that keep limits on your devices, the most capable first.

    Of predicted costs, the quantile must keep the limit. What is capable is told by a proxy, FLOPs
    or parameters, or by your own accuracies.
    """
    shipped = predicting()
    from hwprof.errors import OptionError
    from hwprof.search.scores import read_scores
    from hwprof.search.stored import common_space, named_limits, search_stored

    loaded: dict[str, AdaptedFewShot] = {}
    for path in predictors:
        if path.stem in loaded:
            raise OptionError(
                f"two predictors are called '{path.stem}'; rename one, for limits name them"
            )
        loaded[path.stem] = shipped.load_adapted(path).adapted
    if accuracies is not None and maximise is not None:
        raise OptionError("--accuracies and --maximise both say what is best; keep one of them")
    limits = named_limits(_all_of(most, max_latency), loaded)
    name = common_space(loaded, space)
    result = search_stored(
        loaded,
        limits=limits,
        at_least=named_limits(least or (), loaded),
        maximise=maximise,
        scores=None if accuracies is None else read_scores(accuracies, name),
        quantile=quantile,
        generations=generations,
        population=population,
        seed=seed,
        top=top,
    )
    if as_json:
        print_json(_document(result))
        return
    if quiet:
        for each in result.found:
            say(each.arch)
        return
    _print(result)


def _all_of(most: list[str] | None, max_latency: str | None) -> list[str]:
    latency = [] if max_latency is None else [f"latency={max_latency}"]
    return [*(most or ()), *latency]


def _print(result: Search) -> None:
    from hwprof.metrics import metric_of

    tell(
        f"{result.feasible} of {result.evaluated} architectures tried of {result.space} keep "
        f"{' and '.join(result.limits)}, each with probability {result.quantile:g} as predicted"
    )
    if result.is_proxy:
        tell(f"{result.maximised} stand in for accuracy, which only training tells")
    worth = metric_of("flops" if result.maximised == "live_flops" else result.maximised)
    for each in result.found:
        costs = "  ".join(_cost(one, len(each.predicted) > 1) for one in each.predicted)
        shown = worth.show(each.worth) if result.is_proxy else f"{each.worth:g}"
        say(f"{costs}  {result.maximised} {shown}  {each.arch}")


def _cost(one: Predicted, several: bool) -> str:
    from hwprof.figures import four_digits

    unit = one.metric.shown_in(one.mean)
    size = one.metric.units[unit]
    mean, low, high = (four_digits(value / size) for value in (one.mean, one.low, one.high))
    name = f"{one.predictor} {one.metric.name}" if several else one.metric.name
    return f"{name} {mean} {unit}".rstrip() + f" [{low}, {high}]"


def _document(result: Search) -> dict[str, Any]:
    return {
        "space": result.space,
        "limits": list(result.limits),
        "quantile": result.quantile,
        "maximised": result.maximised,
        "is_proxy": result.is_proxy,
        "evaluated": result.evaluated,
        "feasible": result.feasible,
        "found": [
            {
                "arch": each.arch,
                result.maximised: each.worth,
                "predicted": [
                    {
                        "predictor": one.predictor,
                        "device": one.device,
                        "metric": one.metric.name,
                        "unit": one.metric.unit,
                        "mean": one.mean,
                        "std": one.std,
                        "interval90": [one.low, one.high],
                    }
                    for one in each.predicted
                ],
            }
            for each in result.found
        ],
    }
