"""Costs that are sums over positions: as a table, and as coefficients for linear programmes.

Shapes: p positions, c choices at most, v = all choices of all positions.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import overload

import numpy as np
from numpy.typing import ArrayLike

from hwprof.errors import OptionError
from hwprof.metrics import parse_limit
from hwprof.predictors.base import (
    AdaptedPredictor,
    FloatArray,
    IntArray,
    metric_told,
    of_any_metric,
)
from hwprof.predictors.fewshot.adapted import AdaptedFewShot
from hwprof.search.architectures import Architectures

# Architectures on which a sum is compared with the predictor, seeded.
_PROBES = 256
# Relative to the mean cost: the last digits of a sum in another order.
_CLOSE = 1e-6
# Architectures drawn for the closest sum, one in `_APART` of which tells its error.
_DRAWN, _APART = 6000, 4
# Least of them between two limits: some hundred choices are to be told apart.
_FEWEST = 500
_RIDGE = 1e-6


@dataclass(frozen=True, slots=True, eq=False)
class AdditiveTable:
    """`cost = constant + sum over positions of table[position, choice]`, in base units."""

    table: FloatArray
    """Shape `[p, c]`; 0 where a position has fewer choices."""
    sizes: IntArray
    """Choices of each position, `[p]`."""
    constant: float = 0.0
    error: float | None = None
    """Mean absolute relative error against the predictor that it approximates; None where it is
    not an approximation."""

    @classmethod
    def of(cls, table: ArrayLike, constant: float = 0.0) -> AdditiveTable:
        """From one row of costs per position; rows may be of different lengths.

        Raises OptionError for a table that is empty or not of finite numbers.
        """
        try:
            rows = [np.asarray(row, dtype=np.float64) for row in table]  # type: ignore[union-attr]
        except (TypeError, ValueError) as error:
            raise OptionError(
                f"table must hold one row of numbers per position ({error}); pass a matrix"
            ) from error
        if not rows or any(
            row.ndim != 1 or row.size == 0 or not np.isfinite(row).all() for row in rows
        ):
            raise OptionError(
                "table must hold one row of finite costs per position, none empty; correct it"
            )
        sizes = np.array([len(row) for row in rows], dtype=np.int64)
        padded = np.zeros((len(rows), int(sizes.max())))
        for i, row in enumerate(rows):
            padded[i, : len(row)] = row
        return cls(padded, sizes, float(constant))

    @property
    def flat(self) -> FloatArray:
        """The entries that are choices, position after position, `[v]`."""
        return self.table[np.arange(self.table.shape[1]) < self.sizes[:, None]]

    def __call__(self, rows: IntArray) -> FloatArray:
        """Cost of rows of choices `[n, p]`, shape `[n]`."""
        total: FloatArray = self.table[np.arange(len(self.sizes)), rows].sum(axis=1)
        return total + self.constant


def additive_table(
    adapted: AdaptedPredictor,
    space: object,
    *,
    approximate: bool = False,
    between: tuple[float | str, float | str] | None = None,
) -> AdditiveTable:
    """The table of a predictor whose mean is a sum over the positions of `space`.

    Exact where the few-shot model is linear in one-hot features (FBNet); predictors of another
    kind are asked for each choice, then compared with the sum. The few-shot predictor's rounding of
    regular devices and its floor are left out: a table has to be a sum. With `approximate`, the sum
    that is closest to the predictor, by least squares of relative errors on architectures drawn
    from the space; its `error` is on others. `between` draws only those that are predicted to cost
    between two limits, in base units or texts such as `15ms`: a sum is closer there. It is for
    architectures in canonical form. Raises OptionError for a predictor that is no sum, unless
    `approximate`, and for limits between which too few architectures are.
    """
    view = Architectures.of(space)
    if approximate:
        return _approximate(adapted, view, between)
    if between is not None:
        raise OptionError("between goes with approximate=True; leave it out for an exact table")
    rows = np.random.default_rng(0).integers(0, view.sizes, (_PROBES, len(view.sizes)))
    canonical = view.indices(rows)
    ends = np.cumsum(view.sizes)
    if isinstance(adapted, AdaptedFewShot) and adapted.fitted.linear:
        folded = adapted.fitted.folded(adapted.weights)
        one_hot = view.one_hot(rows)
        features = view.features(canonical)
        if features.shape != one_hot.shape or not np.array_equal(features, one_hot):
            raise _not_additive("its features are not one column per choice")
        if len(folded) != one_hot.shape[1] + 1:
            raise _not_additive(f"it was fitted on {len(folded) - 1} features")
        return AdditiveTable.of(np.split(folded[:-1], ends[:-1]), float(folded[-1]))
    base = np.zeros((int(ends[-1]) + 1, len(view.sizes)), dtype=np.int64)
    position = np.repeat(np.arange(len(view.sizes)), view.sizes)
    base[np.arange(int(ends[-1])), position] = np.concatenate([np.arange(s) for s in view.sizes])
    cost = _means(adapted, view, base)
    table = AdditiveTable.of(np.split(cost[:-1] - cost[-1], ends[:-1]), float(cost[-1]))
    truth = _means(adapted, view, rows)
    worst = float(np.abs(table(rows) - truth).max() / np.abs(truth).mean())
    if worst > _CLOSE:
        closest = _approximate(adapted, view, None)
        raise _not_additive(
            f"its choices added one by one are up to {100 * worst:.2g} % off", closest.error
        )
    return table


def _approximate(
    adapted: AdaptedPredictor, view: Architectures, between: tuple[float | str, float | str] | None
) -> AdditiveTable:
    """The closest sum, and how far it is off on architectures that it was not fitted to."""
    rng = np.random.default_rng(0)
    rows = np.unique(view.sample(_DRAWN, rng), axis=0)
    truth = _means(adapted, view, rows)
    if between is not None:
        low, high = (parse_limit(limit, metric_told(adapted)) for limit in between)
        inside = (truth >= low) & (truth <= high)
        rows, truth = rows[inside], truth[inside]
        if len(rows) < _FEWEST:
            raise OptionError(
                f"only {len(rows)} of {_DRAWN:,} architectures drawn from {view.space.name} are "
                f"predicted to cost between {between[0]} and {between[1]}; widen the limits"
            )
    order = rng.permutation(len(rows))
    apart, kept = np.split(order, [max(1, len(rows) // _APART)])
    one_hot = view.one_hot(rows)
    # Errors relative to the cost, so that costs are fitted alike whatever their size.
    weight = truth.mean() / np.maximum(truth, _CLOSE * truth.mean())
    design = one_hot[kept] * weight[kept, None]
    # One-hot columns of a position sum to one: the least ridge makes the solution unique.
    gram = design.T @ design
    ridge = _RIDGE * np.trace(gram) / len(gram) * np.eye(len(gram))
    found = np.linalg.solve(gram + ridge, design.T @ (truth[kept] * weight[kept]))
    table = AdditiveTable.of(np.split(found, np.cumsum(view.sizes)[:-1]))
    off = np.abs(table(rows[apart]) - truth[apart]) * weight[apart] / truth.mean()
    return replace(table, error=float(off.mean()))


def _means(adapted: AdaptedPredictor, view: Architectures, rows: IntArray) -> FloatArray:
    return of_any_metric(adapted.predict(view.features(view.indices(rows)))).mean


def _not_additive(why: str, error: float | None = None) -> OptionError:
    closest = ""
    if error is not None:
        closest = f"approximate=True gives the closest sum, {100 * error:.2g} % off on average, "
    return OptionError(
        f"this predictor is no sum over positions ({why}); {closest}'hwprof lut additive' makes a "
        "sum of measured kernels and states its error, and PredictedCost takes gradients of any "
        "predictor"
    )


@dataclass(frozen=True, slots=True, eq=False)
class LinearCost:
    """`cost = c @ x + constant` of choice probabilities `x [v]`, position after position.

    `A_eq @ x == b_eq` and `0 <= x <= 1` say that each position's probabilities sum to one; with
    integers, that one choice is taken. `scipy.optimize.linprog` and `milp` take them as they are.
    """

    c: FloatArray
    """Shape `[v]`."""
    constant: float
    A_eq: FloatArray
    """Shape `[p, v]`."""
    b_eq: FloatArray
    """Ones, shape `[p]`."""
    sizes: IntArray

    def bound(self, limit: float) -> tuple[FloatArray, FloatArray]:
        """`A_ub [1, v]` and `b_ub [1]` of `cost <= limit`."""
        return self.c[None], np.array([limit - self.constant])

    def rows(self, x: ArrayLike) -> IntArray:
        """The likeliest choice of each position for solutions `[v]` or `[n, v]`, `[n, p]`."""
        parts = np.split(np.atleast_2d(np.asarray(x)), np.cumsum(self.sizes)[:-1], axis=1)
        return np.stack([part.argmax(axis=1) for part in parts], axis=1).astype(np.int64)


@dataclass(frozen=True, slots=True, eq=False)
class BilinearCost:
    """`cost = x @ A @ depths + constant` of choice probabilities `x [v]` and depth probabilities.

    HardCoRe-NAS (Nayman et al., ICML 2021), equation 4: a layer is paid for by the depths that
    reach it. With either side held fixed it is linear, which block-coordinate methods use.
    """

    A: FloatArray
    """Shape `[v, w]`, w = sum over stages of the depths allowed."""
    constant: float
    choices: LinearCost
    """Of the choices with every layer present; `A_eq` and `b_eq` bound `x`."""
    depth_eq: FloatArray
    """`depth_eq @ depths == 1` per stage, shape `[stages, w]`."""
    depths: tuple[tuple[int, ...], ...]
    """How many layers each entry of `depths` keeps, by stage."""

    def __call__(self, x: FloatArray, depths: FloatArray) -> float:
        """The expected cost."""
        return float(x @ self.A @ depths) + self.constant

    def given_depths(self, depths: FloatArray) -> FloatArray:
        """Coefficients of `x`, `[v]`."""
        return self.A @ depths

    def given_choices(self, x: FloatArray) -> FloatArray:
        """Coefficients of the depths, `[w]`."""
        return x @ self.A


def linear_cost(table: AdditiveTable) -> LinearCost:
    """The table as a linear expression."""
    owner = np.repeat(np.arange(len(table.sizes)), table.sizes)
    equal = (owner == np.arange(len(table.sizes))[:, None]).astype(np.float64)
    return LinearCost(table.flat, table.constant, equal, np.ones(len(equal)), table.sizes)


@overload
def hard_constrained(table: AdditiveTable | ArrayLike, stages: None = None) -> LinearCost: ...


@overload
def hard_constrained(
    table: AdditiveTable | ArrayLike, stages: Sequence[int], least: int | Sequence[int] = 1
) -> BilinearCost: ...


def hard_constrained(
    table: AdditiveTable | ArrayLike,
    stages: Sequence[int] | None = None,
    least: int | Sequence[int] = 1,
) -> LinearCost | BilinearCost:
    """Expected cost as exact coefficients: a `LinearCost`, or with `stages` a `BilinearCost`.

    `stages` are the numbers of layers of the stages, which together are the positions; a stage
    keeps its first layers, `least` of them or more. Raises OptionError for stages that do not fit.
    """
    if not isinstance(table, AdditiveTable):
        table = AdditiveTable.of(table)
    linear = linear_cost(table)
    if stages is None:
        return linear
    lengths = [int(length) for length in stages]
    lows = [int(low) for low in (least if isinstance(least, Sequence) else [least] * len(lengths))]
    if sum(lengths) != len(table.sizes) or min(lengths, default=0) < 1:
        raise OptionError(
            f"stages must be positive and sum to the {len(table.sizes)} positions, but are "
            f"{lengths}; give the number of layers of each stage"
        )
    if len(lows) != len(lengths) or not all(
        0 <= low <= length for low, length in zip(lows, lengths, strict=True)
    ):
        raise OptionError(f"least must lie between 0 and the layers of each stage, but is {lows}")
    depths = tuple(tuple(range(lo, n + 1)) for lo, n in zip(lows, lengths, strict=True))
    stage = np.repeat(np.arange(len(lengths)), lengths)
    within = np.concatenate([np.arange(length) for length in lengths])
    keeps = np.concatenate([np.array(options) for options in depths])
    of = np.repeat(np.arange(len(lengths)), [len(options) for options in depths])
    present = (stage[:, None] == of) & (within[:, None] < keeps)
    owner = np.repeat(np.arange(len(table.sizes)), table.sizes)
    equal = (of == np.arange(len(lengths))[:, None]).astype(np.float64)
    return BilinearCost(linear.c[:, None] * present[owner], table.constant, linear, equal, depths)
