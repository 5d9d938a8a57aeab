"""Random walks within a window of costs (Metropolis et al., 1953), for costs of any form."""

from __future__ import annotations

import numpy as np

from hwprof.predictors.base import FloatArray, IntArray
from hwprof.search.sampling.priced import Priced, Window

_CHAINS = 64
# Steps per position: to get there at most, then to forget where a walk began, then between two
# samples of a walk.
_ARRIVE, _BURN, _THIN = 60, 10, 3
# A step changes up to so many positions: one alone may have nowhere to go in a narrow window.
_MOST_CHANGED = 3


class Chain:
    """Walks of which every step is equally likely in both directions.

    A step changes one, two or three positions to other choices, and is taken unless it leads
    further away from the window: within it, the walk's distribution is uniform over the raw rows
    that such steps can reach. Samples of one walk are not independent, least of all in a narrow
    window, where few steps are taken. `Space.mutate` would not do: what it draws anew for positions
    that come into use is no step that is as likely back.
    """

    name = "chain"

    def __init__(self, priced: Priced, window: Window, raw: IntArray, cost: FloatArray) -> None:
        """Walks begin at the raw rows `[n, p]` whose costs `[n]` are nearest to the window."""
        self._priced, self._window = priced, window
        near = np.argsort(window.distance(cost), kind="stable")[:_CHAINS]
        self._raw, self._cost = raw[near].copy(), cost[near].copy()
        self._burnt = False

    def sample(
        self, n: int, most: int, rng: np.random.Generator
    ) -> tuple[IntArray, FloatArray, int]:
        """At most n raw rows with costs, and how many steps were tried, `most` at most."""
        positions = len(self._priced.view.sizes)
        before = self._priced.evaluated

        def left() -> int:
            return most - (self._priced.evaluated - before)

        if not self._burnt:
            for _ in range(_ARRIVE * positions):
                if self._arrived().all() or left() < len(self._raw):
                    break
                self._step(rng)
            here = self._arrived()
            self._raw, self._cost = self._raw[here], self._cost[here]
            for _ in range(_BURN * positions):
                if not len(self._raw) or left() < len(self._raw):
                    break
                self._step(rng)
            self._burnt = True
        found: list[IntArray] = []
        costs: list[FloatArray] = []
        while sum(map(len, found)) < n and len(self._raw):
            for _ in range(_THIN * positions):
                if left() >= len(self._raw):
                    self._step(rng)
            found.append(self._raw.copy())
            costs.append(self._cost.copy())
            if left() < len(self._raw):
                break
        tried = self._priced.evaluated - before
        if not found:
            return np.zeros((0, positions), dtype=np.int64), np.zeros(0), tried
        order = rng.permutation(sum(map(len, found)))[:n]
        return np.concatenate(found)[order], np.concatenate(costs)[order], tried

    def _arrived(self) -> np.ndarray:
        return self._window.holds(self._cost)

    def _step(self, rng: np.random.Generator) -> None:
        sizes = self._priced.view.sizes
        count = len(self._raw)
        # Positions with a lone choice are never changed: they would stay as they are.
        free = np.flatnonzero(sizes > 1)
        places = rng.random((count, len(free))).argsort(axis=1)
        changed = places < rng.integers(1, _MOST_CHANGED + 1, (count, 1))
        step = 1 + (rng.random((count, len(free))) * (sizes[free] - 1)).astype(np.int64)
        proposed = self._raw.copy()
        moved = (proposed[:, free] + step) % sizes[free]
        proposed[:, free] = np.where(changed, moved, proposed[:, free])
        _, cost = self._priced(proposed)
        taken = self._window.distance(cost) <= self._window.distance(self._cost)
        self._raw[taken], self._cost[taken] = proposed[taken], cost[taken]
