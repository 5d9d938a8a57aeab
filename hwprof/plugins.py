"""One door for what hwprof brings and what other packages add: built-ins and entry points by name.

Built-ins are data, so that a source tree that was never installed finds its own. Entry points are
read only when a name is not a built-in's: a worker that opens a built-in starts 10 ms sooner.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any, Generic, Protocol, TypeVar

from hwprof.errors import HwprofError, OptionError

T = TypeVar("T")


class Entry(Protocol):
    """A name and where its class is: a `BuiltIn`, or an `importlib.metadata.EntryPoint`."""

    @property
    def name(self) -> str: ...

    @property
    def value(self) -> str:
        """`package.module:Class`."""

    def load(self) -> Any:
        """Import the class. Raises whatever the import raises."""

    def __hash__(self) -> int: ...


@dataclass(frozen=True, slots=True)
class BuiltIn:
    """A class of hwprof's own."""

    name: str
    value: str

    def load(self) -> Any:
        module, _, attribute = self.value.partition(":")
        return getattr(import_module(module), attribute)


@dataclass(frozen=True, slots=True)
class Registry(Generic[T]):
    """Classes of one kind, by name. `plugins` stands in for the installed entry points."""

    group: str
    """Entry-point group, which the package's own metadata fills with the same built-ins."""
    noun: str
    """What one of them is called in an error, for example `search space`."""
    base: type[T]
    laws: str
    """Module that holds the laws of the kind, for authors of plugins."""
    builtin: Mapping[str, str]
    """`package.module:Class` by name, in the order of `entries`."""
    error: type[HwprofError] = OptionError
    """What `load` raises."""

    def entries(self, plugins: Iterable[Entry] | None = None) -> dict[str, Entry]:
        """Built-ins in their order, then plugins by name. No plugin takes a built-in's name."""
        if plugins is None:
            from importlib.metadata import entry_points

            plugins = entry_points(group=self.group)
        found: dict[str, Entry] = {n: BuiltIn(n, value) for n, value in self.builtin.items()}
        for entry in sorted(plugins, key=lambda entry: entry.name):
            found.setdefault(entry.name, entry)
        return found

    def names(self, plugins: Iterable[Entry] | None = None) -> tuple[str, ...]:
        """Every name, sorted. Imports none of the classes."""
        return tuple(sorted(self.entries(plugins)))

    def find(self, name: str, plugins: Iterable[Entry] | None = None) -> Entry | None:
        """The entry of that name; None if there is none."""
        if name in self.builtin:
            return BuiltIn(name, self.builtin[name])
        return self.entries(plugins).get(name)

    def load(self, entry: Entry) -> type[T]:
        """Import a class. Raises `error` when that fails, or when it is of another kind."""
        try:
            found = entry.load()
        # A plugin may fail in any way, even by ending the program; its user needs the reason.
        except (Exception, SystemExit) as error:
            raise self.broken(entry, error) from error
        if not (isinstance(found, type) and issubclass(found, self.base)):
            raise self.stranger(entry, self.base.__name__)
        return found

    def broken(self, entry: Entry, error: BaseException) -> HwprofError:
        """What to raise when a plugin does not import."""
        return self.error(
            f"the {self.noun} '{entry.name}' ({entry.value}) does not import: {in_words(error)}; "
            "reinstall or remove the package that provides it"
        )

    def stranger(self, entry: Entry, wanted: str) -> HwprofError:
        """What to raise when a plugin is not what it should be."""
        return self.error(
            f"the {self.noun} '{entry.name}' ({entry.value}) is not an hwprof {wanted}; "
            f"ask its author to run {self.laws}"
        )


def in_words(error: BaseException) -> str:
    """The type and text of an error, in one line."""
    return f"{type(error).__name__}: {' '.join(str(error).split())}"
