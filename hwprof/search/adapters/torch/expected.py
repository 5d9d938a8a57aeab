"""The expected cost of a table under a distribution, to be trained through.

ProxylessNAS (Cai et al., ICLR 2019) and FBNet (Wu et al., CVPR 2019) add the expected latency,
`sum softmax(alpha / tau) * table`, to the loss. Shapes: p positions, c choices at most.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor, nn

from hwprof.errors import OptionError
from hwprof.predictors.base import AdaptedPredictor
from hwprof.search.additive import AdditiveTable, additive_table


class ExpectedCost(nn.Module):
    """`alpha [..., p, c] -> [...]`, base units; the table is not trained.

    Positions with fewer choices than c ignore the entries of alpha that are too many.
    """

    table: Tensor
    padding: Tensor

    def __init__(
        self,
        table: AdditiveTable | ArrayLike,
        constant: float = 0.0,
        *,
        unit: float = 1.0,
        dtype: Any = None,
    ) -> None:
        """Costs by position and choice, rows of different lengths allowed.

        `unit` divides the result, such as 1e-3 for milliseconds. `dtype` is PyTorch's default.
        Raises OptionError for a table that is not one.
        """
        super().__init__()
        if not isinstance(table, AdditiveTable):
            table = AdditiveTable.of(table, constant)
        if not unit > 0:
            raise OptionError(f"unit must be positive, but is {unit}; 1e-3 gives milliseconds")
        dtype = torch.get_default_dtype() if dtype is None else dtype
        width = table.table.shape[1]
        padded = np.where(np.arange(width) < table.sizes[:, None], 0.0, -np.inf)
        self.constant = table.constant / unit
        self.ragged = bool((table.sizes < width).any())
        self.register_buffer("table", torch.as_tensor(table.table / unit, dtype=dtype))
        self.register_buffer("padding", torch.as_tensor(padded, dtype=dtype))

    @classmethod
    def of(cls, adapted: AdaptedPredictor, space: object, **options: Any) -> ExpectedCost:
        """From a predictor that is a sum over positions. Raises OptionError for others."""
        return cls(additive_table(adapted, space), **options)

    def forward(self, alpha: Tensor, tau: float = 1.0) -> Tensor:
        """Expected cost under `softmax(alpha / tau)`, `[..., p, c] -> [...]`."""
        scaled = alpha if tau == 1.0 else alpha / tau
        if self.ragged:
            scaled = scaled + self.padding
        return self.of_weights(torch.softmax(scaled, -1))

    def of_weights(self, weights: Tensor) -> Tensor:
        """Cost of given weights, such as Gumbel-softmax samples, `[..., p, c] -> [...]`."""
        if weights.dim() == 2:
            # One product over all positions: half the kernels of a sum over two axes.
            return torch.dot(weights.reshape(-1), self.table.reshape(-1)) + self.constant
        return (weights * self.table).sum(dim=(-2, -1)) + self.constant
