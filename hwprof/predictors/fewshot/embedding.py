"""The hardware embedding: the posterior over a device's coordinates among the pool's devices."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hwprof.predictors.fewshot.fitted import Fitted
from hwprof.predictors.fewshot.mixture import leading
from hwprof.predictors.fewshot.posterior import Evidence, Posterior

FloatArray = NDArray[np.float64]

# Draws behind a probability: its error is below 0.02. Seeded, so that it is always the same.
_DRAWS = 1000
# Architectures on which devices are compared.
_ROWS = 150


@dataclass(frozen=True, slots=True, eq=False)
class DeviceEmbedding:
    """Coordinates `w`: the device is `mean of the pool + sum of w_d (device d - mean)`, the mean
    counting siblings less.

    A device of the pool lies at 1 on its own axis and 0 on the others.
    """

    devices: tuple[str, ...]
    mean: FloatArray
    """Shape `[m]`."""
    std: FloatArray
    """Shape `[m]`."""
    covariance: FloatArray
    """Shape `[m, m]`."""
    similarity: FloatArray
    """Correlation of what sets the device apart from the pool's mean with what sets each pool
    device apart, -1 to 1, shape `[m]`."""
    nearest: FloatArray
    """Probability that each pool device is the one most like it, shape `[m]`, sums to one."""

    def resembles(self) -> tuple[tuple[str, float], ...]:
        """Pool devices with the probability of being the nearest, likeliest first."""
        order = np.argsort(-self.nearest, kind="stable")
        return tuple((self.devices[i], float(self.nearest[i])) for i in order)


def embed(fitted: Fitted, evidence: Evidence, posterior: Posterior) -> DeviceEmbedding:
    """Moments by the mixture over the grid, probabilities by seeded draws from it."""
    columns = evidence.slices[0]
    devices = len(fitted.devices)
    own = fitted.prior.reach
    top, weight = leading(posterior)
    measured = evidence.phi[:, columns]
    means, covariances = [], []
    for g in top:
        amplitude = posterior.amplitudes[g, 0]
        speed = evidence.speed_variance * (evidence.phi[:, 0] @ posterior.alpha[:, g])
        white = posterior.lower_inverse[:, :, g] @ measured
        # Latencies were divided by a first guess of the speed; coordinates are relative to it.
        level = max(abs(float(speed)), 0.1) * own
        means.append(amplitude * (measured.T @ posterior.alpha[:, g]) / level)
        spread = amplitude * np.eye(devices) - amplitude**2 * white.T @ white
        covariances.append(spread / np.outer(level, level))
    mean = weight @ np.array(means)
    covariance = sum(
        float(w) * (c + np.outer(m - mean, m - mean))
        for w, m, c in zip(weight, means, covariances, strict=True)
    )
    similarity, nearest = _likeness(fitted, evidence, posterior, top, weight)
    return DeviceEmbedding(
        fitted.devices,
        mean,
        np.sqrt(np.maximum(np.diag(covariance), 0)),
        covariance,
        similarity,
        nearest,
    )


def _likeness(
    fitted: Fitted,
    evidence: Evidence,
    posterior: Posterior,
    top: NDArray[np.int64],
    weight: FloatArray,
) -> tuple[FloatArray, FloatArray]:
    """Similarity and probability of being the nearest, each `[m]`.

    Whole latency functions are compared, not coordinates: what the pool's devices do not explain
    is part of how unlike them the new one is.
    """
    phi = fitted.rows[np.linspace(0, fitted.own - 1, _ROWS).astype(np.int64)]
    columns = evidence.slices[0]
    mean = phi[:, :1]
    pool = mean + fitted.prior.reach * phi[:, columns]
    pool = pool / pool.mean(axis=0)
    mean = mean[:, 0] / mean.mean()
    rng = np.random.default_rng(0)
    counts = np.zeros(pool.shape[1])
    centre = np.zeros(len(phi))
    for times, g, share in zip(rng.multinomial(_DRAWS, weight), top, weight, strict=True):
        root = np.sqrt(np.concatenate([[evidence.speed_variance], _spread(evidence, posterior, g)]))
        own, known = phi * root, evidence.phi * root
        cross = own @ known.T
        explained = cross @ posterior.lower_inverse[:, :, g].T
        expected = cross @ posterior.alpha[:, g]
        values, vectors = np.linalg.eigh(own @ own.T - explained @ explained.T)
        noise = rng.standard_normal((times, len(phi))) * np.sqrt(np.maximum(values, 0))
        draws = expected + noise @ vectors.T
        level = np.maximum(draws.mean(axis=1, keepdims=True), 0.1)
        distance = ((draws / level)[:, None] - pool.T) ** 2
        counts += np.bincount(distance.sum(axis=2).argmin(axis=1), minlength=pool.shape[1])
        centre += share * expected / max(expected.mean(), 0.1)
    apart, deviation = pool - mean[:, None], centre - mean
    length = np.sqrt((apart**2).sum(axis=0)) * np.sqrt((deviation**2).sum())
    similarity = np.clip(deviation @ apart / np.maximum(length, 1e-150), -1, 1)
    return similarity, counts / _DRAWS


def _spread(evidence: Evidence, posterior: Posterior, g: int) -> FloatArray:
    """Prior variance of each prior feature but the first, shape `[P - 1]`."""
    widths = [columns.stop - columns.start for columns in evidence.slices]
    return np.repeat(posterior.amplitudes[g], widths)
