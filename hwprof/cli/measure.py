"""`hwprof measure`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hwprof.cli import completion
from hwprof.cli.archs import named_archs
from hwprof.cli.gates import (
    AsMarkdown,
    MaxLatency,
    check_forms,
    documents,
    exit_code,
    judgements_of,
    max_latency,
    tell_judgements,
)
from hwprof.cli.options import (
    AsJson,
    Batches,
    Budget,
    CheckOutputs,
    CustomOps,
    Devices,
    Inputs,
    InputsFile,
    Lut,
    Meter,
    Pin,
    PoolFile,
    Precision,
    Quiet,
    Seed,
    Shapes,
    ThreadCounts,
    Timeout,
    Verbose,
    counts_of,
    examples,
    inputs_of,
    shapes_of,
)
from hwprof.cli.places import table_path
from hwprof.cli.predict import selection
from hwprof.cli.printing import complain, print_json, print_page, say, tell

if TYPE_CHECKING:
    from hwprof.profiler.campaign import Outcome

EXAMPLES = examples(
    "hwprof measure model.onnx",
    "hwprof measure models/*.onnx --device cpu --device openvino-cpu --threads 1,2 --resume",
    "hwprof measure --space nasbench201 --select 10",
)


def measure(
    models: Annotated[
        list[Path] | None,
        typer.Argument(metavar="MODEL", help="Model files: .onnx, .pt2 or .tflite."),
    ] = None,
    space: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Measure architectures of this search space instead of files.",
            autocompletion=completion.spaces,
        ),
    ] = None,
    archs: Annotated[
        list[str] | None,
        typer.Option(
            "--arch",
            metavar="TEXT|@FILE",
            help="One of them, or a file of them, one per line (repeatable).",
        ),
    ] = None,
    selected: Annotated[
        int | None,
        typer.Option(
            "--select",
            min=1,
            metavar="K",
            help="Those that 'hwprof select' prints: what a prediction needs most.",
        ),
    ] = None,
    sample: Annotated[int | None, typer.Option(min=1, metavar="K", help="K random ones.")] = None,
    seed: Seed = None,
    pool: PoolFile = None,
    resolution: Annotated[
        int | None,
        typer.Option(
            min=1,
            metavar="N",
            help="Side of the image, or tokens.",
            show_default="the architecture's own",
        ),
    ] = None,
    name: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="What the model is called, if it is one.",
            show_default="its file's name",
        ),
    ] = None,
    tags: Annotated[
        list[str] | None,
        typer.Option("--tag", metavar="TEXT", help="Mark the results with it (repeatable)."),
    ] = None,
    devices: Devices = None,
    threads: ThreadCounts = None,
    batches: Batches = None,
    shapes: Shapes = None,
    inputs: Inputs = None,
    inputs_file: InputsFile = None,
    restarts: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            help="Fresh processes to measure in.",
            show_default="3, more if needed and affordable; 3 in turns",
        ),
    ] = None,
    budget: Budget = 10.0,
    precision: Precision = 0.01,
    pin: Pin = "auto",
    meter: Meter = None,
    custom_ops: CustomOps = None,
    check_outputs: CheckOutputs = True,
    timeout: Timeout = None,
    per_op: Annotated[
        bool, typer.Option("--per-op/--no-per-op", help="Also measure every kernel.")
    ] = True,
    percentile: Annotated[
        float | None,
        typer.Option(metavar="90|99|99.9", help="Sample until this tail is supported."),
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Skip what the table holds from the same command.")
    ] = False,
    fail_above: MaxLatency = None,
    lut_path: Lut = None,
    as_json: AsJson = False,
    markdown: AsMarkdown = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> int:
    """Measure latency, per-op costs and memory of models into a table.

    Each model runs in a fresh process; each result is saved at once. Several devices take turns,
    so that drift of the machine hits all alike. With --space, architectures are built with random
    weights and measured. With --fail-above the exit code says whether the latencies keep a limit.
    """
    from hwprof.cli.progress import Bar, amount_of
    from hwprof.profiler import sweep as library
    from hwprof.profiler.plan import Plan

    check_forms(as_json, markdown)
    limit_s, whole = max_latency(fail_above), as_json or markdown
    counts = counts_of("--threads", threads)
    usual = library.usual_restarts(len(devices or ("",)) * max(1, len(counts)))
    path = table_path(lut_path)
    bar = Bar(amount=amount_of(quiet, verbose))
    sweep = library.sweep(
        models or (),
        devices or None,
        threads=counts,
        batches=counts_of("--batch", batches),
        shapes=shapes_of(shapes),
        inputs=inputs_of(inputs, inputs_file),
        space=space,
        archs=_archs(models, space, archs, selected, sample, seed, pool),
        sample=sample,
        seed=seed or 0,
        resolution=resolution,
        name=name,
        tags=tags or (),
        plan=Plan(
            precision=precision,
            budget_s=budget,
            restarts=usual if restarts is None else restarts,
            per_op=per_op,
            pin=pin,
            percentile=None if percentile is None else round(percentile / 100, 6),
        ),
        meter=meter,
        custom_ops=custom_ops,
        table=path,
        resume=resume,
        check_outputs=check_outputs,
        timeout=timeout,
        listen=bar.tell,
    )
    bar.total, several = sweep.total, len(sweep.devices) > 1
    bar.several = several
    if not devices and not quiet:
        _tell_devices(models or ())
    outcomes: list[Outcome] = []
    try:
        with bar:
            for outcome in sweep:
                outcomes.append(outcome)
                bar.advance()
                _show(outcome, whole, quiet, several=several)
    finally:
        # Also when interrupted: what was measured is printed, and still one document.
        measured = [o.measurement for o in outcomes if o.measurement is not None]
        judgements = judgements_of(measured, limit_s)
        if as_json:
            print_json(documents(outcomes, judgements))
        elif markdown:
            from hwprof.report.markdown import measurements_markdown

            failures = [o.failure for o in outcomes if o.failure is not None]
            say(measurements_markdown(measured, judgements, failures))
    for outcome in outcomes:
        if outcome.unsaved is not None:
            raise outcome.unsaved
    if measured and not whole and quiet:
        tell_judgements(measured, judgements)
    elif measured and not whole:
        if several:
            from hwprof.report.text import ratios_page

            print_page(ratios_page(measured))
        tell_judgements(measured, judgements)
        say(f"\nSaved in {path}; see 'hwprof lut show --lut {path}'.")
    return _code(outcomes) or exit_code(j.verdict for j in judgements)


def _code(outcomes: list[Outcome]) -> int:
    """0 where nothing failed, 2 where all that did is about what the caller wrote, else 1."""
    failed = [outcome for outcome in outcomes if outcome.failure is not None]
    written = all(outcome.refused for outcome in failed)
    return 0 if not failed else 2 if written else 1


def _archs(
    models: list[Path] | None,
    space: str | None,
    archs: list[str] | None,
    selected: int | None,
    sample: int | None,
    seed: int | None,
    pool: Path | None,
) -> list[str]:
    """The architectures that --arch and --select name. Raises OptionError unless one way is taken.

    What else must fit together, the library says.
    """
    from hwprof.errors import OptionError

    if seed is not None and selected is None and sample is None:
        raise OptionError("--seed goes with --sample or --select; leave it out, or give one")
    if pool is not None and selected is None:
        raise OptionError("--pool goes with --select; leave it out, or say how many to select")
    if space is None and selected is not None:
        raise OptionError("--select is for architectures; name their search space with --space")
    texts = named_archs(archs)
    if space is None or models:
        return texts
    if [bool(texts), selected is not None, sample is not None].count(True) != 1:
        raise OptionError("with --space, say which architectures: --arch, --select or --sample")
    if selected is None:
        return texts
    return selection(space, pool, selected, seed)


def _tell_devices(models: Sequence[Path]) -> None:
    """Say which device each format is measured on that is not the usual one."""
    from hwprof.profiler.usual_device import USUAL, usual_device

    for suffix in sorted({model.suffix for model in models if usual_device(model) != USUAL}):
        device = usual_device(f"model{suffix}")
        tell(f"{suffix} files are measured on {device}, as --device names none")


def _show(outcome: Outcome, whole: bool, quiet: bool, *, several: bool) -> None:
    """Print one outcome as it arrives: failures always, results unless one document is wanted."""
    if outcome.failure is not None:
        # Most reasons name the model; among several devices it must be clear which one failed.
        device = f"{outcome.job.device}: " if several else ""
        again = "not tried again: " if outcome.resumed else ""
        complain(device + again + outcome.failure.reason)
    # Both where a failure cut a measurement off.
    if outcome.measurement is not None and not whole:
        if quiet:
            say(outcome.measurement.brief)
            return
        from hwprof.report.text import measurement_page

        print_page(measurement_page(outcome.measurement, resumed=outcome.resumed))
