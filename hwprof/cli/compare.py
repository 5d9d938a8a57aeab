"""`hwprof compare`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

import typer

from hwprof.cli import completion
from hwprof.cli.options import (
    DEFAULT_DEVICE,
    AsJson,
    Batch,
    Budget,
    CheckOutputs,
    Device,
    Inputs,
    InputsFile,
    Lut,
    Meter,
    Pin,
    Precision,
    Shapes,
    Threads,
    Timeout,
    examples,
    inputs_of,
    shapes_of,
)
from hwprof.cli.places import table_path
from hwprof.cli.printing import print_json, print_page

if TYPE_CHECKING:
    from hwprof.profiler.compare import Comparison

EXAMPLES = examples(
    "hwprof compare a.onnx b.onnx",
    "hwprof compare cpu:opt=none cpu --model a.onnx --restarts 10",
    "hwprof compare 3f2a77c0 resnet18",
)

SIDE = "Model file, device, or measurement of a table."


def compare(
    a: Annotated[str, typer.Argument(metavar="A", help=SIDE, autocompletion=completion.sides)],
    b: Annotated[str, typer.Argument(metavar="B", help=SIDE, autocompletion=completion.sides)],
    model: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Model to measure when A and B are devices."),
    ] = None,
    device: Device = DEFAULT_DEVICE,
    threads: Threads = None,
    batch: Batch = None,
    shapes: Shapes = None,
    inputs: Inputs = None,
    inputs_file: InputsFile = None,
    restarts: Annotated[
        int | None,
        typer.Option(metavar="N", help="Pairs of fresh processes.", show_default="5"),
    ] = None,
    budget: Budget = 10.0,
    precision: Precision = 0.01,
    pin: Pin = "auto",
    meter: Meter = None,
    check_outputs: CheckOutputs = True,
    timeout: Timeout = None,
    lut_path: Lut = None,
    as_json: AsJson = False,
) -> None:
    """Ratio of two latencies, with its 95% interval.

    A and B are two model files (measured now, in turn), two devices with --model (likewise), or
    two measurements of a table, by ID or by model name (the newest one counts).
    """
    from hwprof.cli.progress import Bar
    from hwprof.errors import UnsavedError
    from hwprof.profiler import compare as library
    from hwprof.profiler.plan import Plan

    plan = Plan(
        precision=precision,
        budget_s=budget,
        restarts=library.PAIRS if restarts is None else restarts,
        per_op=False,
        pin=pin,
    )
    unsaved: UnsavedError | None = None
    try:
        with Bar(2) as bar:
            comparison = library.compare(
                a,
                b,
                model=model,
                device=device,
                threads=threads,
                batch=batch,
                shapes=shapes_of(shapes),
                inputs=inputs_of(inputs, inputs_file),
                plan=plan,
                meter=meter,
                table=table_path(lut_path),
                check_outputs=check_outputs,
                timeout=timeout,
                listen=lambda progress: bar.update("comparing", progress),
            )
    except UnsavedError as error:
        comparison, unsaved = cast("Comparison", error.result), error
    if as_json:
        from hwprof.report.document import comparison_document

        print_json(comparison_document(comparison))
    else:
        from hwprof.report.text import comparison_page

        print_page(comparison_page(comparison))
    if unsaved is not None:
        # Said last, and with its exit code: what was measured stands above.
        raise unsaved
