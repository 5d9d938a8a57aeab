"""`hwprof compare`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

import typer

from hwprof.cli import completion
from hwprof.cli.gates import (
    UNKNOWN,
    Anyway,
    AsMarkdown,
    MaxSlower,
    check_forms,
    exit_code,
    max_slower,
)
from hwprof.cli.options import (
    DEVICE_HELP,
    USUAL_DEVICES,
    AsJson,
    Batch,
    CheckOutputs,
    Inputs,
    InputsFile,
    Lut,
    Meter,
    Quiet,
    Shapes,
    Threads,
    Timeout,
    Verbose,
    examples,
    inputs_of,
    shapes_of,
)
from hwprof.cli.places import table_path
from hwprof.cli.printing import print_json, print_page, say

if TYPE_CHECKING:
    from hwprof.profiler.compare import Comparison
    from hwprof.profiler.plan import Plan

EXAMPLES = examples(
    "hwprof compare new.onnx old.onnx --fail-above 5%",
    "hwprof compare cpu:opt=none cpu --model a.onnx --restarts 10",
    "hwprof compare 3f2a77c0 resnet18 --device openvino",
)

SIDE = "Model file, device, or measurement of a table."


def compare(
    a: Annotated[str, typer.Argument(metavar="A", help=SIDE, autocompletion=completion.sides)],
    b: Annotated[
        str,
        typer.Argument(
            metavar="B", help=f"{SIDE} What A is held against.", autocompletion=completion.sides
        ),
    ],
    model: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Model to measure when A and B are devices."),
    ] = None,
    device: Annotated[
        str | None,
        typer.Option(
            "--device",
            metavar="DEVICE",
            help=f"{DEVICE_HELP} For measurements of a table, part of the device's slug: which "
            "ones count.",
            show_default=f"{USUAL_DEVICES}, or any of the table",
            autocompletion=completion.devices,
        ),
    ] = None,
    threads: Threads = None,
    batch: Batch = None,
    shapes: Shapes = None,
    inputs: Inputs = None,
    inputs_file: InputsFile = None,
    restarts: Annotated[
        int | None,
        typer.Option(metavar="N", help="Pairs of fresh processes.", show_default="5"),
    ] = None,
    budget: Annotated[
        float | None,
        typer.Option(
            metavar="SECONDS",
            help="At most this much timed running per model.",
            show_default="10",
        ),
    ] = None,
    precision: Annotated[
        float | None,
        typer.Option(
            metavar="SHARE",
            help="Stop at this relative half-width of the 95% interval.",
            show_default="0.01",
        ),
    ] = None,
    pin: Annotated[
        str | None,
        typer.Option(
            metavar="auto|none|0,1",
            help="Processors to run on; auto takes the least busy.",
            show_default="auto",
        ),
    ] = None,
    meter: Meter = None,
    check_outputs: CheckOutputs = True,
    timeout: Timeout = None,
    anyway: Anyway = False,
    fail_above: MaxSlower = None,
    lut_path: Lut = None,
    as_json: AsJson = False,
    markdown: AsMarkdown = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> int:
    """Ratio of two latencies, with its 95% interval.

    A and B are two model files (measured now, in turn), two devices with --model (likewise), or
    two measurements of a table, by ID or by model name (the newest one counts, of those that
    --device, --threads and --batch allow).

    B is the baseline: the ratio is A / B, above 1 where A is slower. Two that are unlike, in more
    than what is compared, have no ratio; the reasons are printed, and the exit code is 4.
    """
    from hwprof.cli.progress import Bar, amount_of
    from hwprof.errors import UnsavedError
    from hwprof.profiler import compare as library
    from hwprof.profiler.judge import judge

    check_forms(as_json, markdown)
    limit = max_slower(fail_above)
    plan = _plan(restarts, budget, precision, pin)
    unsaved: UnsavedError | None = None
    try:
        with Bar(2, amount_of(quiet, verbose)) as bar:
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
                listen=lambda progress: bar.update(f"comparing {a} and {b}", progress),
            )
    except UnsavedError as error:
        comparison, unsaved = cast("Comparison", error.result), error
    if anyway:
        comparison = comparison.anyway()
    judgement = None if limit is None else judge(comparison, limit)
    if as_json:
        from hwprof.report.document import comparison_document

        print_json(comparison_document(comparison, judgement))
    elif markdown:
        from hwprof.report.markdown import comparison_markdown

        say(comparison_markdown(comparison, judgement))
    elif quiet:
        say(comparison.brief)
    else:
        from hwprof.report.text import comparison_page

        print_page(comparison_page(comparison))
        if judgement is not None:
            say(f"limit: {judgement.verdict.value}: {judgement.reason}")
    if unsaved is not None:
        # Said last, and with its exit code: what was measured stands above.
        raise unsaved
    if comparison.unlike:
        return UNKNOWN
    return 0 if judgement is None else exit_code([judgement.verdict])


def _plan(
    restarts: int | None, budget: float | None, precision: float | None, pin: str | None
) -> Plan | None:
    """How to measure; None where nothing was said, as is right for measurements of a table."""
    from hwprof.profiler.compare import PAIRS
    from hwprof.profiler.plan import Plan

    if all(option is None for option in (restarts, budget, precision, pin)):
        return None
    usual = Plan(restarts=PAIRS, per_op=False)
    return Plan(
        precision=usual.precision if precision is None else precision,
        budget_s=usual.budget_s if budget is None else budget,
        restarts=usual.restarts if restarts is None else restarts,
        per_op=usual.per_op,
        pin=usual.pin if pin is None else pin,
    )
