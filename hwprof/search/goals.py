"""What a search is after, in one value that every search library's adapter takes.

Shapes: n architectures, p positions, m goals, c constraints.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from typing import Protocol, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hwprof.errors import OptionError
from hwprof.predictors.base import FloatArray, IntArray
from hwprof.search.architectures import Architectures
from hwprof.search.devices import DeviceObjectives
from hwprof.search.objective import Objective, Statistic
from hwprof.search.pairs import Key, Limits, Pairs, Predictors

Cost = Callable[[IntArray], ArrayLike]
"""Rows of choices `[n, p]` to numbers `[n]`: an `Objective` with the space, or one's own score."""


class Limited(Protocol):
    """What bounds a search: `Objective` and `DeviceObjectives` with limits do."""

    def violation(self, archs: ArrayLike) -> FloatArray:
        """At most 0 where the limit is met, `[n]` or one column per limit."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class Evaluated:
    """What a search asks of architectures, in one go."""

    values: FloatArray
    """The goals in their own units, `[n, m]`."""
    losses: FloatArray
    """The same with what is maximised negated, `[n, m]`."""
    violations: FloatArray
    """At most 0 where a limit is met, `[n, c]`."""
    names: tuple[str, ...]
    """Of the goals, m of them."""
    constraint_names: tuple[str, ...]
    """Of the limits, c of them."""

    @property
    def feasible(self) -> NDArray[np.bool_]:
        """Which architectures meet every limit, `[n]`."""
        return np.asarray((self.violations <= 0).all(axis=1))


class Goals:
    """Costs to minimise and scores to maximise over a space, and limits to keep.

    They may be of several devices and metrics at once: see `over`.
    """

    def __init__(
        self,
        space: object,
        *,
        minimise: Mapping[str, Cost] | None = None,
        maximise: Mapping[str, Cost] | None = None,
        limits: Mapping[str, Limited] | Sequence[Limited] | Limited = (),
        relative: bool = False,
    ) -> None:
        """Named costs and scores, each a function of rows of choices `[n, p]`.

        `limits` are objectives whose violation a search keeps at most 0, by name if they are to
        have one. `relative` states violations as shares of the limits: wanted where limits are of
        several metrics, since libraries add violations up. Raises OptionError when there is
        nothing to optimise, for a name given twice, for a limit that is not set, and for one of
        one's own that is to be relative.
        """
        self.space = Architectures.of(space)
        self.minimise, self.maximise = dict(minimise or {}), dict(maximise or {})
        if isinstance(limits, Mapping):
            pairs: list[tuple[str | None, Limited]] = list(limits.items())
        else:
            plain = limits if isinstance(limits, Sequence) else (limits,)
            pairs = [(None, limit) for limit in plain]
        self.limits: tuple[Limited, ...] = tuple(limit for _, limit in pairs)
        self.relative = relative
        twice = self.minimise.keys() & self.maximise.keys()
        if twice:
            raise OptionError(f"{min(twice)!r} is both minimised and maximised; choose one")
        if not self.names:
            raise OptionError("there is nothing to optimise; give minimise= or maximise=")
        if relative and not all(isinstance(limit, _Known) for limit in self.limits):
            raise OptionError(
                "a limit of one's own says no share of itself; leave out relative=True, and scale "
                "what its violation() gives"
            )
        # Tells how many constraints there are, and that limits are set.
        first = np.zeros((1, len(self.space.sizes)), np.int64)
        labels = [
            label
            for name, limit in pairs
            for label in _labels(name, limit, self._violation(limit, first).shape[1])
        ]
        self.constraints = len(labels)
        self.constraint_names = _unique(labels)

    @classmethod
    def over(
        cls,
        space: object,
        predictors: Predictors,
        *,
        minimise: Sequence[Key] = (),
        maximise: Sequence[Key] = (),
        scores: Mapping[str, Cost] | None = None,
        limits: Limits | None = None,
        at_least: Limits | None = None,
        statistic: Statistic = "mean",
        relative: bool = True,
    ) -> Self:
        """Goals of several devices, each in one or several metrics, with limits of their own.

        `predictors` are by device, and of a device by metric where there are several. A cost is
        named by device and metric, `("phone", "latency")`; by the device alone where it has one
        metric; or as what the space tells, `"flops"`. `limits` and `at_least` are by such names;
        `scores` are functions of one's own, to be maximised. Columns are called `phone latency`.
        Raises OptionError for names of nothing, and as making goals does.
        """
        view = Architectures.of(space)
        pairs = Pairs(predictors, limits or {}, at_least or {}, space=view, statistic=statistic)
        costs = pairs.objectives(maximise)
        twice = costs.keys() & (scores or {}).keys()
        if twice:
            raise OptionError(f"{min(twice)!r} is both a cost and a score; rename the score")
        best: dict[str, Cost] = {**costs, **(scores or {})}
        return cls(
            view,
            minimise=pairs.objectives(minimise),
            maximise=best,
            limits=pairs.bounded(),
            relative=relative,
        )

    @property
    def names(self) -> tuple[str, ...]:
        """Of the goals: what is minimised, then what is maximised."""
        return (*self.minimise, *self.maximise)

    @property
    def signs(self) -> FloatArray:
        """1 for what is minimised, -1 for what is maximised, `[m]`."""
        return np.array([1.0] * len(self.minimise) + [-1.0] * len(self.maximise))

    def values(self, rows: IntArray) -> FloatArray:
        """The goals in their own units, `[n, m]`."""
        rows = self.space.indices(rows)
        found = [np.asarray(cost(rows), dtype=np.float64) for cost in self._costs]
        for name, column in zip(self.names, found, strict=True):
            if column.shape != (len(rows),):
                raise OptionError(
                    f"{name!r} must give one number per architecture, {len(rows)}, but gave shape "
                    f"{column.shape}; correct the function"
                )
        return np.stack(found, axis=1)

    def losses(self, rows: IntArray) -> FloatArray:
        """The goals with what is maximised negated, so that less is better, `[n, m]`."""
        return self.values(rows) * self.signs

    def violations(self, rows: IntArray) -> FloatArray:
        """At most 0 where a limit is met, `[n, c]`: in the limits' units, or as shares of them."""
        rows = self.space.indices(rows)
        return self._joined([self._violation(limit, rows) for limit in self.limits], len(rows))

    def evaluate(self, rows: IntArray) -> Evaluated:
        """Goals and violations of rows at once: what is both is asked of its predictor once."""
        rows = self.space.indices(rows)
        values = self.values(rows)
        known = {id(cost): values[:, i] for i, cost in enumerate(self._costs)}
        columns = [self._violation(limit, rows, known.get(id(limit))) for limit in self.limits]
        violations = self._joined(columns, len(rows))
        losses = values * self.signs
        return Evaluated(values, losses, violations, self.names, self.constraint_names)

    def moments(self, rows: IntArray) -> tuple[FloatArray, FloatArray]:
        """Mean and standard deviation of the goals, each `[n, m]`; 0 where nothing is said of it.

        Of a quantile objective it is the quantile that is given, as certain. NaN is the deviation
        of costs that say that theirs is not known (`Objective.moments`).
        """
        mean = self.values(rows)
        deviation = np.zeros_like(mean)
        for column, cost in enumerate(self._costs):
            if isinstance(cost, Objective) and cost.statistic == "mean":
                deviation[:, column] = cost.moments(self.space.indices(rows))[1]
        return mean, deviation

    @property
    def _costs(self) -> list[Cost]:
        return [*self.minimise.values(), *self.maximise.values()]

    def _violation(
        self, limit: Limited, rows: IntArray, cost: FloatArray | None = None
    ) -> FloatArray:
        """One column per limit, `[n, 1]` as a rule; `cost` is what is known of an objective."""
        if isinstance(limit, Objective) and cost is not None:
            found = limit.excess(limit.read(rows), cost, relative=self.relative)
        elif isinstance(limit, _Known):
            found = limit.violation(rows, relative=self.relative)
        else:
            found = np.asarray(limit.violation(rows), dtype=np.float64)
        return found if found.ndim == 2 else found[:, None]

    @staticmethod
    def _joined(columns: list[FloatArray], n: int) -> FloatArray:
        return np.concatenate(columns, axis=1) if columns else np.zeros((n, 0))


_Known = Objective | DeviceObjectives


def _labels(name: str | None, limit: Limited, columns: int) -> list[str]:
    """What to call the columns of a limit."""
    if isinstance(limit, DeviceObjectives) and limit.how == "each":
        metrics = {device: limit.device(device).metric.name for device in limit.bounded}
        return [f"{device} {name or metric}" for device, metric in metrics.items()]
    if name is None:
        name = limit.metric.name if isinstance(limit, Objective) else "limit"
    return [name] * columns


def _unique(labels: list[str]) -> tuple[str, ...]:
    """Labels of which those that come again are numbered: `latency`, `latency 2`."""
    found: list[str] = []
    for label in labels:
        again = (f"{label} {number}" for number in count(2))
        found.append(label if label not in found else next(n for n in again if n not in found))
    return tuple(found)
