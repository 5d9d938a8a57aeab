"""BoTorch: a predictor as a model, and limits as constraints on posterior samples.

BoTorch maximises, so costs are negated. Needs the extra `botorch`. Shapes: b batches of q
architectures, each d features or p choices.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from hwprof.errors import OptionError
from hwprof.search.adapters.extras import missing
from hwprof.search.goals import Goals
from hwprof.search.objective import Objective

try:
    import torch
    from botorch.models.deterministic import DeterministicModel
    from botorch.models.model import Model
    from botorch.posteriors import GPyTorchPosterior
    from gpytorch.distributions import MultivariateNormal
    from linear_operator.operators import DiagLinearOperator
except ImportError as error:
    raise missing("botorch", "botorch", error) from error

Inputs = Literal["features", "choices"]


class CostModel(Model):  # type: ignore[misc]
    """Posterior of `-cost / unit`, one output: mean and variance are the predictor's.

    The predictor says nothing of how the errors of two architectures go together: they count as
    independent. It gives no gradients: choose among candidates (`optimize_acqf_discrete`).
    """

    num_outputs = 1

    def __init__(
        self, objective: Objective, *, inputs: Inputs = "features", unit: float | None = None
    ) -> None:
        """X holds features, or with `inputs="choices"` rows of choices of the objective's space.

        `unit` divides the cost, so that BoTorch, whose constraints are smoothed on a scale of
        about 1e-3, sees numbers near 1; by default the objective's limit, or 1 without one. Raises
        OptionError for a quantile objective, which has no distribution: use `CostFunction`.
        """
        if objective.statistic != "mean":
            raise OptionError(
                "a quantile has no distribution of its own; use CostFunction, or statistic='mean'"
            )
        super().__init__()
        self.objective, self.inputs, self.unit = objective, inputs, _unit(objective, unit)

    @property
    def batch_shape(self) -> Any:
        """None of its own: whatever X has."""
        return torch.Size([])

    def posterior(
        self,
        X: Any,
        output_indices: list[int] | None = None,
        observation_noise: Any = False,
        posterior_transform: Any = None,
    ) -> Any:
        """The posterior at X `[b, q, d]`; the noise of one measurement is always part of it."""
        mean, std = self.objective.moments(_architectures(X, self.inputs))
        if np.isnan(std).any():
            raise OptionError(
                f"nothing is known of the deviation of these {self.objective.kind} costs, so that "
                "they make no posterior; use CostFunction"
            )
        shape = X.shape[:-1]
        centre = torch.as_tensor(-mean / self.unit, dtype=X.dtype).reshape(shape)
        variance = torch.as_tensor((std / self.unit) ** 2, dtype=X.dtype).reshape(shape)
        found = GPyTorchPosterior(MultivariateNormal(centre, DiagLinearOperator(variance)))
        return found if posterior_transform is None else posterior_transform(found)


class CostFunction(DeterministicModel):  # type: ignore[misc]
    """`-cost / unit` as a certain value, `[b, q, 1]`: of means, and of quantiles."""

    def __init__(
        self, objective: Objective, *, inputs: Inputs = "features", unit: float | None = None
    ) -> None:
        """As `CostModel`, for any objective."""
        super().__init__()
        self.objective, self.inputs, self.unit = objective, inputs, _unit(objective, unit)
        self._num_outputs = 1

    def forward(self, X: Any) -> Any:
        """The value at X `[b, q, d]`, shape `[b, q, 1]`."""
        cost = self.objective(_architectures(X, self.inputs))
        return torch.as_tensor(-cost / self.unit, dtype=X.dtype).reshape(*X.shape[:-1], 1)


class GoalFunction(DeterministicModel):  # type: ignore[misc]
    """Goals as certain values, `[b, q, m + c]`: losses negated, then violations.

    For limits of several devices and metrics at once; with relative goals the violations are near
    1, on whose scale BoTorch smooths constraints. X holds rows of choices.
    """

    def __init__(self, goals: Goals) -> None:
        super().__init__()
        self.goals = goals
        self._num_outputs = len(goals.names) + goals.constraints

    def forward(self, X: Any) -> Any:
        """The values at X `[b, q, p]`, shape `[b, q, m + c]`."""
        found = self.goals.evaluate(_architectures(X, "choices"))
        columns = np.concatenate([-found.losses, found.violations], axis=1)
        return torch.as_tensor(columns, dtype=X.dtype).reshape(*X.shape[:-1], -1)

    def constraints(self) -> list[Callable[[Any], Any]]:
        """One per limit, as acquisition functions take them: samples `[..., m + c] -> [...]`."""
        first = len(self.goals.names)
        return [_column(first + number) for number in range(self.goals.constraints)]


def _column(number: int) -> Callable[[Any], Any]:
    def violation(samples: Any) -> Any:
        return samples[..., number]

    return violation


def cost_constraint(
    model: CostModel | CostFunction,
    output: int = 0,
    limit: float | None = None,
    at_least: float | None = None,
) -> Callable[[Any], Any]:
    """What acquisition functions take as a constraint: samples `[..., m]` to numbers `[...]`, at
    most 0 where the cost, output number `output` of all models, meets the limits.

    `limit` and `at_least` are in base units, by default the objective's. Raises OptionError without
    any, and where the lower limit of an objective is held against another quantile than the model
    gives: then name `at_least` here, for a model of that quantile.
    """
    own = model.objective
    told = limit is None and at_least is None
    bounds = (own if told else own.within(limit, at_least)).bounds.need()
    if told and bounds.at_least is not None and own.statistic != "mean" and own.kind != "counted":
        raise OptionError(
            f"a lower limit is held against the quantile {1 - own.statistic:.4g}, which this model "
            "does not give; make a CostFunction of that statistic and give at_least= here"
        )
    low, high = (
        None if one is None else one / model.unit for one in (bounds.at_least, bounds.at_most)
    )

    def violation(samples: Any) -> Any:
        cost = -samples[..., output]
        if low is None:
            return cost - high
        return low - cost if high is None else torch.maximum(low - cost, cost - high)

    return violation


def _unit(objective: Objective, unit: float | None) -> float:
    found = unit if unit is not None else objective.limit or objective.at_least or 1.0
    if not found > 0:
        raise OptionError(f"unit must be positive, but is {unit}; give one in base units")
    return found


def _architectures(X: Any, inputs: Inputs) -> NDArray[Any]:
    rows: NDArray[Any] = X.detach().cpu().numpy().reshape(-1, X.shape[-1])
    return np.round(rows).astype(np.int64) if inputs == "choices" else rows.astype(np.float64)
