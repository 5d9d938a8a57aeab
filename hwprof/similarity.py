"""How alike two architectures are: kernels as explicit feature maps, fitted on a pool.

Shapes: n architectures, d features, q basis functions, p mapped features. Every map is
`basis(X) @ matrix - offset`, so that a model which is linear in the mapped features folds into one
weight per basis function.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]

# Deviations below this count as a constant feature: float32 encodings leave such dust.
_CONSTANT = 1e-6


class Basis(ABC):
    """Functions of an architecture's features."""

    @abstractmethod
    def __call__(self, features: FloatArray) -> FloatArray:
        """Values, `[n, d] -> [n, q]`."""


@dataclass(frozen=True, slots=True, eq=False)
class Identity(Basis):
    """The features themselves."""

    def __call__(self, features: FloatArray) -> FloatArray:
        return features


@dataclass(frozen=True, slots=True, eq=False)
class HammingBasis(Basis):
    """`rho ** (positions that differ)` from each landmark; features are one-hot by position."""

    landmarks: FloatArray
    """One-hot rows, shape `[q, d]`."""
    rho: float
    positions: int

    def __call__(self, features: FloatArray) -> FloatArray:
        equal = features @ self.landmarks.T
        powers: FloatArray = np.exp((self.positions - equal) * np.log(self.rho))
        return powers


@dataclass(frozen=True, slots=True, eq=False)
class RbfBasis(Basis):
    """Gaussian of the distance from each landmark, features divided by `scale` first."""

    landmarks: FloatArray
    """Scaled rows, shape `[q, d]`."""
    scale: FloatArray
    """Shape `[d]`; carries the length."""

    def __call__(self, features: FloatArray) -> FloatArray:
        x = features / self.scale
        squared = (x**2).sum(1)[:, None] + (self.landmarks**2).sum(1) - 2 * x @ self.landmarks.T
        values: FloatArray = np.exp(-0.5 * np.maximum(squared, 0))
        return values


@dataclass(frozen=True, slots=True, eq=False)
class FeatureMap:
    """Mapped features `basis(X) @ matrix - offset`; their inner product is the kernel."""

    basis: Basis
    matrix: FloatArray
    """Shape `[q, p]`."""
    offset: FloatArray
    """Shape `[p]`."""

    def __call__(self, features: FloatArray) -> FloatArray:
        mapped: FloatArray = self.basis(features) @ self.matrix - self.offset
        return mapped


class Component(ABC):
    """One kernel, not yet fitted."""

    @abstractmethod
    def fit(self, features: FloatArray, cost: FloatArray, rng: np.random.Generator) -> FeatureMap:
        """The map for a pool.

        `features` is `[n, d]`, `cost` the mean latency over the pool's devices relative to its
        own mean, `[n]` (ones before that is known). Deterministic in `rng`.
        """


@dataclass(frozen=True, slots=True, eq=False)
class Linear(Component):
    """Inner product of `features @ matrix`, standardised over the pool, per dimension."""

    matrix: FloatArray | None = None
    """Shape `[d, p]`; None for the features themselves."""

    def fit(self, features: FloatArray, cost: FloatArray, rng: np.random.Generator) -> FeatureMap:
        columns = np.eye(features.shape[1]) if self.matrix is None else self.matrix
        values = features @ columns
        deviation = values.std(axis=0)
        varying = deviation > _CONSTANT * np.maximum(np.abs(values).max(axis=0), 1e-300)
        scale = np.where(varying, deviation, np.inf) * np.sqrt(max(int(varying.sum()), 1))
        return FeatureMap(Identity(), columns / scale, values.mean(axis=0) / scale)


@dataclass(frozen=True, slots=True)
class Hamming(Component):
    """`rho ** (positions that differ)` on one-hot features, by landmarks."""

    positions: int
    rho: float = 0.7
    landmarks: int = 900

    def fit(self, features: FloatArray, cost: FloatArray, rng: np.random.Generator) -> FeatureMap:
        rows = _spread(features, self.landmarks, rng)
        return _landmark_map(HammingBasis(rows, self.rho, self.positions), rows, None)


