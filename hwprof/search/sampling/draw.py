"""Architectures that cost a given amount, drawn alike.

Supernets are trained on subnetworks of a drawn cost (AttentiveNAS, Wang et al., CVPR 2021;
AlphaNet, Wang et al., ICML 2021; ShiftNAS, Zhang et al., ICCV 2023; ElasticViT, Tang et al., ICCV
2023), and predictors are judged where the cost is. Shapes: n architectures, p positions.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from hwprof.errors import OptionError
from hwprof.predictors.base import FloatArray, IntArray
from hwprof.search.goals import Cost
from hwprof.search.sampling.chain import Chain
from hwprof.search.sampling.priced import Priced, Window
from hwprof.search.sampling.proposals import Counted, Proposal, Summed, Uniform

By = Literal["auto", "uniform", "counted", "additive", "chain"]

PILOT = 2000
"""Architectures drawn first, to see what costs what."""
MOST = 100_000
"""Proposals at most."""
# At random, one of fifty is cheaper than anything cleverer.
_OFTEN = 0.02
# Share of the proposals after which it is judged whether all of them will do.
_PATIENCE = 0.04
_LEAST_BATCH, _MOST_BATCH = 256, 8192


@dataclass(frozen=True, slots=True, eq=False)
class Sampled:
    """Architectures of a given cost."""

    rows: IntArray
    """Shape `[n, p]`; the same architecture may come twice."""
    cost: FloatArray
    """By the objective, base unit, `[n]`."""
    proposed: int
    """How many were tried."""
    by: str
    """What proposed them: uniform, counted, additive or chain."""

    @property
    def acceptance(self) -> float:
        """Share of the proposals that were taken."""
        return len(self.rows) / self.proposed if self.proposed else 0.0


def sample_at_cost(
    objective: Cost,
    space: object,
    target: float | str,
    tolerance: float | str = "5%",
    n: int = 1,
    *,
    rng: np.random.Generator,
    proposal: By = "auto",
    most: int = MOST,
) -> Sampled:
    """n architectures whose cost is `target` within `tolerance`, as if by drawing at random and
    throwing away all others.

    `objective` is an `Objective` or a function of rows. Target and tolerance are in base units or
    texts such as `15ms`; a tolerance such as `5%` is of the target. Whatever proposes, each
    architecture is judged by the objective itself. `proposal`: `uniform` draws at random;
    `additive` counts by a dynamic programme over the sum that costs resemble, exact where they are
    sums; `counted` draws each position by what was seen at such a cost, as AttentiveNAS does;
    `chain` walks at random, for what resembles no sum; `auto` takes uniform where that hits often,
    then additive, then chain. See each for how uniform it is.

    Raises OptionError for a cost that no architecture was found to have, naming the range there
    is; where `most` proposals are too few; and for options that cannot be.
    """
    check(n, proposal)
    priced = Priced(objective, space)
    window = priced.window(target, tolerance)
    raw = priced.draw(PILOT, rng)
    return Sampler(priced, window, raw, priced(raw)[1], proposal).sample(n, rng, most)


def check(n: int, proposal: str) -> None:
    """Raise OptionError for a number below 1 and an unknown proposal."""
    if n < 1:
        raise OptionError(f"n must be 1 or more, but is {n}; ask for one architecture or more")
    if proposal not in get_args(By):
        raise OptionError(f"unknown proposal {proposal!r}; choose among {', '.join(get_args(By))}")


class Sampler:
    """Draws within one window; what it works out for that is kept."""

    def __init__(
        self, priced: Priced, window: Window, raw: IntArray, cost: FloatArray, by: By
    ) -> None:
        """`raw` rows `[n, p]` with their costs are a first sample, every choice equally likely."""
        self._priced, self.window, self._raw, self._cost = priced, window, raw, cost
        self._reach: tuple[float, float] | None = None
        self._ways: list[Proposal | Chain] = self._named(by)

    def sample(self, n: int, rng: np.random.Generator, most: int = MOST) -> Sampled:
        """n architectures. Raises OptionError as `sample_at_cost` does."""
        tried = 0
        for place, way in enumerate(self._ways):
            if isinstance(way, Chain):
                found = self._walk(way, n, rng, most - tried)
            else:
                found = self._reject(way, n, rng, most, place == len(self._ways) - 1)
            tried += found.proposed
            if len(found.rows) == n:
                # The next call begins with what has served this one.
                self._ways = self._ways[place:]
                return found
        raise self._too_few(len(found.rows), n, tried)

    def _named(self, by: By) -> list[Proposal | Chain]:
        """The ways to try, in this order."""
        sizes = self._priced.view.sizes
        if by == "uniform":
            return [Uniform(self._priced)]
        if by == "counted":
            return [Counted(sizes, self._raw, self._cost, self.window)]
        chain = Chain(self._priced, self.window, self._raw, self._cost)
        if by == "chain":
            return [chain]
        if by == "auto" and self.window.holds(self._cost).mean() >= _OFTEN:
            return [Uniform(self._priced)]
        # A sum with as many weights as there are rows fits anything.
        if by == "auto" and 2 * int(sizes.sum()) > len(self._raw):
            return [chain]
        summed = Summed(sizes, self._raw, self._cost, self.window)
        if by == "additive":
            if summed.count == 0:
                raise self._too_few(0, 1, 0)
            return [summed]
        # What cannot be is said before it is sought at length.
        if not self.window.holds(self._cost).any() and not self._within_reach():
            raise self._too_few(0, 1, 0)
        return [summed, chain] if summed.count else [chain]

    def _reject(
        self, way: Proposal, n: int, rng: np.random.Generator, most: int, last: bool
    ) -> Sampled:
        rows: list[IntArray] = [np.zeros((0, len(self._priced.view.sizes)), dtype=np.int64)]
        costs: list[FloatArray] = [np.zeros(0)]
        proposed = kept = 0
        while kept < n and proposed < most:
            # Where something is left to try, not all is spent on what seldom hits.
            if not last and proposed >= most * _PATIENCE and kept * most < n * proposed:
                break
            share = max(kept, 1) / max(proposed, 20)
            batch = int(np.clip(1.2 * (n - kept) / share, _LEAST_BATCH, _MOST_BATCH))
            raw, keep = way.draw(min(batch, most - proposed), rng)
            canonical, cost = self._priced(raw)
            taken = self.window.holds(cost) & (rng.random(len(raw)) < keep)
            places = np.flatnonzero(taken)[: n - kept]
            # What comes after the last one that is needed was not needed either.
            enough = len(places) == n - kept
            proposed += int(places[-1]) + 1 if enough else len(raw)
            kept += len(places)
            rows.append(canonical[places])
            costs.append(cost[places])
        return Sampled(np.concatenate(rows), np.concatenate(costs), proposed, way.name)

    def _walk(self, way: Chain, n: int, rng: np.random.Generator, most: int) -> Sampled:
        raw, cost, tried = way.sample(n, most, rng)
        rows = self._priced.view.indices(raw) if len(raw) else raw
        return Sampled(rows, cost, tried, way.name)

    def _within_reach(self) -> bool:
        low, high = self._extremes()
        return low <= self.window.high and high >= self.window.low

    def _extremes(self) -> tuple[float, float]:
        if self._reach is None:
            _, (low, high) = self._priced.extremes(self._raw, self._cost)
            self._reach = float(low), float(high)
        return self._reach

    def _too_few(self, found: int, n: int, tried: int) -> OptionError:
        show, view = self._priced.metric.show, self._priced.view
        wanted = f"{show(self.window.low)} to {show(self.window.high)}"
        if found:
            return OptionError(
                f"{tried} proposals gave {found} of {n} architectures that cost {wanted}; widen "
                "the tolerance, or allow more with most="
            )
        low, high = self._extremes()
        reach = f"costs from {show(low)} to {show(high)} were found"
        if self._within_reach():
            distance = self.window.distance(self._cost)
            nearest = show(float(self._cost[int(distance.argmin())]))
            return OptionError(
                f"no architecture of {view.space.name} was found that costs {wanted}: {reach}, the "
                f"nearest of a first sample being {nearest}; widen the tolerance"
            )
        return OptionError(
            f"no architecture of {view.space.name} costs {wanted}: {reach}; choose a target among "
            "those"
        )
