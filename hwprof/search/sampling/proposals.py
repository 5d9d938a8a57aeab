"""What to try for a given cost: at random, by counted choices, or by the sum that costs resemble.

Each gives raw rows, and the probability with which one within the window is to be kept so that
what is kept is uniform. Shapes: m proposals, p positions, v choices of all positions.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np

from hwprof.predictors.base import FloatArray, IntArray
from hwprof.search.additive import AdditiveTable
from hwprof.search.sampling.priced import Priced, Window

# Fewer architectures than this say too little of which choices a cost goes with.
_LEAST_COUNTED = 50
# Share of the counted architectures that are rarer under the proposal than it corrects for.
_RARE = 0.05
_FEWEST_BINS, _MOST_BINS = 256, 1 << 16
# The last digits of sums, relative to them.
_DUST = 1e-9


class Proposal(Protocol):
    """A way to propose architectures."""

    name: str

    def draw(self, m: int, rng: np.random.Generator) -> tuple[IntArray, FloatArray]:
        """Raw rows `[m, p]`, and the probability to keep each, `[m]`."""
        ...


class Uniform:
    """Every choice equally likely: slow where few architectures cost so much, but exact."""

    name = "uniform"

    def __init__(self, priced: Priced) -> None:
        self._priced = priced

    def draw(self, m: int, rng: np.random.Generator) -> tuple[IntArray, FloatArray]:
        """See `Proposal`."""
        return self._priced.draw(m, rng), np.ones(m)


class Counted:
    """Each position by how often its choices were seen at such a cost.

    AttentiveNAS (Wang et al., CVPR 2021) estimates `p(choice | FLOPs)` by counting, position by
    position, and AlphaNet (Wang et al., ICML 2021) samples alike. What a product of such shares
    draws more often than others is kept less often: what is kept is uniform but for the rarest
    architectures, 5 % of those counted, which stay rarer than they should.
    """

    name = "counted"

    def __init__(self, sizes: IntArray, raw: IntArray, cost: FloatArray, window: Window) -> None:
        """From raw rows `[n, p]` with their costs `[n]`: those within, or the nearest."""
        near = np.argsort(window.distance(cost), kind="stable")
        seen = raw[near[: max(_LEAST_COUNTED, int(window.holds(cost).sum()))]]
        self.shares: tuple[FloatArray, ...] = tuple(
            (np.bincount(column, minlength=size) + 1.0) / (len(seen) + size)
            for column, size in zip(seen.T, sizes, strict=True)
        )
        self._floor = float(np.quantile(self._log_probability(seen), _RARE))

    def draw(self, m: int, rng: np.random.Generator) -> tuple[IntArray, FloatArray]:
        """See `Proposal`."""
        columns = [rng.choice(len(share), size=m, p=share) for share in self.shares]
        raw = np.stack(columns, axis=1).astype(np.int64)
        return raw, np.exp(np.minimum(self._floor - self._log_probability(raw), 0))

    def _log_probability(self, raw: IntArray) -> FloatArray:
        logs = [np.log(share)[column] for share, column in zip(self.shares, raw.T, strict=True)]
        total: FloatArray = np.sum(logs, axis=0)
        return total


class Summed:
    """Uniform among the architectures whose sum over positions is near the window, by counting.

    A dynamic programme over positions counts, for each partial sum in steps of a grid, how many
    ways lead into the window; choices are drawn by those counts. The window is widened by the
    grid's rounding and by how far the sum errs at such costs, so that what the true cost then keeps
    is uniform: exactly where costs are sums, and elsewhere among the architectures on which the sum
    errs hardly more than on those of the first sample that are nearest to the window.
    """

    name = "additive"

    def __init__(self, sizes: IntArray, raw: IntArray, cost: FloatArray, window: Window) -> None:
        """From raw rows `[n, p]` with their costs `[n]`."""
        table, error = _fitted_table(sizes, raw, cost)
        self.exact = bool(np.abs(error).max() <= _DUST * np.abs(cost).max())
        """Whether costs are sums over positions, as far as the rows tell."""
        below, above = _errors_near(error, cost, window)
        if self.exact:
            below, above = -_DUST * abs(window.low), _DUST * abs(window.high)
        least = np.array([row[:s].min() for row, s in zip(table.table, table.sizes, strict=True)])
        most = np.array([row[:s].max() for row, s in zip(table.table, table.sizes, strict=True)])
        start, span = table.constant + float(least.sum()), float((most - least).sum())
        low, high = window.low + below, window.high + above
        wide, positions = high - low, len(table.sizes)
        # Rounding widens the window by a quarter at most, where the grid may be as fine.
        bins = 2 * positions * span / max(wide, 1e-300)
        step = max(span / float(np.clip(bins, _FEWEST_BINS, _MOST_BINS)), 1e-300)
        self._steps = [
            np.round((row[:size] - first) / step).astype(np.int64)
            for row, size, first in zip(table.table, table.sizes, least, strict=True)
        ]
        total = sum(int(steps.max()) for steps in self._steps)
        slack = step * (positions / 2 + 1)
        sums = start + step * np.arange(total + 1)
        ways = ((sums >= low - slack) & (sums <= high + slack)).astype(np.float64)
        self._ways = [ways]
        for steps in reversed(self._steps):
            before = np.zeros(total + 1)
            for taken in steps:
                before[: total + 1 - taken] += self._ways[0][taken:]
            self._ways.insert(0, before)

    @property
    def count(self) -> float:
        """How many raw rows may be proposed."""
        return float(self._ways[0][0])

    def draw(self, m: int, rng: np.random.Generator) -> tuple[IntArray, FloatArray]:
        """See `Proposal`. The `count` must not be 0."""
        at = np.zeros(m, dtype=np.int64)
        raw = np.zeros((m, len(self._steps)), dtype=np.int64)
        for position, steps in enumerate(self._steps):
            ways = self._ways[position + 1]
            after = at[:, None] + steps
            weight = np.where(after < len(ways), ways[np.minimum(after, len(ways) - 1)], 0.0)
            upto = np.cumsum(weight, axis=1)
            drawn = rng.random(m) * upto[:, -1]
            raw[:, position] = (upto <= drawn[:, None]).sum(axis=1)
            at = after[np.arange(m), raw[:, position]]
        return raw, np.ones(m)


def _fitted_table(
    sizes: IntArray, raw: IntArray, cost: FloatArray
) -> tuple[AdditiveTable, FloatArray]:
    """The sum over positions that is nearest to the costs `[n]` of raw rows `[n, p]`, and by how
    much it is above each of them, `[n]`."""
    offsets = np.append(0, np.cumsum(sizes)[:-1])
    one_hot = np.zeros((len(raw), int(sizes.sum())))
    np.put_along_axis(one_hot, raw + offsets, 1.0, axis=1)
    middle = float(cost.mean())
    scale = max(float(np.abs(cost).max()), 1e-300)
    weights = np.linalg.lstsq(one_hot, (cost - middle) / scale, rcond=None)[0] * scale
    error: FloatArray = one_hot @ weights + middle - cost
    return AdditiveTable.of(np.split(weights, np.cumsum(sizes)[:-1]), middle), error


def _errors_near(error: FloatArray, cost: FloatArray, window: Window) -> tuple[float, float]:
    """The least and the greatest error near the window, with half of their distance on top."""
    near = np.argsort(window.distance(cost), kind="stable")
    those = error[near[: max(_LEAST_COUNTED, int(window.holds(cost).sum()))]]
    spread = float(those.max() - those.min()) / 2
    return float(those.min()) - spread, float(those.max()) + spread
