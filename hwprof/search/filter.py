"""Sampling under a limit: what to keep, and what that does to a policy's gradient.

TabNAS (Yang et al., NeurIPS 2022): infeasible samples are rejected instead of penalised, and the
policy is updated by the log-probability given feasibility, `log p(y) - log P(feasible)`. Shapes: n
samples of the policy, k of them feasible.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hwprof.errors import OptionError
from hwprof.predictors.base import FloatArray, IntArray
from hwprof.search.devices import DeviceObjectives
from hwprof.search.objective import Objective


@dataclass(frozen=True, slots=True, eq=False)
class Filtered:
    """A batch of samples, and what is feasible of it."""

    feasible: NDArray[np.bool_]
    """Shape `[n]`."""
    weight: FloatArray
    """`p / q` of each sample, 1 where samples come from the policy itself, `[n]`."""

    @property
    def kept(self) -> IntArray:
        """Where the feasible samples stand in the batch, `[k]`."""
        return np.flatnonzero(self.feasible).astype(np.int64)

    @property
    def probability(self) -> float:
        """Estimate of the policy's probability of a feasible sample; unbiased."""
        return float((self.weight * self.feasible).mean())

    @property
    def std_error(self) -> float:
        """Standard error of `probability`."""
        count = len(self.feasible)
        # Laplace's estimate: none feasible of few is not certainty.
        if np.all(self.weight == 1):
            share = (self.feasible.sum() + 1) / (count + 2)
            return float(np.sqrt(share * (1 - share) / count))
        return float((self.weight * self.feasible).std() / np.sqrt(max(count - 1, 1)))

    def conditional(self, log_p: ArrayLike) -> FloatArray:
        """`log p - log P(feasible)` of the kept samples, `[k]`; `log_p` is of all, `[n]`."""
        log_p = _per_sample(log_p, len(self.feasible), "log_p")
        if not len(self.kept):
            return np.zeros(0)
        corrected: FloatArray = log_p[self.kept] - np.log(self.probability)
        return corrected

    def coefficients(self, advantage: ArrayLike) -> FloatArray:
        """Factors `a [n]` with which `sum(a * log p)` has the gradient of REINFORCE given
        feasibility: the mean over kept samples of `advantage * (log p - log P(feasible))`.

        `advantage` is the reward less a baseline, of all samples; what it says of rejected ones is
        not used. All zero when nothing was kept.
        """
        gain = _per_sample(advantage, len(self.feasible), "advantage")
        share = self.weight * self.feasible
        if share.sum() == 0:
            return np.zeros(len(self.feasible))
        direct = np.where(self.feasible, gain, 0.0) / self.feasible.sum()
        # d log P(feasible) = sum over feasible samples of w d log p, over the sum of w.
        corrected: FloatArray = direct - direct.sum() * share / share.sum()
        return corrected


class RejectionFilter:
    """Keeps the samples that meet a limit, or all of several limits."""

    def __init__(
        self,
        objective: Objective | DeviceObjectives,
        limit: float | str | None = None,
        *,
        at_least: float | str | None = None,
        level: float | None = None,
    ) -> None:
        """`limit` and `at_least` as in `Objective`, whose own they are by default.

        Of several devices every limit is to be met. With `level`, samples are kept that meet the
        objective's own limits with that probability; without, those whose cost does. Raises
        OptionError when there is no limit.
        """
        given = limit is not None or at_least is not None
        if given and level is not None:
            raise OptionError(
                "level goes with the objective's own limit; give the limit to the Objective"
            )
        if given:
            if not isinstance(objective, Objective):
                raise OptionError("several devices have limits of their own; leave these out")
            objective = objective.within(limit, at_least)
        if isinstance(objective, Objective):
            objective.bounds.need()
        else:
            _ = objective.bounded
        self.objective, self.level = objective, level

    def __call__(
        self, archs: ArrayLike, log_p: ArrayLike | None = None, log_q: ArrayLike | None = None
    ) -> Filtered:
        """Judge a batch of samples, `[n]`.

        For samples of another distribution than the policy (an older policy, a uniform one) give
        the log-probabilities of each under the policy and under what drew it. Raises OptionError
        for one without the other and for an empty batch.
        """
        if len(np.asarray(archs).reshape(-1)) == 0:
            raise OptionError("the batch is empty; sample at least one architecture")
        if self.level is None:
            outside = self.objective.violation(archs)
            feasible = np.asarray((outside.reshape(len(outside), -1) <= 0).all(axis=1))
        else:
            feasible = self.objective.feasible(archs, self.level)
        if (log_p is None) != (log_q is None):
            raise OptionError("log_p and log_q go together; give both or neither")
        weight = np.ones(len(feasible))
        if log_p is not None and log_q is not None:
            count = len(feasible)
            weight = np.exp(_per_sample(log_p, count, "log_p") - _per_sample(log_q, count, "log_q"))
        return Filtered(feasible, weight)


def _per_sample(values: ArrayLike, count: int, what: str) -> FloatArray:
    array = np.asarray(values, dtype=np.float64)
    if array.shape != (count,) or np.isnan(array).any():
        raise OptionError(
            f"{what} must hold {count} numbers, one per sample, but has shape {array.shape}; "
            "pass those of the whole batch"
        )
    return array
