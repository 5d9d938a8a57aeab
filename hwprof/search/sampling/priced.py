"""Architectures with their cost, for samplers: raw rows in, canonical rows and costs out.

Samplers draw raw rows, in which every choice of every position counts, used or not: uniform over
them is what `Space.sample` draws. Shapes: n architectures, p positions.
"""

from __future__ import annotations

from copy import copy
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hwprof.errors import OptionError
from hwprof.metrics import Metric, metric_of, parse_limit, parse_share
from hwprof.predictors.base import FloatArray, IntArray
from hwprof.search.architectures import Architectures
from hwprof.search.goals import Cost
from hwprof.search.objective import Objective

# Rows from which the extremes are sought, and sweeps over the positions from each.
_STARTS, _SWEEPS = 4, 10


@dataclass(frozen=True, slots=True)
class Window:
    """The costs wanted, both ends included, in base units."""

    low: float
    high: float

    def holds(self, cost: FloatArray) -> NDArray[np.bool_]:
        """Which costs `[n]` lie within, `[n]`."""
        within: NDArray[np.bool_] = (cost >= self.low) & (cost <= self.high)
        return within

    def distance(self, cost: FloatArray) -> FloatArray:
        """How far costs `[n]` lie outside, 0 within, `[n]`."""
        outside: FloatArray = np.maximum(np.maximum(self.low - cost, cost - self.high), 0)
        return outside


class Priced:
    """A space with the cost of its architectures, and how often that was asked."""

    def __init__(self, objective: Cost, space: object) -> None:
        """Raises OptionError for a space that is none."""
        self.view = Architectures.of(space)
        self.metric: Metric = metric_of("cost")
        if isinstance(objective, Objective):
            self.metric = objective.metric
            if objective.space is None and objective.encode is None:
                objective = copy(objective)
                objective.space = self.view
        self._cost = objective
        self.evaluated = 0
        """Architectures whose cost was asked so far."""

    def draw(self, n: int, rng: np.random.Generator) -> IntArray:
        """Raw rows, every choice equally likely, `[n, p]`."""
        sizes = self.view.sizes
        return rng.integers(0, sizes, (n, len(sizes)))

    def __call__(self, raw: IntArray) -> tuple[IntArray, FloatArray]:
        """Canonical rows `[n, p]` and costs `[n]`. Raises OptionError for costs that are none."""
        rows = self.view.indices(raw)
        cost = np.asarray(self._cost(rows), dtype=np.float64)
        if cost.shape != (len(rows),) or not np.isfinite(cost).all():
            raise OptionError(
                f"the objective must give one finite number per architecture, {len(rows)}, but "
                f"gave shape {cost.shape} or others; correct it"
            )
        self.evaluated += len(rows)
        return rows, cost

    def window(self, target: float | str, tolerance: float | str) -> Window:
        """Target and tolerance, in base units or as texts such as `15ms`, `5%` being of the target.

        Raises OptionError for what cannot be read.
        """
        middle = parse_limit(target, self.metric)
        if isinstance(tolerance, str) and "%" in tolerance:
            half = parse_share(tolerance) * middle
        else:
            half = parse_limit(tolerance, self.metric)
        return Window(middle - half, middle + half)

    def extremes(self, raw: IntArray, cost: FloatArray) -> tuple[IntArray, FloatArray]:
        """The least and the greatest cost that are found from raw rows `[n, p]`: rows `[2, p]`,
        costs `[2]`.

        By changing one position after the other to its best choice until nothing improves: exact
        for costs that are sums over positions.
        """
        ends = [self._descend(raw, sign * cost, sign) for sign in (1.0, -1.0)]
        rows, found = self(np.stack(ends))
        return rows, found

    def _descend(self, raw: IntArray, signed: FloatArray, sign: float) -> IntArray:
        best_row: IntArray = raw[0]
        best = np.inf
        for start in np.argsort(signed, kind="stable")[:_STARTS]:
            row, value = raw[start].copy(), float(signed[start])
            for _ in range(_SWEEPS):
                before = value
                for position in np.flatnonzero(self.view.sizes > 1):
                    options = np.repeat(row[None], self.view.sizes[position], axis=0)
                    options[:, position] = np.arange(len(options))
                    costs = sign * self(options)[1]
                    if costs.min() < value:
                        row, value = options[int(costs.argmin())], float(costs.min())
                if value == before:
                    break
            if value < best:
                best_row, best = row, value
        return best_row
