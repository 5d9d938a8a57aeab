"""Exact Gaussian process inference on k measurements, over a grid of hyper-parameters.

Shapes: k measurements, c components of the covariance (that of devices first), g grid points, which
are all pairs of a amplitude combinations and s noise levels; P prior features. Latencies are
relative.
The grid is the last axis of every stack, so that a step of an elimination is one vector operation.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

# Prior variance of the speed of a device relative to the first guess of it: uninformative.
SPEED_VARIANCE = 100.0
# Least mean latency that noise is taken relative to: below it, noise is not multiplicative.
MEAN_FLOOR = 0.02
# An outlier has this many times the noise: a factor at which it no longer pulls on the fit. The log
# odds of a measurement being one were chosen on validation devices (-4 and -6 are alike on FBNet,
# -6 is better on NAS-Bench-201).
OUTLIER_NOISE = 8.0
OUTLIER_LOG_ODDS = -6.0
# At most one measurement in so many is an outlier.
OUTLIERS_SHARE = 4
# Beyond this many measurements the whole grid costs too long: a part of them narrows it, to so
# many points up to `_MANY` measurements, and to so many beyond.
_WHOLE_GRID, _MANY = 20, 64
_NARROWED, _NARROWEST = 256, 24
# Rows up to which an elimination by hand over the whole stack is quicker than LAPACK.
_BY_HAND = 32


@dataclass(frozen=True, slots=True, eq=False)
class Grid:
    """Hyper-parameters and how likely they are before any measurement."""

    amplitudes: FloatArray
    """Prior variances, shape `[a, c]`."""
    noises: FloatArray
    """Relative noise deviations, shape `[s]`."""
    log_prior: FloatArray
    """Shape `[a * s]`, amplitude-major."""

    def points(self) -> tuple[FloatArray, FloatArray]:
        """Every grid point: amplitudes `[g, c]` and noises `[g]`."""
        return (
            np.repeat(self.amplitudes, len(self.noises), axis=0),
            np.tile(self.noises, len(self.amplitudes)),
        )


@dataclass(frozen=True, slots=True, eq=False)
class Evidence:
    """Measurements in the form that inference takes."""

    phi: FloatArray
    """Prior features of the measured architectures, shape `[k, P]`; column 0 is the mean."""
    relative: FloatArray
    """Latencies over `scale_s`, shape `[k]`."""
    extra: FloatArray
    """Variances known beforehand, relative like the latencies squared, shape `[k]`."""
    scale_s: float
    slices: tuple[slice, ...]
    """Columns of phi of each component."""
    speed_variance: float = SPEED_VARIANCE
    """Prior variance of the speed relative to `scale_s`, squared."""
    expected: FloatArray | None = None
    """Prior mean of the weights on phi, shape `[P]`, for a device without measurements. None is
    zero: measurements decide, under a speed that is left open."""

    @property
    def mean(self) -> FloatArray:
        """What noise is relative to, shape `[k]`."""
        return np.maximum(self.phi[:, 0], MEAN_FLOOR)

    def grams(self) -> FloatArray:
        """Inner products per component, shape `[c, k, k]`."""
        return np.stack([self.phi[:, s] @ self.phi[:, s].T for s in self.slices])

    def part(self, rows: IntArray) -> Evidence:
        """Some of the measurements."""
        return replace(
            self, phi=self.phi[rows], relative=self.relative[rows], extra=self.extra[rows]
        )


@dataclass(frozen=True, slots=True, eq=False)
class Posterior:
    """Grid points with their evidence."""

    amplitudes: FloatArray
    """Shape `[g, c]`."""
    noises: FloatArray
    """Shape `[g]`."""
    log_weight: FloatArray
    """Log of prior times evidence, shape `[g]`."""
    alpha: FloatArray
    """Covariance solved for the measurements, shape `[k, g]`."""
    lower_inverse: FloatArray
    """Inverse Cholesky factors, shape `[k, k, g]`."""
    inflation: FloatArray
    """Factor on the noise deviation of each measurement, shape `[k]`; above 1 for outliers."""

    @property
    def weight(self) -> FloatArray:
        """Posterior probability of each grid point, shape `[g]`."""
        return normalised(self.log_weight)


def normalised(log_weight: FloatArray) -> FloatArray:
    """Exponentials that sum to one."""
    weight: FloatArray = np.exp(log_weight - log_weight.max())
    weight /= weight.sum()
    return weight


def log_sum(log_weight: FloatArray) -> FloatArray:
    """Log of the sum of exponentials over the last axis."""
    top = log_weight.max(axis=-1, keepdims=True)
    total: FloatArray = np.log(np.exp(log_weight - top).sum(axis=-1)) + top[..., 0]
    return total


def points_after(count: int, points: int) -> int:
    """How many of the grid's points are left after `count` measurements."""
    if count <= _WHOLE_GRID:
        return points
    return min(points, _NARROWED if count <= _MANY else _NARROWEST)


