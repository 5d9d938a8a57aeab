"""Names from models, tables and other people's files, made harmless for a terminal.

A name may hold anything: a sequence that clears the screen or sets the window's title, a line
break that forges a second line, letters that turn the reading direction around.
"""

from __future__ import annotations


def visible(text: str) -> str:
    """`text` with every character that does not print as an escape, such as `\\x1b`.

    Line breaks and tabs are among them. What prints stays as it is, in any script.
    """
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else _escaped(c) for c in text)


def visible_lines(text: str) -> str:
    """As `visible`, for a text of several lines: they stay lines."""
    return "\n".join(visible(line) for line in text.split("\n"))


def escape(text: str) -> str:
    """`visible`, with what rich would take for markup escaped as well."""
    from rich import markup

    return markup.escape(visible(text))


def _escaped(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")
