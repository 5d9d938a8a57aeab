"""Limits on one cost, from above and from below.

Shapes: n architectures.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hwprof.errors import OptionError
from hwprof.metrics import Metric, parse_limit
from hwprof.predictors.base import FloatArray


@dataclass(frozen=True, slots=True)
class Bounds:
    """What a cost may be, ends included, in base units; None where it is not limited.

    RENA (Zhou et al., Resource-Efficient Neural Architect, 2018) limits from below too: at least
    100 FLOPs per byte.
    """

    metric: Metric
    at_most: float | None = None
    at_least: float | None = None

    @classmethod
    def of(
        cls, metric: Metric, at_most: float | str | None, at_least: float | str | None = None
    ) -> Bounds:
        """From limits as `parse_limit` takes them. Raises OptionError for an empty range."""
        found = cls(
            metric,
            None if at_most is None else parse_limit(at_most, metric),
            None if at_least is None else parse_limit(at_least, metric),
        )
        high, low = found.at_most, found.at_least
        if high is not None and low is not None and low > high:
            raise OptionError(
                f"{metric.name} cannot be at least {metric.show(low)} and at most "
                f"{metric.show(high)}; exchange the two limits"
            )
        return found

    def __bool__(self) -> bool:
        return self.at_most is not None or self.at_least is not None

    def __str__(self) -> str:
        parts = (("at least", self.at_least), ("at most", self.at_most))
        return " and ".join(
            f"{word} {self.metric.show(value)}" for word, value in parts if value is not None
        )

    def need(self) -> Bounds:
        """Itself. Raises OptionError where there is no limit."""
        if not self:
            raise OptionError(
                f"this objective has no limit; give one, such as limit='{self.metric.example}' or "
                f"at_least='{self.metric.example}'"
            )
        return self

    def violation(
        self, cost: FloatArray, low_cost: FloatArray | None = None, *, relative: bool = False
    ) -> FloatArray:
        """How far a cost `[n]` lies outside, `[n]`, at most 0 within: of two limits the worse one.

        `low_cost` is held against the lower limit, where that is not `cost` itself. `relative`
        gives shares of the limits, which compare across metrics. Raises OptionError where there is
        no limit.
        """
        self.need()
        low_cost = cost if low_cost is None else low_cost
        sides = []
        if self.at_most is not None:
            sides.append((cost - self.at_most) / (self.at_most if relative else 1.0))
        if self.at_least is not None:
            sides.append((self.at_least - low_cost) / (self.at_least if relative else 1.0))
        worst: FloatArray = np.maximum.reduce(sides)
        return worst

    def holds(self, cost: FloatArray) -> NDArray[np.bool_]:
        """Whether a certain cost `[n]` lies within, `[n]`."""
        within: NDArray[np.bool_] = self.violation(cost) <= 0
        return within

    @property
    def words(self) -> str:
        """The limits after `limit of`."""
        return str(self).removeprefix("at most ")

    @property
    def advice(self) -> str:
        """What to do about a limit that nothing meets."""
        if self.at_least is None:
            return "raise the limit"
        return "lower the limit" if self.at_most is None else "widen the limits"
