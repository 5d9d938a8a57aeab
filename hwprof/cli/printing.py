"""How commands print: results on standard output, what went wrong on standard error.

Whatever is on the screen in between, a progress bar, is cleared before anything is printed.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TextIO

from hwprof.report.visible import LONGEST, MESSAGE, shortened, visible, visible_lines

if TYPE_CHECKING:
    from rich.console import Console

    from hwprof.report.text import Page

# SGR codes of the colours that lines of text have; pages are coloured by rich.
_CODES = {"green": 32, "yellow": 33, "red": 31}
_on_screen: list[Callable[[], object]] = []


def say(text: str) -> None:
    """Text on standard output, a line as a rule. On a terminal, no line is endless."""
    lines = visible_lines(text)
    if sys.stdout.isatty():
        lines = "\n".join(shortened(line, LONGEST) for line in lines.split("\n"))
    _print(lines, sys.stdout)


def say_marked(mark: str, colour: str | None, text: str) -> None:
    """A line on standard output that begins with a coloured word, where colours are shown."""
    mark, text = visible(mark), visible(text)
    if colour is not None and coloured(sys.stdout):
        mark = f"\x1b[{_CODES[colour]}m{mark}\x1b[0m"
    _print(f"{mark} {text}", sys.stdout)


def tell(text: str) -> None:
    """One line on standard error that is no error."""
    _print(shortened(visible_lines(text), MESSAGE), sys.stderr)


def fitting() -> None:
    """Say to whoever waits at a terminal why it takes seconds."""
    if sys.stderr.isatty():
        tell("fitting the pool (once, some seconds) ...")


def complain(message: str) -> None:
    """One line on standard error."""
    shown = shortened(visible(" ".join(message.split())), MESSAGE)
    _print(f"error: {shown}", sys.stderr)


def print_json(document: Any) -> None:
    """One JSON document on standard output."""
    from hwprof.report.document import json_text

    _print(json_text(document), sys.stdout)


def print_page(page: Page) -> None:
    """A page on standard output, as wide as it needs to be where that is not a terminal."""
    from hwprof.report.text import PIPE_WIDTH

    clear_screen()
    console_on(sys.stdout, None if sys.stdout.isatty() else PIPE_WIDTH).print(page)


def on_screen(clear: Callable[[], object]) -> None:
    """From now on, `clear` takes something off the screen before anything is printed."""
    _on_screen.append(clear)


def off_screen(clear: Callable[[], object]) -> None:
    """The end of `on_screen`."""
    _on_screen.remove(clear)


def clear_screen() -> None:
    """Take off the screen what is not to stay there."""
    for clear in _on_screen:
        clear()


def coloured(stream: TextIO) -> bool:
    """Whether colours go to a stream: `NO_COLOR`, then `FORCE_COLOR`, then `TERM`, then what it is.

    Empty variables count for nothing, and neither does `FORCE_COLOR=0` force (no-color.org,
    force-color.org; the order is Python's own).
    """
    if os.environ.get("NO_COLOR"):
        return False
    forced = os.environ.get("FORCE_COLOR", "")
    if forced:
        return forced.lower() not in ("0", "false")
    return not dumb() and stream.isatty()


def dumb() -> bool:
    """Whether the terminal knows no escape sequences."""
    return os.environ.get("TERM", "").lower() in ("dumb", "unknown")


def console_on(stream: TextIO, width: int | None = None) -> Console:
    """rich's console on a stream, which decides nothing by itself."""
    from rich.console import Console

    return Console(
        file=stream,
        width=width,
        highlight=False,
        emoji=False,
        color_system="standard" if coloured(stream) else None,
        force_terminal=stream.isatty() and not dumb(),
        # Of a notebook, standard output is no part.
        force_jupyter=False,
    )


def _print(text: str, stream: TextIO) -> None:
    clear_screen()
    stream.write(text + "\n")
    stream.flush()