def infer(evidence: Evidence, grid: Grid, *, outliers: bool = True) -> Posterior:
    """Posterior over the grid, with up to a quarter of the measurements taken for outliers."""
    amplitudes, noises = grid.points()
    log_prior = grid.log_prior
    count = len(evidence.relative)
    most = points_after(count, len(noises))
    if most < len(noises):
        spread = np.linspace(0, count - 1, _WHOLE_GRID).astype(np.int64)
        first = _solve(evidence.part(spread), amplitudes, noises, log_prior, np.ones(_WHOLE_GRID))
        kept = np.sort(np.argsort(-first.log_weight, kind="stable")[:most])
        amplitudes, noises, log_prior = amplitudes[kept], noises[kept], log_prior[kept]
    inflation = np.ones(count)
    posterior = _solve(evidence, amplitudes, noises, log_prior, inflation)
    for _ in range(count // OUTLIERS_SHARE if outliers else 0):
        gain = _gain_if_outlier(evidence, posterior)
        gain[inflation > 1] = -np.inf
        if gain.max() <= 0:
            break
        inflation = inflation.copy()
        inflation[gain.argmax()] = OUTLIER_NOISE
        posterior = _solve(evidence, amplitudes, noises, log_prior, inflation)
    return posterior


def _gain_if_outlier(evidence: Evidence, posterior: Posterior) -> FloatArray:
    """Log evidence gained by taking each measurement for an outlier, shape `[k]`.

    More noise on one measurement changes the covariance by rank one: no new factorisation.
    """
    precision = (posterior.lower_inverse**2).sum(axis=0)
    extra = (OUTLIER_NOISE**2 - 1) * (posterior.noises * evidence.mean[:, None]) ** 2
    shrink = 1 + extra * precision
    change = 0.5 * extra * posterior.alpha**2 / shrink - 0.5 * np.log(shrink)
    gain: FloatArray = log_sum(posterior.log_weight + change) - log_sum(posterior.log_weight)
    return gain + OUTLIER_LOG_ODDS


def _solve(
    evidence: Evidence,
    amplitudes: FloatArray,
    noises: FloatArray,
    log_prior: FloatArray,
    inflation: FloatArray,
) -> Posterior:
    covariance = _covariance(evidence, amplitudes, noises, inflation)
    lower_inverse, log_det = inverse_factor(covariance)
    white = np.einsum("ijg,j->ig", lower_inverse, evidence.relative)
    alpha = np.einsum("jig,jg->ig", lower_inverse, white)
    score = log_prior - 0.5 * (white**2).sum(axis=0) - 0.5 * log_det
    return Posterior(amplitudes, noises, score, alpha, lower_inverse, inflation)


def _covariance(
    evidence: Evidence, amplitudes: FloatArray, noises: FloatArray, inflation: FloatArray
) -> FloatArray:
    """Covariance of the measurements at each grid point, `[k, k, g]`."""
    speed = evidence.phi[:, 0]
    # Neighbours on the grid differ in their noise alone.
    new = np.append(True, (amplitudes[1:] != amplitudes[:-1]).any(axis=1))
    signal = np.tensordot(evidence.grams(), amplitudes[new], axes=(0, 1))
    signal += (evidence.speed_variance * np.outer(speed, speed))[:, :, None]
    covariance: FloatArray = signal[:, :, np.cumsum(new) - 1]
    diagonal = np.arange(len(speed))
    covariance[diagonal, diagonal] += (noises * (evidence.mean * inflation)[:, None]) ** 2
    # The last term keeps a repeated architecture on a noiseless device solvable.
    covariance[diagonal, diagonal] += (evidence.extra + 1e-11)[:, None]
    return covariance


def log_evidence(evidence: Evidence, grid: Grid) -> FloatArray:
    """Log of prior times evidence over the whole grid, `[g]`: all that `infer` has to do for it."""
    amplitudes, noises = grid.points()
    count = len(evidence.relative)
    covariance = _covariance(evidence, amplitudes, noises, np.ones(count))
    white = np.empty((count, len(noises)))
    log_det = np.zeros(len(noises))
    for j in range(count):
        row = covariance[j, :j]
        pivot = np.maximum(covariance[j, j] - np.einsum("ag,ag->g", row, row), 1e-14)
        log_det += np.log(pivot)
        root = 1 / np.sqrt(pivot)
        white[j] = (evidence.relative[j] - np.einsum("ag,ag->g", row, white[:j])) * root
        below = covariance[j + 1 :, j]
        below -= np.einsum("kag,ag->kg", covariance[j + 1 :, :j], row)
        below *= root
    score: FloatArray = grid.log_prior - 0.5 * (white**2).sum(axis=0) - 0.5 * log_det
    return score


def inverse_factor(covariance: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Inverse Cholesky factor `[k, k, g]` and log determinant `[g]` of each covariance.

    Elimination by hand over the whole stack: LAPACK is called once per matrix and spends more on
    the call than on ten rows. `covariance` is overwritten.
    """
    count = covariance.shape[0]
    if count > _BY_HAND:
        factor = np.linalg.cholesky(np.moveaxis(covariance, 2, 0))
        inverse = np.linalg.solve(factor, np.broadcast_to(np.eye(count), factor.shape))
        diagonal = np.diagonal(factor, axis1=1, axis2=2)
        return np.moveaxis(inverse, 0, 2), 2 * np.log(diagonal).sum(axis=1)
    result = np.zeros_like(covariance)
    log_det = np.zeros(covariance.shape[2])
    for j in range(count):
        # Row j of the factor stands left of the diagonal, in place of the covariance.
        row = covariance[j, :j]
        pivot = np.maximum(covariance[j, j] - np.einsum("ag,ag->g", row, row), 1e-14)
        log_det += np.log(pivot)
        root = 1 / np.sqrt(pivot)
        # Row j of the inverse factor: the identity, less what the rows above it explain.
        result[j, :j] = np.einsum("ag,abg->bg", row, result[:j, :j]) * -root
        result[j, j] = root
        below = covariance[j + 1 :, j]
        below -= np.einsum("kag,ag->kg", covariance[j + 1 :, :j], row)
        below *= root
    return result, log_det


def posterior_weights(evidence: Evidence, posterior: Posterior) -> FloatArray:
    """Posterior mean as weights on the prior features, base unit, shape `[P]`.

    The mean is linear in the prior features at every grid point, so that the average over the grid
    is one vector.
    """
    mass = posterior.weight
    weights = np.zeros(evidence.phi.shape[1])
    if evidence.expected is not None:
        return evidence.expected * evidence.scale_s
    weights[0] = evidence.speed_variance * (evidence.phi[:, 0] @ (posterior.alpha @ mass))
    for component, columns in enumerate(evidence.slices):
        solved = posterior.alpha @ (mass * posterior.amplitudes[:, component])
        weights[columns] = evidence.phi[:, columns].T @ solved
    return weights * evidence.scale_s
