"""Values that a shell can complete, and how it is answered.

A shell asks by running `hwprof` with `_HWPROF_COMPLETE` set, in the middle of a line that is being
typed. So nothing here may fail, print a complaint, or change anything: what cannot be found out is
not offered.
"""

from __future__ import annotations

import io
import os
import re
import shlex
import sys
from collections.abc import Callable, Iterable, Sequence
from contextlib import redirect_stderr, redirect_stdout, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from hwprof.lut import Table

ASKED = "_HWPROF_COMPLETE"
MODEL_FILES = (".onnx", ".pt2", ".tflite")
# More than this nobody reads; a table may hold many thousands.
MOST_IDS = 100
# What shells act on even inside of quotes.
_ACTIVE = re.compile(r"""["'`$\\]""")
# Longer names nobody picks from a list.
LONGEST = 500


def asked() -> bool:
    """Whether a shell asks for completions, rather than a person for a command."""
    return os.environ.get(ASKED, "").startswith("complete_")


def answer(app: Callable[..., object]) -> int:
    """Print what the shell asked for, and nothing else; gives back the exit code."""
    prefix = _join_bash_words() if os.environ[ASKED] == "complete_bash" else None
    printed, code = io.StringIO(), 0
    # Whatever a half-typed line makes go wrong, the shell is told nothing rather than a traceback.
    with (
        redirect_stdout(printed),
        redirect_stderr(io.StringIO()),
        suppress(Exception, KeyboardInterrupt),
    ):
        try:
            app(prog_name="hwprof", standalone_mode=False)
        except SystemExit as ending:
            code = ending.code if isinstance(ending.code, int) else 0
    for line in filter(None, printed.getvalue().splitlines()):
        if prefix is not None:
            # Names of architectures have spaces and bars; the other shells quote by themselves.
            line = re.sub(r"([^\w@%+=:,./~-])", r"\\\1", line.removeprefix(prefix))
        sys.stdout.write(line + "\n")
    return code


def _join_bash_words() -> str | None:
    """Undo how bash splits words at `:` and `=`.

    `--device=cpu:opt` comes as five words, and bash replaces the last one only. Gives back what
    stands before it in a value, here `cpu:`, which completions must leave out; None inside of
    quotes, where nothing is split.
    """
    try:
        words = shlex.split(os.environ["COMP_WORDS"])
        number = int(os.environ["COMP_CWORD"])
    except (KeyError, ValueError):
        return None
    words = [*words[:number], words[number] if number < len(words) else ""]
    joined = words[:1]
    for word in words[1:]:
        # The program's own name is never part of another word, nor is a new word not begun yet.
        if word and len(joined) > 1 and (word[0] in ":=" or joined[-1].endswith((":", "="))):
            joined[-1] += word
        else:
            joined.append(word)
    os.environ["COMP_WORDS"] = shlex.join(joined)
    os.environ["COMP_CWORD"] = str(len(joined) - 1)
    typed, whole = words[-1].lstrip(":="), joined[-1]
    before = whole.removesuffix(typed) if typed else whole
    if words[-1] == whole:
        return ""
    return before.partition("=")[2] if before.startswith("--") else before


def devices(incomplete: str) -> list[str]:
    """Names of devices and their short forms."""
    from hwprof.devices.registry import ALIASES, names

    return _matching([*names(), *ALIASES], incomplete)


def spaces(incomplete: str) -> list[str]:
    """Names of search spaces."""
    from hwprof.spaces import names

    return _matching(names(), incomplete)


def meters(incomplete: str) -> list[str]:
    """Names of energy meters."""
    from hwprof.machine.meters import list_meters

    return _matching([listing.name for listing in list_meters()], incomplete)


def sources(incomplete: str) -> list[str]:
    """Where measurements come from."""
    from hwprof.lut.pack import SOURCES

    return _matching(SOURCES, incomplete)


def models(ctx: typer.Context, incomplete: str) -> list[str]:
    """Names of the models that the table holds measurements of."""
    return _of_table(ctx, lambda table: _matching(table.names(), incomplete))


def measured_devices(ctx: typer.Context, incomplete: str) -> list[str]:
    """Slugs of the devices that the table knows."""
    return _of_table(ctx, lambda table: _matching([d.slug for d in table.devices()], incomplete))


def identities(ctx: typer.Context, incomplete: str) -> list[str]:
    """Ids of the newest measurements in the table, as short as `hwprof lut show` writes them."""
    return _of_table(ctx, lambda table: _short(table, table.ids(), incomplete))


def rows(ctx: typer.Context, incomplete: str) -> list[str]:
    """As `identities`, those of failures among them."""

    def found(table: Table) -> list[str]:
        return _short(table, [entry.id for entry in table.listing.entries()], incomplete)

    return _of_table(ctx, found)


def tags(ctx: typer.Context, incomplete: str) -> list[str]:
    """Tags in the table."""
    return _of_table(ctx, lambda table: _matching(table.listing.tags(), incomplete))


def _short(table: Table, ids: Sequence[str], incomplete: str) -> list[str]:
    digits = table.listing.digits()
    whole = len(incomplete) > digits
    short = [identity if whole else identity[:digits] for identity in ids]
    return _matching(short, incomplete)[:MOST_IDS]


def sides(ctx: typer.Context, incomplete: str) -> list[str]:
    """What `hwprof compare` takes: devices beside --model, else files and what a table holds."""
    if ctx.params.get("model") is not None:
        return devices(incomplete)
    return [*_files(incomplete), *models(ctx, incomplete), *identities(ctx, incomplete)]


def _files(incomplete: str) -> list[str]:
    """Model files that begin so. Where none does, the shell offers folders by itself."""
    start = incomplete.rpartition("/")[2]
    above = incomplete.removesuffix(start) if start else incomplete
    found = []
    with suppress(OSError):
        for path in sorted(Path(above or ".").iterdir()):
            fits = path.suffix in MODEL_FILES and path.name.startswith(start)
            if fits and _harmless(path.name):
                found.append(f"{above}{path.name}")
    return found


def _of_table(ctx: typer.Context, read: Callable[[Table], list[str]]) -> list[str]:
    """What `read` finds in the table that the line names, or that the command would take."""
    from hwprof.cli.places import table_path
    from hwprof.errors import HwprofError
    from hwprof.lut import Table

    try:
        path = table_path(ctx.params.get("lut_path"))
        # Never made, never waited for: a person is typing.
        with Table.open(path, create=False, readonly=True, lock_wait_s=0) as table:
            return read(table)
    except HwprofError:
        return []


def _matching(values: Iterable[str], incomplete: str) -> list[str]:
    """Those that begin so and can be offered, each once, in their order."""
    return [v for v in dict.fromkeys(values) if v.startswith(incomplete) and _harmless(v)]


def _harmless(value: str) -> bool:
    """Whether a shell can be handed a name that stands in somebody's table or folder.

    zsh evaluates what it is answered, and typer leaves backslashes alone: other names could end
    the quotes around them and run. Those are typed by hand.
    """
    return value.isprintable() and len(value) <= LONGEST and not _ACTIVE.search(value)
