"""One row of the suite: a pool, devices that it does not hold, and what is owed on them.

Shapes: n architectures, t new devices, k measurements. Latencies are seconds.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from hwprof.errors import OptionError
from hwprof.predictors.base import IntArray, Predictor
from hwprof.predictors.pool import DevicePool
from hwprof.similarity import Similarity
from hwprof.testing.adversarial.targets import Observed
from hwprof.testing.adversarial.world import World

# Nominal probability of the intervals that are judged, and what they must cover of it: mean
# coverage over a dozen runs wanders by a few percent where nothing is wrong.
LEVEL = 0.9
COVERAGE = 0.80
# Draws of measured rows, and with them of runs per device.
SEEDS = (0, 1, 2)
# Architectures from which the smallest and the largest are drawn, as a share of all.
_TENTH = 10


class Measuring(StrEnum):
    """Which architectures are measured on the new device. A closed set."""

    RANDOM = "random"
    DESIGNED = "designed"
    """What `Predictor.select` proposes among a random half of the pool's rows."""
    SMALLEST = "smallest"
    """Drawn from the tenth of the architectures with the least work."""
    LARGEST = "largest"


@dataclass(frozen=True, slots=True, eq=False)
class Case:
    """A named row of the suite. Make them with `cases`."""

    name: str
    """`pool, target, measuring, k=...`; unique."""
    world: World
    """The pool, its similarity, and the new devices before the target's twist."""
    target: str
    """What was done to the new devices, a key of `targets.TARGETS`."""
    measuring: Measuring
    k: int
    observed: Observed
    required_coverage: float
    """Share of the latencies that nominal 90 % intervals must hold, mean over runs."""
    required_rank: float
    """Spearman correlation with the noise-free latencies, mean over runs: see `oracle`."""
    required_error: float | None = None
    """Median absolute relative error at most, mean over runs; None where none is owed."""
    excusable: bool = True
    """Whether a warning counts in place of coverage. Not where nothing is unusual: a predictor
    that always warns says nothing."""

    @property
    def pool(self) -> DevicePool:
        """What a predictor is fitted on."""
        return self.world.pool

    @property
    def similarity(self) -> Similarity | None:
        """What it is told of the space."""
        return self.world.similarity

    @property
    def devices(self) -> int:
        """How many new devices, t."""
        return int(self.observed.measured_s.shape[1])

    def rows(self, seed: int, predictor: Predictor | None = None) -> IntArray:
        """Rows that are measured in the run of that seed, shape `[k]`.

        Without a predictor, random rows stand in for designed ones: a design that is worse than
        chance is none. Raises OptionError for more rows than there are to choose from.
        """
        rng = np.random.default_rng([seed, self.k])
        size = self.world.size
        order = np.argsort(size, kind="stable")
        tenth = len(size) // _TENTH
        allowed = {
            Measuring.SMALLEST: order[:tenth],
            Measuring.LARGEST: order[-tenth:],
        }.get(self.measuring, np.arange(len(size)))
        if self.measuring is Measuring.DESIGNED and predictor is not None:
            half = np.sort(rng.permutation(allowed)[: len(allowed) // 2])
            return np.asarray(predictor.select(self.k, candidates=half.tolist()))
        if self.k > len(allowed):
            raise OptionError(
                f"k must be at most {len(allowed)} for {self.measuring} rows, but is {self.k}; "
                "measure fewer"
            )
        return np.sort(rng.choice(allowed, self.k, replace=False)).astype(np.int64)
