"""A whole search without a library: a constrained genetic algorithm over any space.

NSGA-II with its feasibility-first comparison (Deb et al., A fast and elitist multiobjective genetic
algorithm: NSGA-II, 2002): whoever meets the limits beats whoever does not; of two that do not, the
one that is less outside; of two that do, the one on the better front, then in the emptier region.
Shapes: n architectures, p positions, m goals, c constraints.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hwprof.errors import OptionError
from hwprof.predictors.base import FloatArray, IntArray
from hwprof.search.goals import Evaluated, Goals
from hwprof.search.pareto import pareto_front


@dataclass(frozen=True, slots=True)
class Generation:
    """What was known after one generation."""

    evaluated: int
    """Distinct architectures so far."""
    feasible: int
    """Those of them that meet every limit."""
    best: tuple[float, ...] | None
    """The best value of each goal among those, in its own units; None where there are none."""


@dataclass(frozen=True, slots=True, eq=False)
class Evolved:
    """Every architecture that a search asked for, each once, and which of them are best."""

    goals: Goals
    rows: IntArray
    """Shape `[n, p]`, in the order in which they were asked."""
    found: Evaluated
    """What the goals say of them."""
    history: tuple[Generation, ...]
    """The first population, then one entry per generation."""

    @property
    def front(self) -> IntArray:
        """Places in `rows` of the feasible architectures that no feasible one dominates, the first
        goal's best first; empty where none is feasible."""
        feasible = np.flatnonzero(self.found.feasible)
        losses = self.found.losses[feasible]
        front: IntArray = feasible[pareto_front(losses)] if len(feasible) else feasible
        order = np.lexsort(self.found.losses[front].T[::-1])
        return front[order]

    def texts(self, places: ArrayLike) -> list[str]:
        """How the space writes the architectures at these places."""
        return self.goals.space.texts(self.rows[np.asarray(places, dtype=np.int64)])


def evolve(
    goals: Goals,
    generations: int = 20,
    population: int = 40,
    *,
    rng: np.random.Generator,
    start: ArrayLike | None = None,
) -> Evolved:
    """Search the space of the goals, which must sample, cross over and mutate as hwprof's do.

    Each generation makes `population` children by binary tournaments, uniform crossover and the
    space's mutation, and the best `population` of parents and children live on. Predictions are
    asked once per architecture. `start` holds architectures for the first population, which is
    filled up at random. The same `rng` gives the same search. Raises OptionError for numbers below
    1 and 2, and a space that cannot do so.
    """
    if generations < 1 or population < 2:
        raise OptionError(
            f"generations must be 1 and population 2 at least, but are {generations} and "
            f"{population}; 20 and 40 are usual"
        )
    space: Any = goals.space.space
    for needed in ("sample", "mutate", "crossover"):
        if not callable(getattr(space, needed, None)):
            raise OptionError(
                f"the space {space.name} does not {needed}, which evolve needs; derive it from "
                "hwprof.spaces.base.Space"
            )
    archive = _Archive(goals)
    first = space.sample(population, rng)
    if start is not None:
        first = np.concatenate([goals.space.indices(start), first])
    living = archive.add(first)
    living = living[archive.order(living)[:population]]
    history = [archive.generation()]
    for _ in range(generations):
        # Places in `living` stand from best to worst, so that the lesser of two wins.
        pairs = rng.integers(0, len(living), (2, population, 2)).min(axis=2)
        mothers, fathers = archive.rows[living[pairs]]
        children = space.mutate(space.crossover(mothers, fathers, rng), rng)
        everyone = np.unique(np.concatenate([living, archive.add(children)]))
        living = everyone[archive.order(everyone)[:population]]
        history.append(archive.generation())
    return Evolved(goals, archive.rows, archive.found, tuple(history))


class _Archive:
    """Architectures by the bytes of their row, with what the goals say of them."""

    def __init__(self, goals: Goals) -> None:
        self.goals = goals
        self.rows: IntArray = np.zeros((0, len(goals.space.sizes)), dtype=np.int64)
        self._found: list[Evaluated] = []
        self._places: dict[bytes, int] = {}
        self._violations = np.zeros((0, goals.constraints))
        self._losses = np.zeros((0, len(goals.names)))

    def add(self, rows: IntArray) -> IntArray:
        """Where these rows stand, each place once; what is new is evaluated."""
        rows = np.ascontiguousarray(self.goals.space.indices(rows))
        keys = [row.tobytes() for row in rows]
        fresh = {key: i for i, key in enumerate(keys) if key not in self._places}
        if fresh:
            new = rows[sorted(fresh.values())]
            self._places |= {row.tobytes(): len(self.rows) + i for i, row in enumerate(new)}
            self._found.append(self.goals.evaluate(new))
            self.rows = np.concatenate([self.rows, new])
            self._losses = np.concatenate([self._losses, self._found[-1].losses])
            self._violations = np.concatenate([self._violations, self._found[-1].violations])
        return np.unique(np.array([self._places[key] for key in keys], dtype=np.int64))

    @property
    def found(self) -> Evaluated:
        """What the goals say of all rows."""
        values = np.concatenate([each.values for each in self._found])
        goals = self.goals
        return Evaluated(
            values, self._losses, self._violations, goals.names, goals.constraint_names
        )

    def order(self, places: IntArray) -> IntArray:
        """From best to worst."""
        losses, outside = self._losses[places], np.maximum(self._violations[places], 0)
        # Limits in seconds and in bytes weigh alike: each by the greatest violation here.
        total = (outside / np.maximum(outside.max(axis=0, initial=0), 1e-300)).sum(axis=1)
        rank, crowding = np.zeros(len(places)), np.zeros(len(places))
        left, number = np.flatnonzero(total == 0), 0
        while len(left):
            front = left[pareto_front(losses[left])]
            rank[front], crowding[front] = number, _crowding(losses[front])
            left, number = np.setdiff1d(left, front), number + 1
        order: IntArray = np.lexsort((-crowding, rank, total))
        return order

    def generation(self) -> Generation:
        """What is known now."""
        found = self.found
        values = found.values[found.feasible] * self.goals.signs
        best = None
        if len(values):
            best = tuple((values.min(axis=0) * self.goals.signs).tolist())
        return Generation(len(self.rows), len(values), best)


def _crowding(losses: FloatArray) -> NDArray[np.float64]:
    """How far the neighbours on a front lie apart, `[n]`; the ends count as infinitely far."""
    crowding = np.zeros(len(losses))
    for column in losses.T:
        order = np.argsort(column, kind="stable")
        span = column[order[-1]] - column[order[0]]
        crowding[order[[0, -1]]] = np.inf
        if span > 0 and len(order) > 2:
            crowding[order[1:-1]] += (column[order[2:]] - column[order[:-2]]) / span
    return crowding
