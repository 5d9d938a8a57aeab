"""`hwprof lut additive`: what the layers of a space cost, from kernels measured once."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hwprof.cli import completion
from hwprof.cli.options import AsJson, Lut, examples, predicting
from hwprof.cli.places import table_path
from hwprof.cli.printing import print_json, say, tell
from hwprof.cli.selecting import Device
from hwprof.cli.settings import Include, OfBatch, OfPrecision, OfResolution, OfThreads

if TYPE_CHECKING:
    from hwprof.search.layers import LayerCosts

EXAMPLES = examples(
    "hwprof lut additive --space fbnet --plan > archs.txt",
    "hwprof lut additive --space fbnet --device onnxruntime-cpu -o fbnet.costs",
)
_NAMED = 3


def additive(
    space: Annotated[
        str,
        typer.Option(
            metavar="NAME",
            help="Search space whose layers are meant.",
            autocompletion=completion.spaces,
        ),
    ],
    output: Annotated[
        Path | None, typer.Option("-o", "--output", metavar="FILE", help="Where to write them.")
    ] = None,
    plan: Annotated[
        bool,
        typer.Option("--plan", help="Only print which architectures to measure with every kernel."),
    ] = False,
    lut_path: Lut = None,
    device: Device = None,
    batch: OfBatch = None,
    resolution: OfResolution = None,
    precision: OfPrecision = None,
    threads: OfThreads = None,
    include: Include = None,
    as_json: AsJson = False,
) -> None:
    """Work out what each layer of a space costs, from kernels that were measured once.

    The costs add up to any architecture's latency, as tables and coefficients of a search. How far
    the sums are off is told from measured architectures that were left out.
    """
    predicting()
    from hwprof.errors import OptionError
    from hwprof.files import check_kind, is_safetensors
    from hwprof.predictors.measurements import Wanted
    from hwprof.search.layers import covering, layer_costs

    if plan:
        if output is not None:
            raise OptionError("--plan only prints architectures; leave --output out")
        archs = covering(space)
        if as_json:
            print_json(archs)
            return
        for arch in archs:
            say(arch)
        return
    if output is not None:
        # Said before the table is read. What else a name is wrong with is said by writing.
        with suppress(OSError, ValueError):
            check_kind(output, OptionError, is_safetensors)
    rows = Wanted(batch, resolution, precision, threads, tuple(include or ()))
    costs = layer_costs([table_path(lut_path)], space, device=device, wanted=rows)
    if output is not None:
        costs.save(output)
    if as_json:
        print_json(_document(costs))
        return
    told = costs.agreement
    say(f"{space} on {costs.device}")
    say(f"  {costs.setting}")
    say(
        f"  kernels of {costs.profiled} architectures, in {len(costs.parts)} layers and other parts"
    )
    noise = "" if told.noise is None else f"; their own standard error is {told.noise:.1%}"
    say(
        f"  sums are {told.mape:.1%} off on average, r = {told.correlation:.3f}, for architectures "
        f"left out{noise}"
    )
    if output is not None:
        say(f"  costs in {output}")
    missing = costs.unmeasured
    if missing:
        some = ", ".join(f"{choice} at {name}" for name, choice in missing[:_NAMED])
        more = f" and {len(missing) - _NAMED} more" if len(missing) > _NAMED else ""
        tell(
            f"estimated from their work, for no measured architecture has them: {some}{more}; "
            f"'hwprof lut additive --space {space} --plan' names architectures that do"
        )


def _document(costs: LayerCosts) -> dict[str, Any]:
    told = costs.agreement
    return {
        "space": costs.space,
        "device": costs.device,
        "profiled": costs.profiled,
        "constant_s": costs.constant,
        "agreement": {
            "architectures": told.architectures,
            "mape": told.mape,
            "correlation": told.correlation,
            "noise": told.noise,
        },
        "unmeasured": [{"position": name, "choice": choice} for name, choice in costs.unmeasured],
        "parts": [
            {
                "layer": part.layer,
                "positions": list(part.positions),
                "values_s": part.values.tolist(),
                "measured": part.measured.tolist(),
            }
            for part in costs.parts
        ],
    }
