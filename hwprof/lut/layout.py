"""Whether a file has the layout of a table, the whole of it, and nothing besides.

A file that someone sent may hold triggers, views, checks and expressions, which SQLite runs as soon
as the file is read or written: a trigger that deletes rows, a view that never ends. Every version's
layout is known, so anything else is refused before the first query.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Mapping
from contextlib import closing
from functools import lru_cache

from hwprof.lut import schema, schema_1

# Only what SQLite itself takes for a comment or white space is left out.
_TOKEN = re.compile(
    r"--[^\n]*|/\*.*?\*/|[ \t\n\f\r]+|(\w+|'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\"|.)",
    re.ASCII | re.DOTALL,
)
# Far more than any version has, and few enough to read.
_MOST_PARTS = 256
_MOST_LETTERS = 20_000

Tokens = tuple[str, ...]
Form = tuple[Tokens, frozenset[Tokens], Tokens]
"""What stands before the brackets, the definitions inside in any order, and what follows."""
Layout = Mapping[tuple[str, str], Form | None]
"""By kind and name; None for an index that SQLite makes by itself."""


class StrangeLayoutError(Exception):
    """The file has a part that no table has, or a part in another form; the argument says which."""


class MissingPartError(Exception):
    """The file lacks a part, which is the argument."""


def check(connection: sqlite3.Connection, version: int) -> None:
    """Hold the file against the layout of its schema version.

    Raises StrangeLayoutError, MissingPartError, or sqlite3.Error for a file that cannot be read.
    """
    known, found = of_version(version), _read(connection)
    for part, form in found.items():
        named = _named(*part)
        if part not in known:
            raise StrangeLayoutError(f"it holds {named}")
        if form != known[part]:
            raise StrangeLayoutError(f"{named} is not as hwprof makes it")
    for part in known:
        if part not in found:
            raise MissingPartError(_named(*part))


def of_version(version: int) -> Layout:
    """The layout of a schema version: the first one, with the changes since made to it."""
    scripts = [schema.MIGRATIONS[n] for n in range(2, version + 1)]
    return _made((schema_1.SCHEMA, *scripts))


@lru_cache(maxsize=8)
def _made(scripts: tuple[str, ...]) -> Layout:
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as made:
        schema.run(made, scripts)
        return _read(made)


def _read(connection: sqlite3.Connection) -> Layout:
    rows = connection.execute("SELECT type, name, tbl_name, sql FROM sqlite_master")
    found: dict[tuple[str, str], Form | None] = {}
    for row in rows.fetchmany(_MOST_PARTS):
        kind, name, table, sql = row
        if not all(isinstance(text, str) for text in (kind, name, table)) or (kind, name) in found:
            raise StrangeLayoutError("its list of parts makes no sense")
        found[kind, name] = _part(kind, name, table, sql)
    if len(found) == _MOST_PARTS:
        raise StrangeLayoutError(f"it has {_MOST_PARTS} parts or more")
    return found


def _part(kind: str, name: str, table: str, sql: object) -> Form | None:
    if sql is None:
        # Only of an index, and its name says which table's.
        own = kind == "index" and re.fullmatch(rf"sqlite_autoindex_{re.escape(table)}_\d", name)
        return None if own else ((kind,), frozenset(), ())
    head, definitions, tail = _form(sql)
    if kind not in ("table", "index") or head[1:3] != (kind.upper(), name):
        # The text counts for SQLite, whatever the other columns say.
        head = (f"{kind} {name}", *head)
    return (head, definitions, tail)


def _form(sql: object) -> Form:
    if not isinstance(sql, str) or len(sql) > _MOST_LETTERS:
        return (("no text",), frozenset(), ())
    tokens = [match[1] for match in _TOKEN.finditer(sql) if match[1] is not None]
    if "(" not in tokens:
        return (tuple(tokens), frozenset(), ())
    begin = tokens.index("(")
    head = tokens[:begin]
    if len(head) > 2 and re.fullmatch(r'"\w+"', head[2], re.ASCII):
        # A table that was renamed is quoted.
        head[2] = head[2][1:-1]
    definitions: list[list[str]] = [[]]
    depth = 0
    for end, part in enumerate(tokens[begin:], begin):
        depth += {"(": 1, ")": -1}.get(part, 0)
        if depth == 0:
            return (tuple(head), _distinct(definitions), tuple(tokens[end + 1 :]))
        if part == "," and depth == 1:
            definitions.append([])
        elif end > begin:
            definitions[-1].append(part)
    return (tuple(tokens), frozenset(), ())


def _distinct(definitions: list[list[str]]) -> frozenset[Tokens]:
    """The definitions; what stands there twice is marked, and then like no known layout."""
    found = frozenset(map(tuple, definitions))
    return found if len(found) == len(definitions) else found | {("twice",)}


def _named(kind: str, name: str) -> str:
    shown = "".join(letter if letter.isprintable() else "?" for letter in name[:60])
    return f"the {kind if kind in ('table', 'index', 'view', 'trigger') else 'part'} '{shown}'"
