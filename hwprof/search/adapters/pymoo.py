"""pymoo: a batched problem over rows of choices, and operators for whole numbers.

    algorithm = NSGA2(pop_size=100, **operators(goals))
    result = minimize(ArchitectureProblem(goals), algorithm, ("n_gen", 50))

Needs the extra `pymoo`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from hwprof.predictors.base import IntArray
from hwprof.search.adapters.extras import missing
from hwprof.search.architectures import Architectures
from hwprof.search.goals import Goals

try:
    from pymoo.core.crossover import Crossover
    from pymoo.core.mutation import Mutation
    from pymoo.core.problem import Problem
    from pymoo.core.sampling import Sampling
except ImportError as error:
    raise missing("pymoo", "pymoo", error) from error


class ArchitectureProblem(Problem):  # type: ignore[misc]
    """Rows of choices `[n, p]`; `F` less is better (maximised goals negated), `G <= 0` feasible.

    pymoo adds up what of `G` is above 0: with limits of several metrics, give relative goals.
    """

    def __init__(self, goals: Goals) -> None:
        self.goals = goals
        super().__init__(
            n_var=len(goals.space.sizes),
            n_obj=len(goals.names),
            n_ieq_constr=goals.constraints,
            xl=np.zeros(len(goals.space.sizes), dtype=np.int64),
            xu=goals.space.sizes - 1,
            vtype=int,
        )

    def _evaluate(self, X: Any, out: dict[str, Any], *args: Any, **kwargs: Any) -> None:
        found = self.goals.evaluate(self.rows(X))
        out["F"] = found.losses
        if self.goals.constraints:
            out["G"] = found.violations

    def rows(self, X: Any) -> IntArray:
        """What pymoo calls X, such as `result.X`, as rows of choices `[n, p]`."""
        # Operators of pymoo that work on real numbers leave floats behind.
        return np.atleast_2d(np.round(np.asarray(X, dtype=np.float64)).astype(np.int64))


def operators(goals: Goals) -> dict[str, Any]:
    """`sampling`, `crossover`, `mutation` and `eliminate_duplicates` for pymoo's algorithms."""
    return {
        "sampling": ChoiceSampling(goals.space),
        "crossover": ChoiceCrossover(goals.space),
        "mutation": ChoiceMutation(goals.space),
        "eliminate_duplicates": True,
    }


class ChoiceSampling(Sampling):  # type: ignore[misc]
    """Every choice equally likely."""

    def __init__(self, space: object) -> None:
        super().__init__()
        self.space = Architectures.of(space)

    def _do(
        self, problem: Any, n_samples: int, *args: Any, random_state: Any, **_: Any
    ) -> IntArray:
        return self.space.sample(n_samples, random_state)


class ChoiceCrossover(Crossover):  # type: ignore[misc]
    """Two children of two parents, each position swapped with probability one half."""

    def __init__(self, space: object) -> None:
        super().__init__(2, 2)
        self.space = Architectures.of(space)

    def _do(self, problem: Any, X: Any, *args: Any, random_state: Any, **_: Any) -> IntArray:
        swap = random_state.random(X.shape[1:]) < 0.5
        children = np.where(swap, X[::-1], X)
        return np.stack([self.space.indices(child.astype(np.int64)) for child in children])


class ChoiceMutation(Mutation):  # type: ignore[misc]
    """Each position takes another choice with probability `rate`, by default one in p."""

    def __init__(self, space: object, rate: float | None = None) -> None:
        super().__init__()
        self.space = Architectures.of(space)
        self.rate = rate

    def _do(self, problem: Any, X: Any, *args: Any, random_state: Any, **_: Any) -> IntArray:
        sizes = self.space.sizes
        rate = 1 / len(sizes) if self.rate is None else self.rate
        changed = random_state.random(X.shape) < rate
        # One to size - 1 steps round the choices never lead back.
        step = 1 + (random_state.random(X.shape) * (sizes - 1)).astype(np.int64)
        rows = X.astype(np.int64)
        moved = (rows + np.where(sizes > 1, step, 0)) % sizes
        return self.space.indices(np.where(changed, moved, rows))
