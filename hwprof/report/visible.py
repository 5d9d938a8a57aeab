"""Names from models, tables and other people's files, made harmless for a terminal.

A name may hold anything: a sequence that clears the screen or sets the window's title, a line
break that forges a second line, letters that turn the reading direction around, 100,000 letters.
"""

from __future__ import annotations

from collections.abc import Iterable

from hwprof.errors import visible as visible

LONGEST = 1000
"""Characters that a name is shown with at most: architectures of the search spaces have 300."""
MESSAGE = 4000
"""The same of a message, which may hold several names."""


def visible_lines(text: str) -> str:
    """As `visible`, for a text of several lines: they stay lines."""
    return "\n".join(visible(line) for line in text.split("\n"))


def shortened(text: str, most: int = LONGEST) -> str:
    """`text` with its middle left out where it is longer than `most`, which says how much."""
    if len(text) <= most:
        return text
    end = most // 3
    return f"{text[: most - end]} ... {len(text) - most} more ... {text[-end:]}"


def escape(text: str) -> str:
    """`visible` and `shortened`, with what rich would take for markup escaped as well."""
    from rich import markup

    return markup.escape(shortened(visible(text)))


def escape_each(names: Iterable[str]) -> str:
    """Several names, each as `escape` has it, with commas between them."""
    return ", ".join(map(escape, names))
