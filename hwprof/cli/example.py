"""`hwprof example`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from hwprof.cli.options import examples
from hwprof.cli.printing import say

EXAMPLES = examples("hwprof example", "hwprof example -o models/small.onnx --force")


def example(
    output: Annotated[
        Path, typer.Option("-o", "--output", metavar="FILE", help="ONNX file to write.")
    ] = Path("example.onnx"),
    force: Annotated[
        bool, typer.Option("--force", help="Overwrite a file that is there already.")
    ] = False,
) -> None:
    """Write a small network to try hwprof on, the same one every time.

    An architecture of the search space mobilenetv3 with fixed random weights, 13 MiB.
    """
    import shlex

    from hwprof.spaces.example import write_example

    path = write_example(output, overwrite=force)
    size = path.stat().st_size / 2**20
    say(f"Wrote {path}, a network of the space mobilenetv3 ({size:.1f} MiB); measure it with")
    say(f"  hwprof measure {shlex.quote(str(path))}")
