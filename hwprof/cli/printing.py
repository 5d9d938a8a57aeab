"""How commands print: results on standard output, what went wrong on standard error."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import typer

from hwprof.report.visible import LONGEST, MESSAGE, shortened, visible, visible_lines

if TYPE_CHECKING:
    from hwprof.report.text import Page


def say(text: str) -> None:
    """Text on standard output, a line as a rule. On a terminal, no line is endless."""
    lines = visible_lines(text)
    if sys.stdout.isatty():
        lines = "\n".join(shortened(line, LONGEST) for line in lines.split("\n"))
    typer.echo(lines)


def tell(text: str) -> None:
    """One line on standard error that is no error."""
    typer.echo(shortened(visible_lines(text), MESSAGE), err=True)


def complain(message: str) -> None:
    """One line on standard error."""
    shown = shortened(visible(" ".join(message.split())), MESSAGE)
    typer.echo(f"error: {shown}", err=True)


def print_json(document: Any) -> None:
    """One JSON document on standard output."""
    from hwprof.report.document import json_text

    typer.echo(json_text(document))


def print_page(page: Page) -> None:
    """A page on standard output, as wide as it needs to be where that is not a terminal."""
    from rich.console import Console

    from hwprof.report.text import PIPE_WIDTH

    width = None if sys.stdout.isatty() else PIPE_WIDTH
    Console(width=width, highlight=False, emoji=False).print(page)
