"""Which architectures are not beaten in everything by another one."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from hwprof.errors import OptionError
from hwprof.predictors.base import IntArray


def pareto_front(values: ArrayLike) -> IntArray:
    """Rows of `[n, m]`, all minimised, that no other row dominates, in rising order.

    A row dominates another one when it is nowhere greater and somewhere less; equal rows all stay.
    Raises OptionError for values that are not numbers `[n, m]`.
    """
    costs = np.asarray(values, dtype=np.float64)
    if costs.ndim != 2 or np.isnan(costs).any():
        raise OptionError(
            f"values must be numbers [n, m], but have shape {costs.shape} or hold NaN; pass one "
            "column per objective"
        )
    # By rising sum a row can only be dominated by those before it, so that what is left is final;
    # equal sums that differ in the last digit are settled by comparing both ways.
    order = np.argsort(costs.sum(axis=1), kind="stable")
    front: list[int] = []
    while len(order):
        first = costs[order[0]]
        rest = costs[order]
        beaten = (rest >= first).all(axis=1) & (rest > first).any(axis=1)
        if not ((rest <= first).all(axis=1) & (rest < first).any(axis=1)).any():
            front.append(int(order[0]))
        beaten[0] = True
        order = order[~beaten]
    return np.array(sorted(front), dtype=np.int64)