@dataclass(frozen=True, slots=True)
class Rbf(Component):
    """Gaussian of the distance between standardised features, by landmarks (Williams & Seeger,
    Using the Nystroem method to speed up kernel machines, 2000)."""

    length: float = 1.0
    landmarks: int = 300
    rank: int | None = None
    """Leading directions kept; None keeps all that are not numerically zero."""

    def fit(self, features: FloatArray, cost: FloatArray, rng: np.random.Generator) -> FeatureMap:
        deviation = features.std(axis=0)
        varying = deviation > _CONSTANT * np.maximum(np.abs(features).max(axis=0), 1e-300)
        dimensions = max(int(varying.sum()), 1)
        scale = np.where(varying, deviation, np.inf) * self.length * np.sqrt(2 * dimensions)
        rows = _spread(features, self.landmarks, rng)
        return _landmark_map(RbfBasis(rows / scale, scale), rows, self.rank)


@dataclass(frozen=True, slots=True, eq=False)
class Blocks(Component):
    """A sum over positions of a Gaussian process on block descriptors, scaled by block cost.

    `k(a, b) = sum_ij c_i c_j exp(-|D_i - D_j|^2 / 2 length^2)` over the blocks i of a and j of b:
    blocks that are alike deviate alike, and in proportion to what they cost. Features are one-hot
    by position, `positions * choices` wide.
    """

    descriptors: FloatArray
    """Shape `[positions * choices, r]`, scaled so that 1 is a big difference."""
    free: int
    """The choice that costs nothing (a skip), as an index into the choices."""
    choices: int
    length: float = 1.0
    rank: int = 60

    def fit(self, features: FloatArray, cost: FloatArray, rng: np.random.Generator) -> FeatureMap:
        c = self.block_cost(features, cost)
        difference = self.descriptors[:, None] - self.descriptors[None]
        kernel = np.exp(-(difference**2).sum(axis=2) / (2 * self.length**2))
        values, vectors = np.linalg.eigh(c[:, None] * kernel * c)
        matrix = (vectors * np.sqrt(np.maximum(values, 0)))[:, ::-1][:, : self.rank]
        return FeatureMap(Identity(), matrix, features.mean(axis=0) @ matrix)

    def block_cost(self, features: FloatArray, cost: FloatArray) -> FloatArray:
        """Mean cost of a block relative to the free choice, shape `[positions * choices]`."""
        centred = features - features.mean(axis=0)
        gram = centred.T @ centred
        # One-hot columns of a position sum to one: the least ridge makes the solution unique.
        ridge = 1e-6 * np.trace(gram) / len(gram) * np.eye(len(gram))
        weights = np.linalg.solve(gram + ridge, centred.T @ (cost - cost.mean()))
        relative = weights.reshape(-1, self.choices)
        relative = relative - relative[:, [self.free]]
        paid = np.delete(relative, self.free, axis=1)
        # A block never costs nothing: a tenth of the typical cost keeps every block free to move.
        c = np.maximum(relative, 0.1 * np.abs(paid).mean())
        c[:, self.free] = 0
        flat: FloatArray = c.reshape(-1)
        return flat


@dataclass(frozen=True, slots=True, eq=False)
class Kernels:
    """What a space knows of its architectures: everything a few-shot model needs from it."""

    name: str
    smoothing: tuple[Component, ...]
    """Components in which the pool's devices are smoothed."""
    smoothing_weights: tuple[tuple[float, ...], ...]
    """Candidate weights, one per component; the evidence chooses per device."""
    transfer: tuple[Component, ...]
    """Components in which a new device may deviate from the pool's devices."""
    transfer_weights: tuple[tuple[float, ...], ...]
    """Candidate prior variances per transfer component, relative to the mean latency squared."""
    device_weights: tuple[float, ...]
    """Candidate prior variances of the device covariance."""
    noises: tuple[float, ...]
    """Candidate relative noise deviations."""

    @property
    def amplitudes(self) -> FloatArray:
        """Every combination of device and transfer weights, shape `[a, 1 + components]`."""
        return np.array(list(product(self.device_weights, *self.transfer_weights)))


def _spread(features: FloatArray, count: int, rng: np.random.Generator) -> FloatArray:
    """At most `count` distinct rows, shape `[q, d]`."""
    if len(features) > count:
        features = features[np.sort(rng.choice(len(features), count, replace=False))]
    rows: FloatArray = np.unique(features, axis=0)
    return rows


def _landmark_map(basis: Basis, rows: FloatArray, rank: int | None) -> FeatureMap:
    values, vectors = np.linalg.eigh(basis(rows))
    kept = values > 1e-9 * values[-1]
    values, vectors = values[kept][::-1][:rank], vectors[:, kept][:, ::-1][:, :rank]
    matrix = vectors / np.sqrt(values)
    return FeatureMap(basis, matrix, np.zeros(matrix.shape[1]))
