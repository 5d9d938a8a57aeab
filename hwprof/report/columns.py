"""A table that fits a terminal: one line a row, whatever the width.

Columns that there is no room for are left out, the least important first; what is longer than its
column is cut in the middle or at its end, and says so with an ellipsis.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderResult
from rich.text import Text

from hwprof.report.visible import visible

GAP = 2
# Where there is room for nothing, texts are cut to this.
_NARROWEST = 4


@dataclass(frozen=True, slots=True)
class Column:
    """A heading and one text for each row."""

    head: str
    cells: Sequence[str]
    right: bool = False
    """Whether texts end, rather than begin, under each other."""
    cut: Literal["", "middle", "end"] = ""
    """Where a text that is too long is cut; empty for one that is whole or not shown."""
    least: int = 0
    """To how few cells a text may be cut."""
    enough: int = 0
    """How many cells it should have before columns of rank 2 and more are shown."""
    rank: int = 0
    """0 is always shown; others from 1 on, as long as there is room."""
    styles: Mapping[int, str] = field(default_factory=dict)
    """Colours of single rows, by number."""

    def widths(self) -> tuple[int, int, int]:
        """Cells that it takes: as few as it may be cut to, enough, and with every text whole."""
        head = cell_len(self.head)
        whole = max([head, *map(cell_len, self.cells)])
        if not self.cut:
            return whole, whole, whole
        least = min(whole, max(self.least, head))
        return least, min(whole, max(self.enough, least)), whole


@dataclass(frozen=True, slots=True)
class Fitted:
    """Columns side by side; rich prints them as wide as it may, and never wraps a line."""

    columns: Sequence[Column]

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        columns = [printable(c, ascii_only=options.ascii_only) for c in self.columns]
        ellipsis = "~" if options.ascii_only else "…"
        shown = fit(columns, options.max_width)
        rows = max((len(column.cells) for column, _ in shown), default=-1)
        for row in range(-1, rows):
            line = Text(no_wrap=True, overflow="crop")
            for number, (column, width) in enumerate(shown):
                whole = column.head if row < 0 else column.cells[row]
                text = shorten(whole, width, column.cut, ellipsis)
                blanks = " " * (width - cell_len(text))
                style = "bold" if row < 0 else column.styles.get(row, "")
                line.append(" " * GAP if number else "")
                line.append(blanks if column.right else "")
                line.append(text, style)
                line.append("" if column.right else blanks)
            line.rstrip()
            # Where not even the least widths fit.
            line.truncate(options.max_width, overflow="crop")
            yield line


def printable(column: Column, *, ascii_only: bool) -> Column:
    """The column with texts that any terminal, or one of ASCII alone, shows as they are."""

    def shown(text: str) -> str:
        text = visible(text)
        if not ascii_only:
            return text
        return text.replace("±", "+-").encode("ascii", "backslashreplace").decode()

    return Column(
        shown(column.head),
        [shown(cell) for cell in column.cells],
        column.right,
        column.cut,
        column.least,
        column.enough,
        column.rank,
        column.styles,
    )


def fit(columns: Sequence[Column], width: int) -> list[tuple[Column, int]]:
    """The columns that there is room for, in their order, with the width of each."""
    widths = [column.widths() for column in columns]
    taken = {n: widths[n][0] for n, column in enumerate(columns) if not column.rank}

    def room() -> int:
        return width - sum(taken.values()) - GAP * (len(taken) - 1)

    def show(ranks: Iterable[int], size: int) -> None:
        for rank in ranks:
            for number, column in enumerate(columns):
                if column.rank == rank and GAP + widths[number][size] <= room():
                    taken[number] = widths[number][size]

    def grow(size: int) -> None:
        # The most important ones first, those of one rank alike.
        for rank in sorted({columns[number].rank for number in taken}):
            small = [n for n in sorted(taken) if columns[n].rank == rank]
            while room() > 0 and (small := [n for n in small if taken[n] < widths[n][size]]):
                for number in small[: room()]:
                    taken[number] += 1

    cut = [number for number in taken if columns[number].cut]
    while room() < 0 and any(taken[number] > _NARROWEST for number in cut):
        taken[max(cut, key=lambda number: taken[number])] -= 1
    show([1], 0)
    grow(1)
    show(sorted({column.rank for column in columns if column.rank > 1}), 1)
    grow(2)
    return [(columns[number], taken[number]) for number in sorted(taken)]


def shorten(text: str, width: int, cut: Literal["", "middle", "end"], ellipsis: str = "…") -> str:
    """`text` in at most `width` cells; cut where it is longer, unless it may not be."""
    if not cut or cell_len(text) <= width:
        return text
    room = max(0, width - cell_len(ellipsis))
    if cut == "end":
        return _start(text, room) + ellipsis
    end = _start(text[::-1], room // 2)[::-1]
    return _start(text, room - cell_len(end)) + ellipsis + end


def _start(text: str, width: int) -> str:
    """As much of the beginning as takes `width` cells at most."""
    for number, character in enumerate(text):
        width -= cell_len(character)
        if width < 0:
            return text[:number]
    return text
