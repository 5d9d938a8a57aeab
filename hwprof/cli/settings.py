"""Options that say which rows of a table are meant, where they differ in what never mixes."""

from __future__ import annotations

from typing import Annotated

import typer

from hwprof.cli import completion

OfBatch = Annotated[
    int | None, typer.Option("--batch", min=1, metavar="N", help="Only measurements of this batch.")
]
OfResolution = Annotated[
    int | None,
    typer.Option(
        "--resolution", min=1, metavar="N", help="Only of this side of the image, or tokens."
    ),
]
OfPrecision = Annotated[
    str | None,
    typer.Option("--precision", metavar="NAME", help="Only of this precision: fp32, int8, ..."),
]
OfThreads = Annotated[
    int | None, typer.Option("--threads", min=1, metavar="N", help="Only of so many threads.")
]
Include = Annotated[
    list[str] | None,
    typer.Option(
        "--include",
        metavar="SOURCE",
        help="Also rows that were imported, predicted or interpolated (repeatable).",
        autocompletion=completion.sources,
    ),
]
