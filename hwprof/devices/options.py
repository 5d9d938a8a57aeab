"""The options of a device, declared once as the fields of its class.

    threads: int = thread_count()
    spin: bool = switch(True, "whether idle threads spin")

From such a field follow how `NAME:key=value,...` is read and refused, in the same words for every
device, what the device's spec says, what `hwprof devices` lists, and a row of docs/backends.md.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any

from hwprof.errors import OptionError

MAX_THREADS = 1024
SHOWN = 80
_KEY = "hwprof.option"


@dataclass(frozen=True, slots=True)
class Option:
    """One option, as its users see it."""

    name: str
    help: str
    default: str
    """As it is written; empty where leaving the option out is how to say it."""
    values: tuple[str, ...] = ()
    """What it may be set to; empty where no list can tell."""
    form: str = ""
    """What stands for other values, in capitals: `N`, `FOLDER`."""
    in_spec: bool = True
    """Whether the device's spec names it among its options, or as its threads or precision."""

    def __str__(self) -> str:
        others = [value for value in self.values if value != self.default]
        return f"{self.name}={','.join(filter(None, [self.default, *others, self.form]))}"


@dataclass(frozen=True, slots=True)
class Setting:
    """An option and the field that holds its value."""

    option: Option
    field: str
    read: Callable[[str, str], Any]
    """From the option's name and the text that was given; raises OptionError."""
    show: Callable[[Any], str]
    """How a spec writes the value."""


def settings_of(kind: type) -> tuple[Setting, ...]:
    """The options that a dataclass declares, in the order of its fields."""
    return tuple(f.metadata[_KEY](f.name) for f in fields(kind) if _KEY in f.metadata)


def option(
    default: Any,
    help: str,
    read: Callable[[str, str], Any],
    *,
    written: str | None = None,
    values: Sequence[str] = (),
    form: str = "",
    show: Callable[[Any], str] = str,
    name: str = "",
    in_spec: bool = True,
) -> Any:
    """A field that is an option: how it is read, and how the spec shows it.

    `name` is the option's where it is not the field's; `written` its default as text.
    """
    text = show(default) if written is None else written
    declared = Option(name, help, text, tuple(values), form, in_spec)

    def setting(attribute: str) -> Setting:
        return Setting(replace(declared, name=name or attribute), attribute, read, show)

    return field(default=default, metadata={_KEY: setting})


def choice(default: str, values: Collection[str], help: str, *, name: str = "") -> Any:
    """One of several words."""
    allowed = tuple(values)
    return option(
        default, help, lambda key, text: chosen(key, text, allowed), values=allowed, name=name
    )


def switch(
    default: bool,
    help: str,
    *,
    name: str = "",
    values: tuple[str, str] = ("on", "off"),
    yes: str = "on",
) -> Any:
    """One of two words, `yes` for True."""
    no = values[1 - values.index(yes)]
    return option(
        default,
        help,
        lambda key, text: chosen(key, text, values) == yes,
        values=values,
        show=lambda value: yes if value else no,
        name=name,
    )


def thread_count(help: str = "threads of the runtime", *, most: int = MAX_THREADS) -> Any:
    """The option `threads`, 1 by default and `most` at most."""

    def read(name: str, text: str) -> int:
        # A number too long to convert is too large as well.
        if not text.isdecimal() or len(text) > len(str(most)) or not 1 <= int(text) <= most:
            raise OptionError(
                f"{name} must be a whole number from 1 to {most}, got '{text[:SHOWN]}'; "
                f"try {name}=1"
            )
        return int(text)

    return option(1, help, read, form="N" if most > 1 else "")


def chosen(name: str, text: str, allowed: Sequence[str]) -> str:
    """One of the `allowed` values of the option `name`. Raises OptionError."""
    if text not in allowed:
        listed = _listed(allowed, "or") if len(allowed) < 3 else f"one of {', '.join(allowed)}"
        raise OptionError(f"{name} must be {listed}, got '{text[:SHOWN]}'")
    return text


def refuse_unknown(options: Mapping[str, str], device: str, known: Sequence[str]) -> None:
    """Raise OptionError for an option that the device does not have."""
    unknown = sorted(set(options) - set(known))
    if unknown:
        has = _listed(known, "and") if known else "none"
        raise OptionError(f"device {device} has no option '{unknown[0]}'; it has {has}")


def _listed(words: Sequence[str], joint: str) -> str:
    *first, last = words
    return f"{', '.join(first)} {joint} {last}" if first else last
