"""Options that several commands share."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from hwprof.profiler.plan import Plan
    from hwprof.targets.base import Target
    from hwprof.targets.worker import WorkerTarget

F = TypeVar("F", bound=Callable[..., Any])

DEFAULT_TABLE = "hwprof.db"
DEFAULT_DEVICE = "onnxruntime-cpu"
DEVICE_HELP = "NAME or NAME:key=value,...; see 'hwprof devices'."

lut_option = click.option(
    "--lut",
    "lut_path",
    type=click.Path(path_type=Path),
    help="Table file.  [default: $HWPROF_LUT, else ./hwprof.db]",
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")


class Counts(click.ParamType[tuple[int, ...]]):
    """Whole numbers from 1, separated by commas: a sweep has several."""

    name = "N,..."

    def convert(
        self, value: Any, param: click.Parameter | None, context: click.Context | None
    ) -> tuple[int, ...]:
        if isinstance(value, tuple):
            return value
        parts = str(value).split(",")
        if not all(part.isdecimal() and int(part) >= 1 for part in parts):
            self.fail(f"'{value}' is not a whole number of at least 1, nor several like 1,2", param)
        counts = tuple(int(part) for part in parts)
        if len(set(counts)) < len(counts):
            self.fail(f"'{value}' names a number twice; keep one of them", param)
        return counts


def one_cell_options(command: F) -> F:
    """One device, its threads and one batch."""
    options = [
        click.option("--device", default=DEFAULT_DEVICE, show_default=True, help=DEVICE_HELP),
        click.option("--threads", type=click.IntRange(1), help="Threads of the runtime."),
        click.option("--batch", type=int, help="First dimension of inputs that leave it open."),
    ]
    return _apply(command, options)


def sweep_options(command: F) -> F:
    """Several devices, thread counts and batches: one result for each combination."""
    options = [
        click.option(
            "--device",
            "devices",
            multiple=True,
            help=f"{DEVICE_HELP} Repeatable: devices then take turns.  [default: {DEFAULT_DEVICE}]",
        ),
        click.option("--threads", type=Counts(), help="Threads of the runtime, or several: 1,2."),
        click.option(
            "--batch",
            "batches",
            type=Counts(),
            help="First dimension of inputs that leave it open, or several: 1,8.",
        ),
    ]
    return _apply(command, options)


def measuring_options(command: F) -> F:
    """The options that say how to measure, wherever."""
    options = [
        click.option(
            "--shape",
            "shapes",
            multiple=True,
            metavar="NAME=1,3,224,224",
            help="Shape of an input that leaves dimensions open (repeatable).",
        ),
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
        click.option(
            "--meter", envvar="HWPROF_METER", help="Energy meter to read.  [default: what is here]"
        ),
        click.option(
            "--check-outputs/--no-check-outputs",
            default=True,
            help="Compare outputs with ONNX Runtime's before timing.",
        ),
    ]
    return _apply(command, options)


def _apply(command: F, options: Sequence[Callable[[F], F]]) -> F:
    for option in reversed(options):
        command = option(command)
    return command


def table_path(given: Path | None) -> Path:
    """`--lut`, else `$HWPROF_LUT`, else `./hwprof.db`."""
    if given is not None:
        return given
    return Path(os.environ.get("HWPROF_LUT") or DEFAULT_TABLE)


def target_of(device: str, threads: int | None, meter: str | None) -> WorkerTarget:
    """The target that `--device`, `--threads` and `--meter` name."""
    from hwprof.devices.registry import parse
    from hwprof.errors import OptionError
    from hwprof.targets.worker import WorkerTarget

    if threads is not None and "threads" in parse(device)[1]:
        raise OptionError(f"--threads is given beside '{device}', which sets threads; keep one")
    options = {} if threads is None else {"threads": str(threads)}
    return WorkerTarget(device, options, meter=meter)


def targets_of(
    devices: Sequence[str], threads: Sequence[int] | None, meter: str | None
) -> list[tuple[str, Target]]:
    """Each device with each number of threads: how it was asked for, and its target.

    Among several, one that is unavailable fails when it is used. Raises OptionError and
    DeviceError for what no machine could measure, for the only device if it is unavailable, and
    for a device named twice.
    """
    from hwprof.devices.registry import parse
    from hwprof.errors import DeviceError, OptionError

    asked = [(d, t) for d in devices or (DEFAULT_DEVICE,) for t in threads or (None,)]
    found: list[tuple[str, Target]] = []
    seen: set[tuple[str, tuple[tuple[str, str], ...]]] = set()
    for device, count in asked:
        name, own = parse(device)
        identity = name, tuple(sorted({"threads": str(count or 1), **own}.items()))
        if identity in seen:
            raise OptionError(f"--device names '{device}' twice; keep one of them")
        seen.add(identity)
        label = device
        if count is not None and len(threads or ()) > 1:
            label = f"{device}{',' if own else ':'}threads={count}"
        found.append((label, target_of(device, count, meter)))
    for _, target in found:
        try:
            target.spec  # noqa: B018 - what only the target can refuse, before any model is read
        except DeviceError:
            if len(found) == 1:
                raise
    return found


def shapes_of(texts: Sequence[str]) -> dict[str, tuple[int, ...]]:
    """`--shape` options by input name."""
    from hwprof.errors import OptionError
    from hwprof.models.shapes import parse_shape

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
