"""Search spaces by name: built-ins and plugins come through the same door."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cache
from importlib.metadata import EntryPoint, entry_points

from hwprof.errors import OptionError
from hwprof.spaces.base import Space

GROUP = "hwprof.spaces"

# Also found in a checkout that was never installed.
BUILTIN: Mapping[str, str] = {
    "fbnet": "hwprof.spaces.fbnet:FbNet",
    "gpt": "hwprof.spaces.gpt:Gpt",
    "mobilenetv3": "hwprof.spaces.mobilenetv3:MobileNetV3",
    "nasbench201": "hwprof.spaces.nasbench201:NasBench201",
    "resnet50": "hwprof.spaces.resnet50:ResNet50",
    "transformer": "hwprof.spaces.transformer:Transformer",
}


def names(*, plugins: Iterable[EntryPoint] | None = None) -> tuple[str, ...]:
    """Every name that `get` knows, sorted. `plugins` stands in for the installed entry points."""
    return tuple(sorted(_entries(plugins)))


def get(name: str, *, plugins: Iterable[EntryPoint] | None = None) -> Space:
    """The space of that name, imported now; the same object each time.

    Raises OptionError for an unknown name, and for a plugin that does not import, cannot be made
    without arguments or is not a Space.
    """
    if name in BUILTIN:
        return _load(EntryPoint(name, BUILTIN[name], GROUP))
    entries = _entries(plugins)
    if name not in entries:
        raise OptionError(
            f"unknown search space {name!r}; choose among {', '.join(sorted(entries))}"
        )
    return _load(entries[name])


@cache
def _load(entry: EntryPoint) -> Space:
    try:
        found = entry.load()
        space = found() if isinstance(found, type) and issubclass(found, Space) else None
    except Exception as error:  # a plugin may fail in any way; its user needs the reason
        raise OptionError(
            f"the search space {entry.name!r} ({entry.value}) does not import: {error}; "
            "reinstall or remove the package that provides it"
        ) from error
    if space is None or space.name != entry.name:
        raise OptionError(
            f"the search space {entry.name!r} ({entry.value}) is not an hwprof Space of that "
            "name; ask its author to run hwprof.testing.spaces"
        )
    return space


def _entries(plugins: Iterable[EntryPoint] | None) -> dict[str, EntryPoint]:
    """Entry points by name. A plugin cannot take a built-in space's name."""
    found = {name: EntryPoint(name, value, GROUP) for name, value in BUILTIN.items()}
    installed = entry_points(group=GROUP) if plugins is None else plugins
    for entry in sorted(installed, key=lambda entry: entry.name):
        found.setdefault(entry.name, entry)
    return found
