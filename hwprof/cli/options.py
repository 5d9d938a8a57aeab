"""Options that several commands share, and what their texts mean."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Annotated

import typer

from hwprof.cli import completion

DEFAULT_DEVICE = "onnxruntime-cpu"
USUAL_DEVICES = f"{DEFAULT_DEVICE}; torch-cpu for .pt2, litert-cpu for .tflite"
DEVICE_HELP = "NAME or NAME:key=value,...; see 'hwprof devices'."

Lut = Annotated[
    Path | None,
    typer.Option(
        "--lut", help="Table file.", metavar="FILE", show_default="$HWPROF_LUT, else ./hwprof.db"
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]
Quiet = Annotated[
    bool, typer.Option("--quiet", "-q", help="Print one line per result, and no progress.")
]
Verbose = Annotated[
    bool, typer.Option("--verbose", "-v", help="Print every phase, as lines on standard error.")
]

# Threads of one device, and one batch.
Threads = Annotated[
    int | None,
    typer.Option(
        "--threads",
        min=1,
        metavar="N",
        help="Threads of the runtime.",
        show_default="1, or what the device sets",
    ),
]
Batch = Annotated[
    int | None,
    typer.Option("--batch", metavar="N", help="Batch of inputs that leave it open."),
]

# Several of them: one result for each combination.
Devices = Annotated[
    list[str] | None,
    typer.Option(
        "--device",
        metavar="DEVICE",
        help=f"{DEVICE_HELP} Repeatable: devices then take turns.",
        show_default=USUAL_DEVICES,
        autocompletion=completion.devices,
    ),
]
ThreadCounts = Annotated[
    str | None,
    typer.Option(
        "--threads",
        metavar="N,...",
        help="Threads of the runtime, or several: 1,2.",
        show_default="1, or what the device sets",
    ),
]
Batches = Annotated[
    str | None,
    typer.Option(
        "--batch",
        metavar="N,...",
        help="Batch of inputs that leave it open, or several: 1,8.",
    ),
]

# How to measure, wherever.
Shapes = Annotated[
    list[str] | None,
    typer.Option(
        "--shape",
        metavar="NAME=1,3,224,224",
        help="Shape of an input that leaves dimensions open; * leaves one to --batch (repeatable).",
    ),
]
Inputs = Annotated[
    list[str] | None,
    typer.Option(
        "--input",
        metavar="NAME=VALUE",
        help="What an input holds: ids=0..50256, mask=1, x=x.npy (repeatable).",
        show_default="made up",
    ),
]
InputsFile = Annotated[
    Path | None,
    typer.Option(
        "--inputs",
        metavar="FILE.npz",
        help="Values of several inputs, or a folder of onnx test data.",
    ),
]
Budget = Annotated[
    float,
    typer.Option(metavar="SECONDS", help="At most this much timed running per model."),
]
Precision = Annotated[
    float,
    typer.Option(metavar="SHARE", help="Stop at this relative half-width of the 95% interval."),
]
Pin = Annotated[
    str,
    typer.Option(metavar="auto|none|0,1", help="Processors to run on; auto takes the least busy."),
]
Meter = Annotated[
    str | None,
    typer.Option(
        envvar="HWPROF_METER",
        metavar="NAME",
        help="Energy meter to read.",
        show_envvar=False,
        show_default="$HWPROF_METER, else the best that is here",
        autocompletion=completion.meters,
    ),
]
CustomOps = Annotated[
    Path | None,
    typer.Option(
        "--custom-ops",
        metavar="FILE.so",
        help="Library of operators for ONNX Runtime to load; its code runs.",
    ),
]
CheckOutputs = Annotated[
    bool,
    typer.Option(
        "--check-outputs/--no-check-outputs",
        help="Compare outputs with ONNX Runtime's.",
    ),
]

Timeout = Annotated[
    float | None,
    typer.Option(
        "--timeout",
        metavar="SECONDS",
        help="Give up on a model that takes longer to open, to run a batch or to profile.",
        show_default="1800 to open, 600 for the first run, then by its own runs",
    ),
]

# What a prediction starts from.
PoolFile = Annotated[
    Path | None,
    typer.Option(
        "--pool", metavar="FILE", help="Pool of known devices, such as 'hwprof pool make' writes."
    ),
]
Seed = Annotated[
    int | None,
    typer.Option("--seed", min=0, metavar="N", help="Another number draws others."),
]


def examples(*lines: str) -> str:
    """The end of a command's help. The \\b keeps typer from joining its lines."""
    return "\b\nExamples:\n" + "\n".join(f"  {line}" for line in lines)


def counts_of(option: str, text: str | None) -> tuple[int, ...]:
    """Whole numbers from 1, separated by commas: a sweep has several. Empty for None.

    Raises typer.BadParameter.
    """
    if text is None:
        return ()
    parts = text.split(",")
    if not all(part.isdecimal() and len(part) < 20 and int(part) >= 1 for part in parts):
        raise typer.BadParameter(
            f"'{text[:80]}' is not a whole number of at least 1, nor several like 1,2",
            param_hint=f"'{option}'",
        )
    counts = tuple(int(part) for part in parts)
    if len(set(counts)) < len(counts):
        raise typer.BadParameter(
            f"'{text}' names a number twice; keep one of them", param_hint=f"'{option}'"
        )
    return counts


def shapes_of(texts: Sequence[str] | None) -> dict[str, tuple[int, ...]]:
    """`--shape` options by input name."""
    from hwprof.errors import OptionError
    from hwprof.models.shapes import parse_shape

    shapes: dict[str, tuple[int, ...]] = {}
    for text in texts or ():
        name, dims = parse_shape(text)
        if name in shapes:
            raise OptionError(f"--shape gives input '{name}' twice; keep one of them")
        shapes[name] = dims
    return shapes


def inputs_of(texts: Sequence[str] | None, file: Path | None) -> dict[str, str | Path] | None:
    """`--input` and `--inputs` as the library takes them. Raises OptionError."""
    from hwprof.errors import OptionError
    from hwprof.models.inputs.given import ALL

    values: dict[str, str | Path] = {} if file is None else {ALL: file}
    for text in texts or ():
        name, equals, value = text.partition("=")
        if not name or not equals:
            raise OptionError(
                f"--input must look like NAME=VALUE, got '{text}'; give the input's name and a "
                "number, a range like 0..50256, or a .npy file"
            )
        if name in values:
            raise OptionError(f"--input gives '{name}' twice; keep one of them")
        values[name] = value
    return values or None


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
