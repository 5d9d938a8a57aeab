"""Reading the options of `NAME:key=value,...`, in the same words for every device."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from hwprof.errors import OptionError

MAX_THREADS = 1024


def refuse_unknown(options: Mapping[str, str], device: str, known: Sequence[str]) -> None:
    """Raise OptionError for an option that the device does not have."""
    unknown = sorted(set(options) - set(known))
    if unknown:
        *first, last = known
        listed = f"{', '.join(first)} and {last}" if first else last
        raise OptionError(f"device {device} has no option '{unknown[0]}'; it has {listed}")


def threads_of(options: Mapping[str, str]) -> int:
    """The option `threads`, 1 by default. Raises OptionError."""
    threads = options.get("threads", "1")
    if not threads.isdecimal() or not 1 <= int(threads) <= MAX_THREADS:
        raise OptionError(
            f"threads must be a whole number from 1 to {MAX_THREADS}, got '{threads}'; "
            "try threads=1"
        )
    return int(threads)


def chosen(options: Mapping[str, str], name: str, allowed: Collection[str], default: str) -> str:
    """One of the `allowed` values of the option `name`. Raises OptionError."""
    value = options.get(name, default)
    if value not in allowed:
        words = list(allowed)
        listed = f"{words[0]} or {words[1]}" if len(words) == 2 else f"one of {', '.join(words)}"
        raise OptionError(f"{name} must be {listed}, got '{value}'")
    return value
