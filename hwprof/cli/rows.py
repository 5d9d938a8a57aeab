"""Rows of a table on standard output: fitted to a terminal, whole and tab-separated elsewhere."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from hwprof.cli.printing import print_page, say, tell
from hwprof.report.visible import visible

if TYPE_CHECKING:
    from hwprof.report.text import Page


def print_rows(page: Callable[[], Page], piped: Iterable[tuple[str, ...]]) -> None:
    """The page on a terminal; in a pipe or a file the cells, a line a row, nothing cut or wrapped.

    What does not print, tabs and line breaks among it, is an escape in both.
    """
    if sys.stdout.isatty():
        print_page(page())
        return
    for cells in piped:
        sys.stdout.write("\t".join(map(visible, cells)) + "\n")
    sys.stdout.flush()


def sum_up(text: str) -> None:
    """A line on what the rows were: beside them on a terminal, and apart from them in a pipe."""
    (say if sys.stdout.isatty() else tell)(text)
