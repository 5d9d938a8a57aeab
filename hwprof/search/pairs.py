"""Objectives of several devices and metrics at once, by the name of their column."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from hwprof.errors import OptionError
from hwprof.metrics import METRICS
from hwprof.predictors.base import AdaptedPredictor, metric_told
from hwprof.search.objective import Objective

Key = str | tuple[str, str]
"""A device and a metric of it; a device that is known in one metric alone; or what the space tells,
such as `flops`."""
Limit = float | str
Limits = Mapping[Key, Limit] | Mapping[str, Limit] | Mapping[tuple[str, str], Limit]
"""By key."""
Predictors = Mapping[str, AdaptedPredictor | Mapping[str, AdaptedPredictor]]


class Pairs:
    """Objectives of pairs of a device and a metric, each made once."""

    def __init__(
        self,
        predictors: Predictors,
        limits: Limits,
        at_least: Limits,
        **options: Any,
    ) -> None:
        """`options` are those of `Objective`. Raises OptionError for keys that name nothing."""
        self._predictors: dict[str, dict[str, AdaptedPredictor]] = {
            device: dict(given) if isinstance(given, Mapping) else {metric_told(given).name: given}
            for device, given in predictors.items()
        }
        self._options = options
        self._most = self._by_pair(limits)
        self._least = self._by_pair(at_least)
        self._made: dict[tuple[str, str], Objective] = {}

    def objectives(self, keys: Iterable[Key]) -> dict[str, Objective]:
        """Of these pairs, by column name. Raises OptionError for keys that name nothing."""
        return {_column(pair): self._objective(pair) for pair in map(self._pair, keys)}

    def bounded(self) -> dict[str, Objective]:
        """Of the pairs that have a limit, in the order in which the limits were given."""
        pairs = dict.fromkeys([*self._most, *self._least])
        return {_column(pair): self._objective(pair) for pair in pairs}

    def _objective(self, pair: tuple[str, str]) -> Objective:
        if pair not in self._made:
            device, metric = pair
            self._made[pair] = Objective(
                self._predictors[device] if device else None,
                metric=metric,
                limit=self._most.get(pair),
                at_least=self._least.get(pair),
                **self._options,
            )
        return self._made[pair]

    def _pair(self, key: Key) -> tuple[str, str]:
        """Device and metric, the device empty for what the space tells."""
        device, metric = (key, "") if isinstance(key, str) else key
        known = self._predictors.get(device)
        if known is None and not metric and device in METRICS and METRICS[device].of_space:
            return "", device
        if known is not None and not metric and len(known) == 1:
            return device, next(iter(known))
        if known is not None and metric in known:
            return device, metric
        there = [f"({d!r}, {m!r})" for d, metrics in self._predictors.items() for m in metrics]
        spaces = [repr(name) for name, each in METRICS.items() if each.of_space]
        raise OptionError(
            f"{key!r} is no cost that is known; choose among {', '.join([*there, *spaces])}"
        )

    def _by_pair(self, limits: Limits) -> dict[tuple[str, str], Limit]:
        found: dict[tuple[str, str], Limit] = {}
        for key, limit in limits.items():
            pair = self._pair(key)
            if pair in found:
                raise OptionError(f"{_column(pair)} is limited twice; give one limit of it")
            found[pair] = limit
        return found


def _column(pair: tuple[str, str]) -> str:
    return " ".join(filter(None, pair))
