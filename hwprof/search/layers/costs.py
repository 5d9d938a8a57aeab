"""What an architecture costs as the sum of what its layers cost.

Shapes: n architectures, p positions of the space.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hwprof import spaces
from hwprof.errors import OptionError
from hwprof.metrics import LATENCY, Metric
from hwprof.predictors.setting import Setting
from hwprof.search.additive import BilinearCost
from hwprof.search.layers.files import load_costs, save_costs
from hwprof.search.layers.parts import Agreement, Kept, PartCosts
from hwprof.search.layers.programmes import LayerChoices, bilinear, linear

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


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
        kept = Kept(*(getattr(self, each.name) for each in fields(Kept)))
        save_costs(Path(path), kept)

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """Read what `save` wrote. Raises TableError for any other file."""
        kept = load_costs(Path(path))
        return cls(*(getattr(kept, each.name) for each in fields(Kept)))

    def _rows(self, archs: ArrayLike) -> IntArray:
        if isinstance(archs, str):
            raise OptionError("archs must be several architectures, not one text; pass a list")
        return spaces.get(self.space).indices(archs)
