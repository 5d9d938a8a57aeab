"""What layers cost and how far that is to be believed, as it is kept.

Shapes: n architectures, p positions of the space.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hwprof.predictors.setting import Setting

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class PartCosts:
    """One part of a network: a layer, or all that belongs to none."""

    layer: str
    """Its name; empty for all that belongs to none."""
    positions: tuple[int, ...]
    """Numbers of the positions that it depends on; none for what is always the same."""
    values: FloatArray
    """Seconds by the choices made at each of them."""
    measured: BoolArray
    """Whether each of those choices was measured in this part; what was not is estimated from the
    work that it has to do."""

    def of(self, rows: IntArray) -> FloatArray:
        """Seconds of rows of choices, `[n, p] -> [n]`."""
        if not self.positions:
            return np.full(len(rows), float(self.values))
        found: FloatArray = self.values[tuple(rows[:, list(self.positions)].T)]
        return found

    def known(self, rows: IntArray) -> BoolArray:
        """Which rows' choices were measured, `[n, p] -> [n]`."""
        if not self.positions:
            return np.full(len(rows), bool(self.measured))
        found: BoolArray = self.measured[tuple(rows[:, list(self.positions)].T)]
        return found


@dataclass(frozen=True, slots=True)
class Agreement:
    """How the sums compare with latencies measured end to end.

    Of architectures that were left out when the costs were worked out, an eighth of them at a time.
    """

    architectures: int
    mape: float
    """Mean absolute relative error, 0.05 for 5 %."""
    correlation: float
    """Pearson's, between sums and latencies."""
    noise: float | None = None
    """Median standard error of the latencies themselves, relative; None where unknown."""


@dataclass(frozen=True, slots=True)
class Kept:
    """What a file of layers' costs holds; see `LayerCosts`."""

    space: str
    device: str
    setting: Setting
    parts: tuple[PartCosts, ...]
    constant: float
    agreement: Agreement
    profiled: int
