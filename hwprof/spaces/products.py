"""Sums of products of what was chosen: the costs of layers whose sizes multiply."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hwprof.similarity import Component, FeatureMap, RbfBasis
from hwprof.spaces.base import Position

FloatArray = NDArray[np.float64]

# Logarithm of a factor of zero: small enough not to show, large enough for its square to have an
# exponential in double precision.
_ZERO = -8.0
_CONSTANT = 1e-6


@dataclass(frozen=True, slots=True)
class Term:
    """A product of one factor per position, such as width times hidden width."""

    column: str
    """Terms of one column are summed up."""
    factors: Mapping[str, Mapping[str, float]]
    """By position and choice, none negative; 1 at positions that are not named."""
    weight: float = 1.0


@dataclass(frozen=True, slots=True, eq=False)
class Products(Component):
    """Inner product of sums of products, standardised over the pool as `Linear` is."""

    logs: FloatArray
    """Logarithm of each term's factor at each feature, shape `[q, d]`."""
    matrix: FloatArray
    """Weight of each term in each column, shape `[q, p]`."""
    positions: int

    def fit(self, features: FloatArray, cost: FloatArray, rng: np.random.Generator) -> FeatureMap:
        # On one-hot features x, |x|^2 is the number of positions, so a Gaussian around the
        # logarithms is the product of the factors times a known constant.
        basis = RbfBasis(self.logs, np.ones(self.logs.shape[1]))
        size = np.exp(0.5 * (self.positions + (self.logs**2).sum(axis=1)))
        columns = size[:, None] * self.matrix
        values = basis(features) @ columns
        deviation = values.std(axis=0)
        varying = deviation > _CONSTANT * np.abs(values).max(axis=0)
        scale = np.where(varying, deviation, np.inf) * np.sqrt(max(int(varying.sum()), 1))
        return FeatureMap(basis, columns / scale, values.mean(axis=0) / scale)


def products(positions: Sequence[Position], terms: Sequence[Term]) -> Products:
    """The component of some terms on the one-hot features of some positions."""
    features = [(p.name, choice) for p in positions for choice in p.choices]
    place = {feature: i for i, feature in enumerate(features)}
    names = sorted({term.column for term in terms})
    logs, matrix = np.zeros((len(terms), len(place))), np.zeros((len(terms), len(names)))
    for row, term in enumerate(terms):
        matrix[row, names.index(term.column)] = term.weight
        for position, factors in term.factors.items():
            for choice, factor in factors.items():
                logs[row, place[position, choice]] = np.log(factor) if factor else _ZERO
    return Products(logs, matrix, len(positions))
