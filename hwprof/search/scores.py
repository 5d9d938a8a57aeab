"""What architectures are worth, from a file of one's own."""

from __future__ import annotations

import csv
import math
from pathlib import Path

from hwprof import spaces
from hwprof.errors import OptionError

_MOST_BYTES = 64 << 20


def read_scores(path: Path, space: str, column: str = "accuracy") -> dict[str, float]:
    """The numbers of a column by architecture, from a CSV file with `arch` and `column`.

    Architectures are returned as the space writes them. Raises OptionError, naming the line, for
    what is no architecture, no finite number or given twice, and for a file that cannot be read.
    """
    form = spaces.get(space)
    found: dict[str, float] = {}
    try:
        if not path.is_file():
            raise OptionError(f"'{path}' is not a file; name a CSV file with arch and {column}")
        if path.stat().st_size > _MOST_BYTES:
            raise OptionError(
                f"'{path}' has more than {_MOST_BYTES >> 20} MiB; keep the columns arch and "
                f"{column}"
            )
        with path.open(newline="", encoding="utf-8-sig") as stream:
            reader = csv.DictReader(stream)
            if not {"arch", column} <= set(reader.fieldnames or ()):
                raise OptionError(
                    f"'{path}' needs the columns arch and {column} in its first line; add them"
                )
            for row in reader:
                where = f"line {reader.line_num} of '{path}'"
                arch = _architecture(form, row["arch"], where)
                if arch in found:
                    raise OptionError(f"{where} names '{arch}' again; keep one line of it")
                found[arch] = _number(row[column], column, where)
    except (OSError, ValueError, csv.Error) as error:
        if isinstance(error, OptionError):
            raise
        raise OptionError(f"'{path}' cannot be read as CSV ({error}); export it as CSV") from error
    if not found:
        raise OptionError(f"'{path}' holds no architecture; give one a line after the first")
    return found


def _architecture(form: spaces.Space, text: str | None, where: str) -> str:
    try:
        return form.format(form.parse(text or ""))
    except OptionError as error:
        raise OptionError(f"{where} is no architecture: {error}") from error


def _number(text: str | None, column: str, where: str) -> float:
    try:
        value = float(text or "")
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise OptionError(
            f"{where} has the {column} '{text or ''}', which is no number; correct it"
        )
    return value
