"""What a search is after, in one value that every search library's adapter takes.

Shapes: n architectures, p positions, m goals, c constraints.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import ArrayLike

from hwprof.errors import OptionError
from hwprof.predictors.base import FloatArray, IntArray
from hwprof.search.architectures import Architectures
from hwprof.search.objective import Objective

Cost = Callable[[IntArray], ArrayLike]
"""Rows of choices `[n, p]` to numbers `[n]`: an `Objective` with the space, or one's own score."""


class Limited(Protocol):
    """What bounds a search: `Objective` and `DeviceObjectives` with limits do."""

    def violation(self, archs: ArrayLike) -> FloatArray:
        """At most 0 where the limit is met, `[n]` or one column per limit."""
        ...


class Goals:
    """Costs to minimise and scores to maximise over a space, and limits to keep."""

    def __init__(
        self,
        space: object,
        *,
        minimise: Mapping[str, Cost] | None = None,
        maximise: Mapping[str, Cost] | None = None,
        limits: Sequence[Limited] | Limited = (),
    ) -> None:
        """Named costs and scores, each a function of rows of choices `[n, p]`.

        `limits` are objectives whose violation a search keeps at most 0. Raises OptionError when
        there is nothing to optimise, for a name given twice, and for a limit that is not set.
        """
        self.space = Architectures.of(space)
        self.minimise, self.maximise = dict(minimise or {}), dict(maximise or {})
        self.limits: tuple[Limited, ...] = (
            tuple(limits) if isinstance(limits, Sequence) else (limits,)
        )
        twice = self.minimise.keys() & self.maximise.keys()
        if twice:
            raise OptionError(f"{min(twice)!r} is both minimised and maximised; choose one")
        if not self.names:
            raise OptionError("there is nothing to optimise; give minimise= or maximise=")
        # Tells how many constraints there are, and that limits are set.
        self.constraints = self.violations(np.zeros((1, len(self.space.sizes)), np.int64)).shape[1]

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
        columns = [*self.minimise.values(), *self.maximise.values()]
        found = [np.asarray(cost(rows), dtype=np.float64) for cost in columns]
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
        """At most 0 where a limit is met, `[n, c]`."""
        rows = self.space.indices(rows)
        columns = [limit.violation(rows).reshape(len(rows), -1) for limit in self.limits]
        return np.concatenate(columns, axis=1) if columns else np.zeros((len(rows), 0))

    def moments(self, rows: IntArray) -> tuple[FloatArray, FloatArray]:
        """Mean and standard deviation of the goals, each `[n, m]`; 0 where nothing is said of it.

        Of a quantile objective it is the quantile that is given, as certain. NaN is the deviation
        of costs that say that theirs is not known (`Objective.moments`).
        """
        mean = self.values(rows)
        deviation = np.zeros_like(mean)
        costs: list[Any] = [*self.minimise.values(), *self.maximise.values()]
        for column, cost in enumerate(costs):
            if isinstance(cost, Objective) and cost.statistic == "mean":
                deviation[:, column] = cost.moments(self.space.indices(rows))[1]
        return mean, deviation
