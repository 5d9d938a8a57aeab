"""The predicted cost of a distribution over architectures, whatever the predictor.

Shapes: p positions, c choices at most, m devices, n distributions, q products, g tables.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor, nn

from hwprof.errors import OptionError
from hwprof.metrics import parse_limit
from hwprof.predictors.base import AdaptedPredictor, metric_told, of_any_metric
from hwprof.search.adapters.torch.expectation import Expectation
from hwprof.search.architectures import Architectures
from hwprof.search.relaxed import relax

Limit = float | str


class PredictedCost(nn.Module):
    """`alpha [..., p, c] -> [...]`, or `[m, ...]` for several predictors; nothing here is trained.

    The mean that the predictor has for an architecture whose positions are drawn independently,
    exactly: neither samples nor what a predictor says of features that are no architecture's. On
    one-hot weights it is the prediction. Layers past a depth cost nothing, to the extent that the
    depth is likely. Gradients are exact; all is worked out in double precision and given back in
    that of the input. Positions with fewer choices than c ignore the entries that are too many.
    """

    units: Tensor

    def __init__(
        self,
        adapted: AdaptedPredictor | Sequence[AdaptedPredictor] | Mapping[str, AdaptedPredictor],
        space: object,
        *,
        unit: float | Sequence[float] = 1.0,
    ) -> None:
        """One predictor, or several, maybe by the name of their device.

        `unit` divides the result, such as 1e-3 for milliseconds; one for all or one each. Raises
        OptionError for predictors that have no gradients (`hwprof.search.relaxed.relax`).
        """
        super().__init__()
        self.single = isinstance(adapted, AdaptedPredictor)
        self.names: tuple[str, ...] = tuple(adapted) if isinstance(adapted, Mapping) else ()
        self.predictors = _listed(adapted)
        self.view = Architectures.of(space)
        self.expectation = Expectation(relax(self.predictors, self.view))
        units = np.broadcast_to(np.asarray(unit, dtype=np.float64), (len(self.predictors),))
        if not (units > 0).all():
            raise OptionError(f"unit must be positive, but is {unit}; 1e-3 gives milliseconds")
        self.register_buffer("units", torch.tensor(units.copy()))

    def forward(self, alpha: Tensor, tau: float = 1.0, *, hard: bool = False) -> Tensor:
        """Cost under `softmax(alpha / tau)`, `[..., p, c] -> [...]` or `[m, ...]`.

        `hard` is as in `of_weights`. Raises OptionError for another shape.
        """
        scaled = self._checked(alpha) / tau + self.expectation.padding
        return self._answer(torch.softmax(scaled, -1), alpha, hard)

    def of_weights(self, weights: Tensor, *, hard: bool = False) -> Tensor:
        """Cost of given probabilities, such as Gumbel-softmax samples, shapes as in `forward`.

        `hard` gives the cost of the likeliest architecture with the gradient of the expected one
        (straight-through; Bengio et al., 2013). Raises OptionError for another shape.
        """
        return self._answer(self._checked(weights), weights, hard)

    def log_probability(self, weights: Tensor, limit: Limit | Sequence[Limit]) -> Tensor:
        """Log of the probability that the cost is at most `limit`, shapes as in `forward`.

        Normal around the expected cost, with the deviation that the predictor states for the
        likeliest architecture, which counts as constant: no gradient goes through it. `limit` is
        in base units or a text such as `15ms`, one for all or one per device.
        """
        found = self._log_probability(self._checked(weights), limit)
        return self._shaped(found, weights)

    def guidance(self, weights: Tensor, limit: Limit | Sequence[Limit]) -> Tensor:
        """Gradient of `log_probability` by the weights, summed over devices, `[..., p, c]`.

        What DiffusionNAG (An et al., ICLR 2024) adds to the score of a diffusion model, so that
        what it generates meets the limit, on all devices at once.
        """
        with torch.enable_grad():
            given = weights.detach().requires_grad_()
            total = self.log_probability(given, limit).sum()
            (found,) = torch.autograd.grad(total, given)
        return found

    def likeliest(self, weights: Tensor) -> ArrayLike:
        """The likeliest choice of each position in canonical form, `[..., p, c] -> [n, p]`."""
        flat = self._checked(weights).detach() + self.expectation.padding
        return self.view.indices(flat.argmax(-1).reshape(-1, flat.shape[-2]).cpu().numpy())

    def _checked(self, given: Tensor) -> Tensor:
        """In the precision of the terms. Raises OptionError for another shape."""
        shape = tuple(self.expectation.padding.shape)
        if tuple(given.shape[-2:]) != shape:
            raise OptionError(
                f"alpha must end in {list(shape)}, a row of choices per position of "
                f"{self.view.space.name}, but is {list(given.shape)}; pad rows that are shorter"
            )
        return given.to(self.expectation.padding.dtype)

    def _answer(self, weights: Tensor, given: Tensor, hard: bool) -> Tensor:
        flat = weights.reshape(-1, *weights.shape[-2:])
        mean = self.expectation(flat)
        if hard:
            with torch.no_grad():
                taken = (flat + self.expectation.padding).argmax(-1)
                one_hot = nn.functional.one_hot(taken, flat.shape[-1]).to(flat.dtype)
                rest = self.expectation(one_hot) - mean
            mean = mean + rest
        return self._shaped(mean / self.units, given)

    def _shaped(self, found: Tensor, given: Tensor) -> Tensor:
        """`[n, m]` in the shape and precision that go with what was given."""
        shaped = found.T.reshape(-1, *given.shape[:-2]).to(given.dtype)
        return shaped[0] if self.single else shaped

    def _log_probability(self, weights: Tensor, limit: Limit | Sequence[Limit]) -> Tensor:
        each = [limit] * len(self.predictors) if isinstance(limit, float | int | str) else [*limit]
        if len(each) != len(self.predictors):
            raise OptionError(
                f"there are {len(each)} limits for {len(self.predictors)} predictors; give one for "
                "all or one each"
            )
        features = self.view.features(np.asarray(self.likeliest(weights)))
        bounds, deviations = [], []
        for one, bound in zip(self.predictors, each, strict=True):
            bounds.append(parse_limit(bound, metric_told(one)))
            deviations.append(of_any_metric(one.predict(features)).std)
        kind: dict[str, Any] = {"dtype": weights.dtype, "device": weights.device}
        mean = self.expectation(weights.reshape(-1, *weights.shape[-2:]))
        std = torch.as_tensor(np.stack(deviations, axis=1), **kind).clamp_min(1e-300)
        log: Tensor = torch.special.log_ndtr((torch.as_tensor(bounds, **kind) - mean) / std)
        return log


def _listed(adapted: Any) -> tuple[AdaptedPredictor, ...]:
    """The predictors in order. Raises OptionError for what are none."""
    if isinstance(adapted, AdaptedPredictor):
        return (adapted,)
    found = tuple(adapted.values() if isinstance(adapted, Mapping) else adapted)
    for one in found:
        if not isinstance(one, AdaptedPredictor):
            raise OptionError(
                f"adapted must be predictors of devices, but has a {type(one).__name__}; adapt one "
                "with FewShotPredictor.adapt"
            )
    if not found:
        raise OptionError("adapted is empty; give at least one predictor")
    return found
