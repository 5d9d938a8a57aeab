"""Syne Tune: a blackbox for its simulator, without its repository's downloads.

    backend = UserBlackboxBackend(ArchitectureBlackbox(goals), elapsed_time_attr=ELAPSED)

Needs the extra `syne-tune`.
"""

from __future__ import annotations

from numbers import Number
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hwprof.errors import OptionError
from hwprof.predictors.base import FloatArray, IntArray
from hwprof.search.adapters.extras import missing
from hwprof.search.goals import Goals

try:
    import pandas
    from syne_tune.blackbox_repository.blackbox import Blackbox
    from syne_tune.blackbox_repository.blackbox_tabular import BlackboxTabular
    from syne_tune.config_space import choice, randint
except ImportError as error:
    raise missing("syne_tune", "syne-tune", error) from error

ELAPSED = "elapsed_time"
"""Objective that holds the seconds which one evaluation takes in simulated time."""
FIDELITY = "step"
"""The simulator wants a fidelity: predictions have one step."""


class ArchitectureBlackbox(Blackbox):  # type: ignore[misc]
    """Objectives by name: the goals in their own units, `violation` and `elapsed_time`.

    `violation` is the greatest excess over a limit, at most 0 where all are met; it is there when
    the goals have limits, and compares those of several metrics where the goals are relative.
    Schedulers are told by `do_minimize` which way each goes.
    """

    def __init__(self, goals: Goals, *, seconds: float = 1.0) -> None:
        """`seconds` of simulated time per evaluation. Raises OptionError unless positive."""
        if seconds <= 0:
            raise OptionError(f"seconds must be positive, but is {seconds}; 1 is as good as any")
        self.goals, self.seconds = goals, seconds
        view = goals.space
        violation = ["violation"] if goals.constraints else []
        super().__init__(
            configuration_space={
                name: choice(list(choices))
                for name, choices in zip(view.names, view.choices, strict=True)
            },
            fidelity_space={FIDELITY: randint(1, 1)},
            objectives_names=[*goals.names, *violation, ELAPSED],
        )

    @property
    def fidelity_values(self) -> NDArray[np.int64]:
        """The one step there is."""
        return np.array([1])

    def evaluate(self, rows: IntArray) -> FloatArray:
        """The objectives of rows of choices `[n, p]`, in the order of `objectives_names`."""
        found = self.goals.evaluate(rows)
        columns = [found.values]
        if self.goals.constraints:
            columns.append(found.violations.max(axis=1, keepdims=True))
        columns.append(np.full((len(rows), 1), self.seconds))
        return np.concatenate(columns, axis=1)

    def _objective_function(
        self,
        configuration: dict[str, Any],
        fidelity: dict[str, Any] | Number | None = None,
        seed: int | None = None,
    ) -> dict[str, float] | FloatArray:
        values = self.evaluate(self.goals.space.row(configuration)[None])
        if fidelity is None:
            return values
        return dict(zip(self.objectives_names, values[0].tolist(), strict=True))

    def hyperparameter_objectives_values(
        self, predict_curves: bool = False
    ) -> tuple[pandas.DataFrame, pandas.DataFrame]:
        """A seeded sample of 1,000 configurations with their objectives, for surrogates."""
        rows = self.goals.space.sample(1000, np.random.default_rng(0))
        table = self._frame(rows)
        if not predict_curves:
            table[FIDELITY] = 1
        return table, pandas.DataFrame(self.evaluate(rows), columns=self.objectives_names)

    def tabular(self, rows: IntArray) -> BlackboxTabular:
        """A table of these architectures `[n, p]`, each counted once.

        Syne Tune's `add_surrogate` and `serialize` take it; the latter needs fastparquet.
        """
        distinct = np.unique(self.goals.space.indices(rows), axis=0)
        return BlackboxTabular(
            hyperparameters=self._frame(distinct),
            configuration_space=self.configuration_space,
            fidelity_space=self.fidelity_space,
            objectives_evaluations=self.evaluate(distinct)[:, None, None, :],
            objectives_names=self.objectives_names,
        )

    def _frame(self, rows: IntArray) -> pandas.DataFrame:
        view = self.goals.space
        columns = zip(view.names, view.choices, rows.T, strict=True)
        return pandas.DataFrame({name: np.array(c)[column] for name, c, column in columns})
