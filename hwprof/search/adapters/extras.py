"""Libraries that are installed only where they are used."""

from __future__ import annotations

from hwprof.errors import OptionError


def missing(library: str, extra: str, error: ImportError) -> OptionError:
    """The error to raise when a search library does not import."""
    return OptionError(
        f"{library} does not import ({error}); install it with pip install 'hwprof[{extra}]'"
    )
