"""The prior of a new device as explicit features of an architecture.

A new device is `speed * (m0 + sum over devices d of z_d C_d + deviations)`: `m0` is the mean of the
pool's devices, `C_d` how device d differs from it. With z ~ N(0, c I) the device part has the
pool's own covariance. The mean counts siblings less: three batch sizes of one GPU are not three
opinions. Idealised machines are no opinions at all: what a device may have more of than the mean.
Shapes: n architectures, m devices, c machines, P = 1 + m + c + mapped features.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hwprof.blocks import blocks, moments
from hwprof.predictors.fewshot.smoothing import Smoothed
from hwprof.similarity import Basis, FeatureMap, Identity

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

_CONSTANT = 1e-6
# Distance at which devices hardly count as alike, over the median distance in the pool.
_ALIKE = 0.3


@dataclass(frozen=True, slots=True, eq=False)
class PriorFeatures:
    """`sum over bases of basis(X) @ matrix + constant`: mean, devices, then the components."""

    bases: tuple[Basis, ...]
    matrices: tuple[FloatArray, ...]
    """Per basis, shape `[q, P]`."""
    constant: FloatArray
    """Shape `[P]`."""
    slices: tuple[slice, ...]
    """Columns of the device covariance, then of each component."""
    shares: FloatArray
    """Weight of each pool device in the mean, shape `[m]`, sums to one."""

    @property
    def reach(self) -> FloatArray:
        """Coordinate of each pool device on its own axis, where it lies exactly, shape `[m]`."""
        return _reach(self.shares)

    @property
    def switches(self) -> IntArray:
        """Columns that are zero but for architectures of which some devices do not run all."""
        pairs = zip(self.bases, self.matrices, strict=True)
        found = [np.flatnonzero(matrix.any(axis=0)) for basis, matrix in pairs if basis.switch]
        return np.concatenate([np.zeros(0, dtype=np.int64), *found])

    def __call__(self, features: FloatArray) -> FloatArray:
        """Prior features, `[n, d] -> [n, P]`."""
        total = np.empty((len(features), len(self.constant)))
        self._fill(total, features)
        return total

    def table(self, features: FloatArray) -> NDArray[np.float32]:
        """Prior features in single precision, `[n, d] -> [n, P]`."""
        table = np.empty((len(features), len(self.constant)), dtype=np.float32)
        self._fill(table, features)
        return table

    def _fill(self, target: NDArray[np.floating[Any]], features: FloatArray) -> None:
        for rows in blocks(len(features)):
            total = np.tile(self.constant, (rows.stop - rows.start, 1))
            for basis, matrix in zip(self.bases, self.matrices, strict=True):
                total += basis(features[rows]) @ matrix
            target[rows] = total

    def fold(self, weights: FloatArray) -> tuple[tuple[FloatArray, ...], float]:
        """Weights on the prior features `[P]` as weights per basis function, and a constant."""
        folded = tuple(matrix @ weights for matrix in self.matrices)
        return folded, float(self.constant @ weights)


@dataclass(frozen=True, slots=True, eq=False)
class PriorRows:
    """Prior features of the rows of a pool `[n, P]`, worked out for the rows that are asked for."""

    prior: PriorFeatures
    features: FloatArray

    def __len__(self) -> int:
        return len(self.features)

    @property
    def shape(self) -> tuple[int, int]:
        """`(n, P)`."""
        return len(self.features), len(self.prior.constant)

    def __getitem__(self, key: IntArray | slice | tuple[IntArray | slice, int]) -> FloatArray:
        """Of some rows `[r, P]`, or one column of them `[r]`; exact."""
        if isinstance(key, tuple):
            rows, column = key
            return self.prior(self.features[rows])[:, column]
        return self.prior(self.features[key])


def device_columns(relative: FloatArray) -> FloatArray:
    """Mean and deviations of relative latencies, `[n, m] -> [n, 1 + m]`."""
    return relative @ _devices_matrix(device_shares(relative))


def device_shares(relative: FloatArray) -> FloatArray:
    """Weight of each device in the mean of a pool `[n, m]`, shape `[m]`, sums to one.

    One over how many devices it counts as. Two devices count as one where their relative latencies
    are the same, and as two where they differ as much as those of the pool do.
    """
    product = relative.T @ relative
    square = np.diag(product)
    distance = square[:, None] + square - 2 * product
    apart = max(float(np.median(distance[~np.eye(len(distance), dtype=bool)])), 1e-300)
    likeness = np.exp(-np.maximum(distance, 0) / (_ALIKE**2 * apart))
    np.fill_diagonal(likeness, 1)
    weight = 1 / likeness.sum(axis=1)
    shares: FloatArray = weight / weight.sum()
    return shares


def _reach(shares: FloatArray) -> FloatArray:
    devices = len(shares)
    reach: FloatArray = 1 / np.sqrt(shares * devices / (devices - 1))
    return reach


def _devices_matrix(shares: FloatArray) -> FloatArray:
    """From devices to mean and deviations, shape `[m, 1 + m]`."""
    deviation = (np.eye(len(shares)) - shares[:, None]) / _reach(shares)
    return np.concatenate([shares[:, None], deviation], axis=1)


def slices_of(devices: int, widths: list[int]) -> tuple[slice, ...]:
    """Columns of the device covariance and of each component."""
    ends = np.cumsum([1, devices, *widths])
    return tuple(slice(int(a), int(b)) for a, b in pairwise(ends))


def machine_columns(relative: FloatArray, machines: FloatArray) -> FloatArray:
    """How idealised machines `[n, c]` differ from the mean of relative latencies `[n, m]`."""
    mean = relative @ device_shares(relative)
    columns: FloatArray = (machines - mean[:, None]) / np.sqrt(machines.shape[1])
    return columns


def idealised(analytic: FeatureMap | None, features: FloatArray) -> tuple[FeatureMap, ...]:
    """Machines on which the rows of a pool `[n, d]` take different times, if there are any, and one
    on which all take the same: a device may need its time to be called at all.
    """
    overhead = FeatureMap(Identity(), np.zeros((features.shape[1], 1)), -np.ones(1))
    if analytic is None:
        return (overhead,)
    mean, deviation, _ = moments(analytic(features))
    keep = deviation > _CONSTANT * mean
    if not keep.any():
        keep[0] = True
    return FeatureMap(analytic.basis, analytic.matrix[:, keep], analytic.offset[keep]), overhead


def build(
    smoothed: Smoothed, machines: tuple[FeatureMap, ...], transfer: tuple[FeatureMap, ...]
) -> PriorFeatures:
    """Prior features from the smoothed devices and the maps in which a new one may deviate.

    `machines` are latencies of idealised machines, in groups, each with a mean of 1.
    """
    shares = device_shares(smoothed.rows)
    to_columns = _devices_matrix(shares)
    widths = [feature_map.matrix.shape[1] for feature_map in (*machines, *transfer)]
    slices = slices_of(len(smoothed.constant), widths)
    width = slices[-1].stop
    constant = np.zeros(width)
    head = slice(0, slices[0].stop)
    constant[head] = smoothed.constant @ to_columns
    found: list[tuple[Basis, FloatArray]] = []

    def add(feature_map: FeatureMap, columns: slice, last: FloatArray | None) -> None:
        part = feature_map.matrix if last is None else feature_map.matrix @ last
        offset = feature_map.offset if last is None else feature_map.offset @ last
        constant[columns] -= offset
        for basis, matrix in found:
            shared = isinstance(basis, Identity) and isinstance(feature_map.basis, Identity)
            if shared or basis is feature_map.basis:
                matrix[:, columns] += part
                return
        matrix = np.zeros((len(part), width))
        matrix[:, columns] = part
        found.append((feature_map.basis, matrix))

    for feature_map, weight in zip(smoothed.maps, smoothed.weights, strict=True):
        add(feature_map, head, weight @ to_columns)
    # Machines less the mean, of which the head's first column is made.
    for machine, columns in zip(machines, slices[1:], strict=False):
        count = machine.matrix.shape[1]
        each = 1 / np.sqrt(count)
        add(machine, columns, each * np.eye(count))
        constant[columns] -= each * (smoothed.constant @ shares)
        for feature_map, weight in zip(smoothed.maps, smoothed.weights, strict=True):
            add(feature_map, columns, np.outer(weight @ shares, np.full(count, -each)))
    for feature_map, columns in zip(transfer, slices[1 + len(machines) :], strict=True):
        add(feature_map, columns, None)
    bases, matrices = zip(*found, strict=True)
    return PriorFeatures(bases, matrices, constant, slices, shares)
