"""Architectures named on the command line, or in a file that `@FILE` names."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

# Of a file of architectures: some hundred thousand of them.
_MOST_BYTES = 64 << 20


def named_archs(texts: Sequence[str] | None) -> list[str]:
    """The texts, and for each `@FILE` the lines of that file; empty for None.

    Empty lines and those that begin with `#` do not count; a JSON list of texts, such as `hwprof
    select --json` prints, is read as well. Raises OptionError for a file that cannot be read or
    names no architecture.
    """
    found: list[str] = []
    for text in texts or ():
        found.extend(_of_file(Path(text[1:])) if text.startswith("@") else [text])
    return found


def _of_file(path: Path) -> Iterator[str]:
    from hwprof.codec import CodecError, from_json
    from hwprof.errors import OptionError

    try:
        if path.exists() and not path.is_file():
            # A pipe may never say anything, and a device never end.
            raise OptionError(f"'{path}' is not a regular file; name one with an arch per line")
        if path.is_file() and path.stat().st_size > _MOST_BYTES:
            raise OptionError(
                f"'{path}' has more than {_MOST_BYTES >> 20} MiB; give fewer architectures"
            )
        content = path.read_text(encoding="utf-8-sig")
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is no text"
        raise OptionError(
            f"'{path}' cannot be read ({why}); after the @ comes a file with an architecture per "
            "line"
        ) from error
    lines = [line.strip() for line in content.splitlines()]
    if content.lstrip().startswith("["):
        try:
            lines = from_json(content, list[str])
        except CodecError as error:
            raise OptionError(
                f"'{path}' is no JSON list of texts ({error}); write an architecture per line"
            ) from error
    named = [line for line in lines if line and not line.startswith("#")]
    if not named:
        raise OptionError(f"'{path}' names no architecture; write one per line")
    return iter(named)
