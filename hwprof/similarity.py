"""How alike two architectures are: similarities as explicit feature maps, fitted on a pool.

Shapes: n architectures, d features, q basis functions, p mapped features. Every map is
`basis(X) @ matrix - offset`, so that a model which is linear in the mapped features folds into one
weight per basis function.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from itertools import product
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from hwprof.blocks import blocks, moments
from hwprof.errors import OptionError

FloatArray = NDArray[np.float64]

# Prior variances of the first transfer component and of each other one, where none are given.
_TRANSFER = ((1e-5, 0.001, 0.01, 0.1), (1e-6, 0.003, 0.03, 0.3))
# Prior variances of a constant time per call, which is none on most devices.
_OVERHEAD = (1e-6, 0.1)
# Deviations below this count as a constant feature: float32 encodings leave such dust.
_CONSTANT = 1e-6


class Basis(ABC):
    """Functions of an architecture's features."""

    switch: ClassVar[bool] = False
    """Whether they are zero but for architectures of which some devices do not run the whole."""

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
        # In place: it is the largest array of all.
        powers: FloatArray = features @ self.landmarks.T
        powers -= self.positions
        powers *= -np.log(self.rho)
        return np.exp(powers, out=powers)


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
    """Mapped features `basis(X) @ matrix - offset`; their inner product is the similarity."""

    basis: Basis
    matrix: FloatArray
    """Shape `[q, p]`."""
    offset: FloatArray
    """Shape `[p]`."""

    def __call__(self, features: FloatArray) -> FloatArray:
        mapped = np.empty((len(features), self.matrix.shape[1]))
        for rows in blocks(len(features)):
            mapped[rows] = self.basis(features[rows]) @ self.matrix - self.offset
        return mapped


class Component(ABC):
    """One way in which architectures are alike, not yet fitted to a pool."""

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
        mean, deviation, largest = moments(features, self.matrix)
        varying = deviation > _CONSTANT * np.maximum(largest, 1e-300)
        scale = np.where(varying, deviation, np.inf) * np.sqrt(max(int(varying.sum()), 1))
        return FeatureMap(Identity(), columns / scale, mean / scale)


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
        _, deviation, largest = moments(features)
        varying = deviation > _CONSTANT * np.maximum(largest, 1e-300)
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


def _smoothing_weights(parts: int) -> tuple[tuple[float, ...], ...]:
    """One candidate where there is nothing to weigh against the first component."""
    if parts == 1:
        return ((1.0,),)
    first = tuple((1.0, *(weight,) * (parts - 1)) for weight in (0.0, 0.03, 0.1, 0.3, 1.0))
    return (*first, (0.1, *(1.0,) * (parts - 1)))


@dataclass(frozen=True, slots=True, eq=False)
class Similarity:
    """What a space knows of its architectures: everything a few-shot model needs from it.

    The components say it; all numbers have defaults. Raises OptionError for numbers that do not
    go with the components.
    """

    name: str
    """The space's own; saved predictors find the space by it."""
    smoothing: tuple[Component, ...]
    """Components in which the pool's devices are smoothed, the one that explains most first."""
    transfer: tuple[Component, ...]
    """Components in which a new device may deviate from the pool's devices."""
    smoothing_weights: tuple[tuple[float, ...], ...] = ()
    """Candidate weights, one per component; the evidence chooses per device. Empty for the first
    component at 1 and the others from 0 to 1, and once the first at a tenth of the others."""
    transfer_weights: tuple[tuple[float, ...], ...] = ()
    """Candidate prior variances per transfer component, relative to the mean latency squared.
    Empty for four each; every component multiplies the grid."""
    device_weights: tuple[float, ...] = (0.1, 0.5, 1.0, 2.0)
    """Candidate prior variances of the device covariance."""
    noises: tuple[float, ...] = (1e-4, 0.003, 0.01, 0.03, 0.06, 0.1, 0.15, 0.22, 0.4, 0.8)
    """Candidate relative noise deviations."""
    analytic: Component | None = None
    """Latencies of idealised machines, as devices beside those of a pool: none negative, each
    column with a mean of 1 over the pool. None where a space knows none."""
    analytic_weight: float = 0.5
    """Prior variance of a deviation towards the idealised machines, relative to that of the
    devices."""

    def __post_init__(self) -> None:
        parts, moved = len(self.smoothing), len(self.transfer)
        if not parts:
            raise OptionError(f"the similarity {self.name!r} smooths by nothing; give a component")
        if not self.smoothing_weights:
            object.__setattr__(self, "smoothing_weights", _smoothing_weights(parts))
        if not self.transfer_weights:
            usual = (_TRANSFER[:1] + _TRANSFER[1:] * moved)[:moved]
            object.__setattr__(self, "transfer_weights", usual)
        if any(len(weights) != parts for weights in self.smoothing_weights):
            raise OptionError(
                f"smoothing_weights of the similarity {self.name!r} must have {parts} numbers "
                "each, one per component; correct them or leave them out"
            )
        if len(self.transfer_weights) != moved:
            raise OptionError(
                f"transfer_weights of the similarity {self.name!r} must be for {moved} components, "
                f"but are for {len(self.transfer_weights)}; correct them or leave them out"
            )
        groups = (*self.smoothing_weights, *self.transfer_weights, self.device_weights, self.noises,
                  (self.analytic_weight,))  # fmt: skip
        if not all(group and min(group) >= 0 and np.isfinite(group).all() for group in groups):
            raise OptionError(
                f"weights and noises of the similarity {self.name!r} must be finite, 0 or more and "
                "not missing; correct them or leave them out"
            )

    @property
    def amplitudes(self) -> FloatArray:
        """Every combination of device, overhead and transfer weights, `[a, components]`.

        The idealised machines, where there are any, come second, in proportion to the devices.
        """
        weights = (self.device_weights, _OVERHEAD, *self.transfer_weights)
        found = np.array(list(product(*weights)))
        if self.analytic is None:
            return found
        return np.insert(found, 1, self.analytic_weight * found[:, 0], axis=1)


# For a feature matrix of which nothing is known: a linear part, since costs add up, and a smooth
# one for what does not. Length 1 is the distance between two typical architectures: it bends over
# the whole pool rather than between neighbours. Sixty directions hold nearly all that is so smooth.
PLAIN = Similarity("plain", (Linear(), Rbf()), (Linear(), Rbf(rank=60)))


def check_similarity(value: object) -> Similarity:
    """The argument itself. Raises OptionError for what is no `Similarity`."""
    if isinstance(value, Similarity):
        return value
    raise OptionError(
        f"similarity must be a Similarity or None, but is {type(value).__name__}; pass "
        "hwprof.spaces.get(NAME).similarity(), or None for plain features"
    )


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
