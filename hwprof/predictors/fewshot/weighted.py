"""Weighted sums of basis functions over many feature rows, fast.

A Gaussian of the distance from each landmark is one matrix product and one exponential per
landmark: in single precision, a few thousand rows at a time, both stay in the processor's cache.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from hwprof.blocks import blocks
from hwprof.similarity import Basis, Identity, RbfBasis

FloatArray = NDArray[np.float64]

# Rows whose distances from 300 landmarks stay in the cache of a core.
CACHED = 2048
# Error of one Gaussian in single precision, and what their weighted sum may be wrong by, relative
# to what it is added to: a thousandth of the step to which equal latencies are rounded.
_SINGLE, _NEGLIGIBLE = 1e-7, 1e-6


def weighted(basis: Basis, features: FloatArray, weights: FloatArray, scale: float) -> FloatArray:
    """`basis(features) @ weights`, `[n, d] -> [n]`.

    In single precision where that changes no more than a millionth of `scale`.
    """
    if isinstance(basis, Identity):
        product: FloatArray = features @ weights
        return product
    total = np.empty(len(features))
    if isinstance(basis, RbfBasis) and in_single(weights, scale):
        _gaussians(basis, features, weights, total)
        return total
    for rows in blocks(len(features)):
        total[rows] = basis(features[rows]) @ weights
    return total


def in_single(weights: FloatArray, scale: float) -> bool:
    """Whether Gaussians in single precision change their weighted sum by no more than that."""
    return _SINGLE * float(np.sqrt((weights**2).sum())) < _NEGLIGIBLE * scale


def _gaussians(
    basis: RbfBasis, features: FloatArray, weights: FloatArray, total: FloatArray
) -> None:
    count, width = basis.landmarks.shape
    # Distances do not depend on the origin, and single precision likes small numbers.
    centre = basis.landmarks.mean(axis=0)
    landmarks = basis.landmarks - centre
    # Minus half the squared distance as one product: of (x, -|x|^2 / 2, 1), (l, 1, -|l|^2 / 2).
    right = np.ones((width + 2, count), dtype=np.float32)
    right[:width] = landmarks.T
    right[width + 1] = -0.5 * (landmarks**2).sum(axis=1)
    single = weights.astype(np.float32)
    left = np.ones((min(CACHED, len(features)), width + 2), dtype=np.float32)
    values = np.empty((len(left), count), dtype=np.float32)
    for start in range(0, len(features), CACHED):
        part = features[start : start + CACHED] / basis.scale - centre
        x, value = left[: len(part)], values[: len(part)]
        x[:, :width] = part
        x[:, width] = -0.5 * np.einsum("ij,ij->i", part, part)
        np.dot(x, right, out=value)
        np.exp(value, out=value)
        total[start : start + len(part)] = value @ single
