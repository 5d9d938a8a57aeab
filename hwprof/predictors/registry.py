"""Predictors by name: built-ins and plugins come through the same door."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from importlib.metadata import EntryPoint, entry_points

from hwprof.errors import OptionError
from hwprof.predictors.base import Predictor

GROUP = "hwprof.predictors"

# Also found in a checkout that was never installed.
BUILTIN: Mapping[str, str] = {
    "fewshot": "hwprof.predictors.fewshot:FewShotPredictor",
    "help": "hwprof.predictors.help:HelpPredictor",
    "flops": "hwprof.predictors.baselines.flops:ProxyPredictor",
    "nearest": "hwprof.predictors.baselines.nearest:NearestDevice",
    "nnls": "hwprof.predictors.baselines.nnls:DeviceMixture",
    "ridge": "hwprof.predictors.baselines.ridge:RidgeRegression",
    "lightgbm": "hwprof.predictors.baselines.boosting:BoostedTrees",
    "lut_sum": "hwprof.predictors.baselines.lut_sum:LutSum",
}


def names(*, plugins: Iterable[EntryPoint] | None = None) -> tuple[str, ...]:
    """Every name that `get` knows, sorted. `plugins` stands in for the installed entry points."""
    return tuple(sorted(_entries(plugins)))


def get(name: str, *, plugins: Iterable[EntryPoint] | None = None) -> type[Predictor]:
    """The predictor class of that name, imported now.

    Raises OptionError for an unknown name, and for a plugin that does not import or is not a
    Predictor. An optional dependency is only missed when the class is fitted or loaded.
    """
    entries = _entries(plugins)
    if name not in entries:
        raise OptionError(f"unknown predictor {name!r}; choose among {', '.join(sorted(entries))}")
    entry = entries[name]
    try:
        found = entry.load()
    except Exception as error:  # a plugin may fail in any way; its user needs the reason
        raise OptionError(
            f"the predictor {name!r} ({entry.value}) does not import: {error}; "
            "reinstall or remove the package that provides it"
        ) from error
    if not (isinstance(found, type) and issubclass(found, Predictor)):
        raise OptionError(
            f"the predictor {name!r} ({entry.value}) is not an hwprof Predictor; "
            "ask its author to run hwprof.testing.predictors"
        )
    return found


def _entries(plugins: Iterable[EntryPoint] | None) -> dict[str, EntryPoint]:
    """Entry points by name. A plugin cannot take a built-in predictor's name."""
    found = {name: EntryPoint(name, value, GROUP) for name, value in BUILTIN.items()}
    installed = entry_points(group=GROUP) if plugins is None else plugins
    for entry in sorted(installed, key=lambda entry: entry.name):
        found.setdefault(entry.name, entry)
    return found
