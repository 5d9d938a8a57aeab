"""Each pool device's latency as a smooth function of the architecture.

A Gaussian process per device on its own measured rows, in explicit features; weights and
noise by marginal likelihood (Rasmussen & Williams, Gaussian Processes for Machine Learning, 5.4.1).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hwprof.blocks import blocks
from hwprof.predictors.pool import BoolArray, DevicePool
from hwprof.similarity import FeatureMap, Similarity

FloatArray = NDArray[np.float64]

# Noise variance relative to the signal's: from a formula's rounding to a coarse clock.
_NOISES = 10.0 ** np.arange(-6, 1.01, 0.5)
# Rows beyond these add seconds and no accuracy: the noise is averaged out long before.
_ROWS = 4000
# Devices never measured together each need a decomposition of their own: fewer rows must do.
_ROWS_SEPARATE = 1000


@dataclass(frozen=True, slots=True, eq=False)
class Smoothed:
    """Every device's latency, divided by its mean over all rows of the pool."""

    maps: tuple[FeatureMap, ...]
    weights: tuple[FloatArray, ...]
    """Per map, shape `[p, m]`."""
    constant: FloatArray
    """Shape `[m]`."""
    scale_s: FloatArray
    """Mean latency of each device over all rows, seconds, shape `[m]`."""
    rows: FloatArray
    """Relative latencies of the pool's rows, shape `[n, m]`; column mean 1."""


def smooth(
    pool: DevicePool, similarity: Similarity, rng: np.random.Generator, *, logs: bool = False
) -> Smoothed:
    """Smooth all devices of a pool.

    With `logs`, what is smoothed are logs less each device's mean log, of which `scale_s` are the
    exponentials.
    """
    values = np.log(pool.values) if logs else pool.values
    flat = np.ones(pool.rows)
    maps = tuple(component.fit(pool.features, flat, rng) for component in similarity.smoothing)
    devices = len(pool.devices)
    weights = [np.zeros((feature_map.matrix.shape[1], devices)) for feature_map in maps]
    constant = np.zeros(devices)
    groups = _same_rows(pool.measured)
    cap = _ROWS if len(groups) <= 3 else _ROWS_SEPARATE
    for mask, columns in groups:
        rows = np.flatnonzero(mask)
        if rows.size > cap:
            rows = np.sort(rng.choice(rows, cap, replace=False))
        mapped = [feature_map(pool.features[rows]) for feature_map in maps]
        found, level = _solve(mapped, values[np.ix_(rows, np.array(columns))], similarity)
        constant[columns] = level
        for total, part in zip(weights, found, strict=True):
            total[:, columns] = part
    return _normalised(pool, maps, weights, constant, logs)


def _normalised(
    pool: DevicePool,
    maps: tuple[FeatureMap, ...],
    weights: list[FloatArray],
    constant: FloatArray,
    logs: bool,
) -> Smoothed:
    rows = np.empty((pool.rows, len(constant)))
    rows[:] = constant
    # Folding first, and by blocks: mapped features of all rows would be the largest array of all.
    pairs = list(zip(maps, weights, strict=True))
    folded = [feature_map.matrix @ weight for feature_map, weight in pairs]
    for part in blocks(pool.rows):
        for (feature_map, weight), direct in zip(pairs, folded, strict=True):
            rows[part] += feature_map.basis(pool.features[part]) @ direct
            rows[part] -= feature_map.offset @ weight
    if logs:
        middle = rows.mean(axis=0)
        rows -= middle
        return Smoothed(maps, tuple(weights), constant - middle, np.exp(middle), rows)
    # A mean over rows that were never measured may come out anywhere: keep it positive.
    scale = np.maximum(rows.mean(axis=0), 0.1 * measured_mean(pool))
    rows /= scale
    return Smoothed(
        maps, tuple(weight / scale for weight in weights), constant / scale, scale, rows
    )


def measured_mean(pool: DevicePool) -> FloatArray:
    """Mean over the rows measured on each device, shape `[m]`."""
    total, count = np.zeros(len(pool.devices)), np.zeros(len(pool.devices))
    for part in blocks(pool.rows):
        values = pool.values[part]
        total += np.nansum(values, axis=0)
        count += (~np.isnan(values)).sum(axis=0)
    mean: FloatArray = total / count
    return mean


def _same_rows(measured: BoolArray) -> list[tuple[BoolArray, list[int]]]:
    """Columns grouped by their mask: devices measured on the same rows share a decomposition."""
    groups: dict[bytes, tuple[BoolArray, list[int]]] = {}
    for j, column in enumerate(measured.T):
        groups.setdefault(column.tobytes(), (column, []))[1].append(j)
    return list(groups.values())


def _solve(
    blocks: list[FloatArray], latency_s: FloatArray, similarity: Similarity
) -> tuple[list[FloatArray], FloatArray]:
    """Weights per block `[p, g]` and constants `[g]` for g devices measured on the same rows."""
    devices = latency_s.shape[1]
    level = latency_s.mean(axis=0)
    y = latency_s - level
    means = [block.mean(axis=0) for block in blocks]
    centred = np.concatenate(
        [block - mean for block, mean in zip(blocks, means, strict=True)], axis=1
    )
    widths = [block.shape[1] for block in blocks]
    best = np.full(devices, -np.inf)
    solution = np.zeros((centred.shape[1], devices))
    # Only columns that some candidate uses, and only as many products as there are candidates.
    for candidate in similarity.smoothing_weights:
        deviation = np.sqrt(np.repeat(candidate, widths))
        used = deviation > 0
        phi = centred[:, used] * deviation[used]
        score, coefficients = _ridge(phi, y)
        better = score > best
        best[better] = score[better]
        solution[:, better] = 0
        solution[np.ix_(used, better)] = (deviation[used, None] * coefficients)[:, better]
    parts = np.split(solution, np.cumsum(widths)[:-1])
    for mean, part in zip(means, parts, strict=True):
        level = level - mean @ part
    return parts, level


def _ridge(phi: FloatArray, y: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Best log evidence over the noise `[g]`, and its coefficients `[p, g]`."""
    n, p = phi.shape
    primal = n > p
    values, vectors = np.linalg.eigh(phi.T @ phi if primal else phi @ phi.T)
    kept = values > 1e-10 * max(values[-1], 1e-300)
    values, vectors = values[kept], vectors[:, kept]
    root = np.sqrt(values)[:, None]
    projected = vectors.T @ (phi.T @ y) / root if primal else vectors.T @ y
    energy = (y**2).sum(axis=0)
    rest = np.maximum(energy - (projected**2).sum(axis=0), 0)
    total = values[:, None] + _NOISES
    misfit = ((projected**2)[:, None] / total[:, :, None]).sum(axis=0)
    misfit += rest / _NOISES[:, None]
    log_det = np.log(total).sum(axis=0) + (n - values.size) * np.log(_NOISES)
    # A device without any variation has no amplitude: its floor keeps the logarithm finite.
    amplitude = np.maximum(misfit / n, 1e-20 * np.maximum(energy / n, 1e-300))
    score = -0.5 * n * np.log(amplitude) - 0.5 * log_det[:, None]
    chosen = score.argmax(axis=0)
    shrunk = projected / (values[:, None] + _NOISES[chosen])
    coefficients = vectors @ (shrunk * root) if primal else phi.T @ (vectors @ shrunk)
    return score.max(axis=0), coefficients
