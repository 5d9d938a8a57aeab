"""Options that several commands share."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from hwprof.devices.worker.client import WorkerTarget
    from hwprof.profiler.plan import Plan

F = TypeVar("F", bound=Callable[..., Any])

DEFAULT_TABLE = "hwprof.db"

lut_option = click.option(
    "--lut",
    "lut_path",
    type=click.Path(path_type=Path),
    help="Table file.  [default: $HWPROF_LUT, else ./hwprof.db]",
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")


def measuring_options(command: F) -> F:
    """The options that say how to measure and what."""
    options = [
        click.option(
            "--device",
            default="onnxruntime-cpu",
            show_default=True,
            help="NAME or NAME:key=value,...; see 'hwprof devices'.",
        ),
        click.option("--threads", type=click.IntRange(1), help="Threads of the runtime."),
        click.option(
            "--shape",
            "shapes",
            multiple=True,
            metavar="NAME=1,3,224,224",
            help="Shape of an input that leaves dimensions open (repeatable).",
        ),
        click.option("--batch", type=int, help="First dimension of inputs that leave it open."),
        click.option("--restarts", type=int, help="Fresh processes to measure in."),
        click.option(
            "--budget",
            type=float,
            default=10.0,
            show_default=True,
            metavar="SECONDS",
            help="At most this much timed running per model.",
        ),
        click.option(
            "--precision",
            type=float,
            default=0.01,
            show_default=True,
            help="Stop at this relative half-width of the 95% interval.",
        ),
        click.option(
            "--pin",
            default="auto",
            show_default=True,
            metavar="auto|none|0,1",
            help="Processors to run on; auto takes the least busy.",
        ),
    ]
    for option in reversed(options):
        command = option(command)
    return command


def table_path(given: Path | None) -> Path:
    """`--lut`, else `$HWPROF_LUT`, else `./hwprof.db`."""
    if given is not None:
        return given
    return Path(os.environ.get("HWPROF_LUT") or DEFAULT_TABLE)


def target_of(device: str, threads: int | None) -> WorkerTarget:
    """The target that `--device` and `--threads` name."""
    from hwprof.devices.registry import parse
    from hwprof.devices.worker.client import WorkerTarget
    from hwprof.errors import OptionError

    if threads is not None and "threads" in parse(device)[1]:
        raise OptionError(f"--threads is given beside '{device}', which sets threads; keep one")
    return WorkerTarget(device, {} if threads is None else {"threads": str(threads)})


def shapes_of(texts: Sequence[str]) -> dict[str, tuple[int, ...]]:
    """`--shape` options by input name."""
    from hwprof.errors import OptionError
    from hwprof.profiler.shapes import parse_shape

    shapes: dict[str, tuple[int, ...]] = {}
    for text in texts:
        name, dims = parse_shape(text)
        if name in shapes:
            raise OptionError(f"--shape gives input '{name}' twice; keep one of them")
        shapes[name] = dims
    return shapes


def plan_of(
    *,
    precision: float,
    budget: float,
    restarts: int,
    per_op: bool,
    pin: str,
    percentile: float | None = None,
) -> Plan:
    """The plan that the options describe."""
    from hwprof.profiler.plan import Plan

    return Plan(
        precision=precision,
        budget_s=budget,
        restarts=restarts,
        per_op=per_op,
        pin=pin,
        percentile=None if percentile is None else round(percentile / 100, 6),
    )


def predicting() -> ModuleType:
    """The predictors, which need an extra. Raises OptionError that names it."""
    from hwprof.errors import OptionError

    try:
        from hwprof.predictors import shipped
    except ImportError as error:
        raise OptionError(
            f"prediction needs {error.name}, which is not installed; "
            "install it with pip install 'hwprof[predict]'"
        ) from error
    return shipped
