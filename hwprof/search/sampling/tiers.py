"""Tiers of cost: which an architecture belongs to, and architectures of each.

Shapes: n architectures, p positions, t tiers, v choices of all positions.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from hwprof.errors import OptionError
from hwprof.metrics import parse_limit
from hwprof.predictors.base import FloatArray, IntArray
from hwprof.search.goals import Cost
from hwprof.search.sampling.draw import MOST, By, Sampled, Sampler, check
from hwprof.search.sampling.priced import Priced, Window
from hwprof.search.sampling.proposals import Counted

# Fewer say too little of what costs what.
_LEAST_PILOT = 500


class CostTiers:
    """A range of costs cut into tiers; each includes its lower end, the last one its upper too.

    AttentiveNAS (Wang et al., CVPR 2021) draws a tier of FLOPs and then an architecture of it, so
    that training does not see middling ones alone; AlphaNet (Wang et al., ICML 2021) trains the
    smallest, the largest and some in between at each step. ShiftNAS (Zhang et al., ICCV 2023) and
    ElasticViT (Tang et al., ICCV 2023) change how often each tier comes: give `draw` weights.
    """

    def __init__(
        self,
        objective: Cost,
        space: object,
        tiers: int | Sequence[float | str] = 8,
        *,
        rng: np.random.Generator,
        pilot: int = 4000,
        proposal: By = "auto",
    ) -> None:
        """`tiers` are the ends of tiers, t + 1 rising costs as in `sample_at_cost`, or how many of
        equal width there are from the least to the greatest cost that was found.

        `pilot` architectures are drawn first; `proposal` is that of `sample_at_cost`. Raises
        OptionError for options that cannot be.
        """
        check(1, proposal)
        if pilot < _LEAST_PILOT:
            raise OptionError(
                f"pilot must be {_LEAST_PILOT} or more, but is {pilot}; 4000 are usual"
            )
        self._priced, self._by = Priced(objective, space), proposal
        self._raw = self._priced.draw(pilot, rng)
        _, self._cost = self._priced(self._raw)
        self.extremes: IntArray
        """The cheapest and the dearest architecture that were found, `[2, p]`."""
        self.extremes, ends = self._priced.extremes(self._raw, self._cost)
        self.edges = self._edges(tiers, ends)
        """Costs where tiers end, base unit, `[t + 1]`."""
        self._samplers: dict[int, Sampler] = {}

    def __len__(self) -> int:
        return len(self.edges) - 1

    def tier_of(self, archs: ArrayLike) -> IntArray:
        """The tier of texts or rows `[n]`, -1 for those outside all tiers."""
        _, cost = self._priced(self._priced.view.indices(archs))
        return self._tier(cost)

    @property
    def shares(self) -> FloatArray:
        """Share of each tier among architectures drawn at random, as estimated, `[t]`."""
        tiers = self._tier(self._cost)
        return np.bincount(tiers[tiers >= 0], minlength=len(self)) / len(tiers)

    def probabilities(self, tier: int) -> tuple[FloatArray, ...]:
        """`p(choice | tier)` of each position, as AttentiveNAS counts it; `[c]` per position."""
        sizes = self._priced.view.sizes
        return Counted(sizes, self._raw, self._cost, self._window(tier)).shares

    def sample(self, tier: int, n: int, rng: np.random.Generator, most: int = MOST) -> Sampled:
        """n architectures of a tier, drawn alike; see `sample_at_cost`.

        Raises OptionError for a tier that is none, and one in which none was found.
        """
        check(n, self._by)
        window = self._window(tier)
        if tier not in self._samplers:
            self._samplers[tier] = Sampler(self._priced, window, self._raw, self._cost, self._by)
        return self._samplers[tier].sample(n, rng, most)

    def draw(
        self, n: int, rng: np.random.Generator, weights: ArrayLike | None = None
    ) -> tuple[IntArray, IntArray]:
        """n architectures of tiers drawn alike, or by `weights [t]`: rows `[n, p]`, tiers `[n]`.

        Raises OptionError for weights that are none, and a drawn tier in which none was found.
        """
        given = np.ones(len(self)) if weights is None else np.asarray(weights, dtype=np.float64)
        if given.shape != (len(self),) or not (given >= 0).all() or not 0 < given.sum() < np.inf:
            raise OptionError(
                f"weights must be {len(self)} finite numbers, 0 or more and not all 0; give one "
                "per tier"
            )
        tiers = rng.choice(len(self), size=n, p=given / given.sum()).astype(np.int64)
        rows = np.zeros((n, len(self._priced.view.sizes)), dtype=np.int64)
        for tier in np.unique(tiers).tolist():
            here = np.flatnonzero(tiers == tier)
            rows[here] = self.sample(tier, len(here), rng).rows
        return rows, tiers

    def sandwich(self, n: int, rng: np.random.Generator) -> IntArray:
        """What AlphaNet trains in one step: the cheapest architecture, n of tiers drawn alike, and
        the dearest, `[n + 2, p]`."""
        between, _ = self.draw(n, rng)
        return np.concatenate([self.extremes[:1], between, self.extremes[1:]])

    def _window(self, tier: int) -> Window:
        if not 0 <= tier < len(self):
            raise OptionError(f"tier must be 0 to {len(self) - 1}, but is {tier}; choose one")
        low, high = self.edges[tier], self.edges[tier + 1]
        return Window(float(low), float(high if tier == len(self) - 1 else np.nextafter(high, low)))

    def _tier(self, cost: FloatArray) -> IntArray:
        tiers = np.searchsorted(self.edges, cost, side="right") - 1
        tiers[cost == self.edges[-1]] = len(self) - 1
        tiers[(cost > self.edges[-1]) | (cost < self.edges[0])] = -1
        return tiers.astype(np.int64)

    def _edges(self, tiers: int | Sequence[float | str], ends: FloatArray) -> FloatArray:
        if isinstance(tiers, int | np.integer):
            if tiers < 1 or not ends[1] > ends[0]:
                raise OptionError(
                    f"there cannot be {tiers} tiers of costs from {ends[0]:g} to {ends[1]:g}; give "
                    "1 or more, of costs that differ"
                )
            return np.linspace(ends[0], ends[1], tiers + 1)
        edges = np.array([parse_limit(edge, self._priced.metric) for edge in tiers])
        if len(edges) < 2 or not (np.diff(edges) > 0).all():
            raise OptionError("the ends of tiers must be two costs or more, rising; correct them")
        return edges
