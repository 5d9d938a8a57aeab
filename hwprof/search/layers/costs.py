"""What an architecture costs as the sum of what its layers cost.

Shapes: n architectures, p positions of the space.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hwprof import spaces
from hwprof.errors import OptionError
from hwprof.metrics import LATENCY, Metric
from hwprof.predictors.setting import Setting
from hwprof.search.additive import BilinearCost
from hwprof.search.layers.programmes import LayerChoices, bilinear, linear

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


@dataclass(frozen=True, slots=True, eq=False)
class LayerCosts:
    """`constant + sum over parts of their cost`, on one device. Make it with `layer_costs`."""

    space: str
    device: str
    """Slug of the device whose kernels were measured."""
    setting: Setting
    parts: tuple[PartCosts, ...]
    constant: float
    """Seconds of every call, whatever the architecture."""
    agreement: Agreement
    profiled: int
    """Architectures whose kernels were measured."""

    @property
    def metric(self) -> Metric:
        """Latency: kernels are timed."""
        return LATENCY

    def __call__(self, archs: ArrayLike) -> FloatArray:
        """Seconds of architectures, texts or rows of choices `[n, p]`, shape `[n]`.

        Raises OptionError for what are no architectures of the space.
        """
        rows = self._rows(archs)
        total = np.full(len(rows), self.constant)
        for part in self.parts:
            total += part.of(rows)
        return total

    def covered(self, archs: ArrayLike) -> FloatArray:
        """Share of each architecture's cost whose choices were measured, `[n]`, 0 to 1."""
        rows = self._rows(archs)
        known = np.full(len(rows), self.constant)
        for part in self.parts:
            known += np.where(part.known(rows), part.of(rows), 0.0)
        return known / self(rows)

    @property
    def unmeasured(self) -> tuple[tuple[str, str], ...]:
        """Positions and choices that no measured kernel tells of, in the order of the space."""
        space = spaces.get(self.space)
        found: list[tuple[str, str]] = []
        for number, position in enumerate(space.positions):
            for choice, name in enumerate(position.choices):
                cells = [
                    np.take(part.measured, choice, axis=part.positions.index(number))
                    for part in self.parts
                    if number in part.positions
                ]
                if cells and not any(cell.any() for cell in cells):
                    found.append((position.name, name))
        return tuple(found)

    def linear(self, fixed: Mapping[str, str] | None = None) -> LayerChoices:
        """As a table with one row per layer, whose choices are those of its positions together.

        `fixed` are choices at positions that several layers share, such as a resolution or a depth.
        Raises OptionError that names those that are left.
        """
        return linear(spaces.get(self.space), self.parts, self.constant, fixed or {})

    def bilinear(self, fixed: Mapping[str, str] | None = None) -> tuple[LayerChoices, BilinearCost]:
        """As a bilinear form of layers' choices and stages' depths, and what its choices are.

        HardCoRe-NAS (Nayman et al., ICML 2021): a layer is paid for by the depths that reach it.
        `fixed` is as in `linear`, depths left out. Raises OptionError for a space whose layers
        do not come and go with a depth.
        """
        return bilinear(spaces.get(self.space), self.parts, self.constant, fixed or {})

    def save(self, path: str | Path) -> None:
        """Write the costs as safetensors. Raises TableError if the path cannot be written."""
        from hwprof.search.layers.files import save_costs

        save_costs(Path(path), self)

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """Read what `save` wrote. Raises TableError for any other file."""
        from hwprof.search.layers.files import load_costs

        return load_costs(cls, Path(path))

    def _rows(self, archs: ArrayLike) -> IntArray:
        if isinstance(archs, str):
            raise OptionError("archs must be several architectures, not one text; pass a list")
        return spaces.get(self.space).indices(archs)
