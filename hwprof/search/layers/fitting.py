"""From measured layers to what any choice costs.

What a layer costs is what its work lets expect, times a factor for the layer and for each of its
choices. The work (arithmetic, traffic, operators, rooflines) is weighed by non-negative least
squares over all layers; factors are shrunk towards 1, by how much decides cross-validation. That
a machine was faster or slower during a measurement is a factor of the measurement.
Shapes: n architectures, s parts, c kinds of work.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import nnls

from hwprof.search.layers.kernels import Observed
from hwprof.spaces.analytic import PartWork

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]

# How strongly factors of choices are shrunk, in observations; each is tried.
_SHRINK = (1.0, 3.0, 10.0)
# The same for the factor of a layer, which all its observations tell.
_LAYER = 0.05
# Turns between factors of layers and of measurements; they settle in two.
_TURNS = 3
# Weight of a layer counts down to this share of the mean: tiny ones are mostly clock.
_SMALL = 0.1
_FOLDS, _INNER = 8, 4


@dataclass(frozen=True, slots=True, eq=False)
class Sums:
    """Costs of parts, and what they are off by altogether."""

    values: tuple[FloatArray, ...]
    """Seconds by choices, one array per part."""
    scale: float
    """Latency end to end per sum of kernels."""
    constant: float
    """Seconds of every call."""

    def __call__(self, parts: Sequence[PartWork], rows: IntArray) -> FloatArray:
        """Seconds end to end of rows of choices, `[n, p] -> [n]`."""
        return self.scale * kernel_sums(self.values, parts, rows) + self.constant


def kernel_sums(
    values: Sequence[FloatArray], parts: Sequence[PartWork], rows: IntArray
) -> FloatArray:
    """Seconds of all parts together, `[n]`."""
    total = np.zeros(len(rows))
    for value, part in zip(values, parts, strict=True):
        total += chosen(value, part, rows)
    return total


def chosen(values: FloatArray, part: PartWork, rows: IntArray) -> FloatArray:
    """What rows of choices have in a part, `[n, ...]`."""
    if not part.positions:
        return np.repeat(np.asarray(values)[None], len(rows), axis=0)
    found: FloatArray = values[tuple(rows[:, list(part.positions)].T)]
    return found


def fit_sums(observed: Observed, parts: Sequence[PartWork]) -> tuple[Sums, FloatArray]:
    """Costs of all parts, and seconds of each architecture predicted without its own measurement.

    The second, `[n]`, is by leaving out an eighth of the architectures at a time; how much factors
    are shrunk is chosen within the rest.
    """
    count = len(observed.rows)
    apart = np.zeros(count)
    fold = np.arange(count) % min(_FOLDS, count)
    for each in np.unique(fold):
        kept = observed.some(fold != each)
        sums = _fit(kept, parts, _shrink(kept, parts))
        apart[fold == each] = sums(parts, observed.rows[fold == each])
    return _fit(observed, parts, _shrink(observed, parts)), apart


def _shrink(observed: Observed, parts: Sequence[PartWork]) -> float:
    """The shrinkage whose sums come closest to architectures that were left out."""
    fold = np.arange(len(observed.rows)) % _INNER
    errors = []
    for shrink in _SHRINK:
        found = np.zeros(len(fold))
        for each in np.unique(fold):
            sums = _fit(observed.some(fold != each), parts, shrink)
            found[fold == each] = sums(parts, observed.rows[fold == each])
        errors.append(float(np.abs(found / observed.latency_s - 1).mean()))
    return _SHRINK[int(np.argmin(errors))]


def _fit(observed: Observed, parts: Sequence[PartWork], shrink: float) -> Sums:
    work = np.stack([chosen(part.work, part, observed.rows) for part in parts], axis=1)
    took = observed.parts_s
    used = (took > 0) & (work.sum(axis=2) > 0)
    unit = work[used].mean(axis=0)
    unit[unit == 0] = np.inf
    weight = 1 / np.maximum(took[used], _SMALL * took[used].mean())
    per_work, _ = nnls((work[used] / unit) * weight[:, None], took[used] * weight)
    expected = [np.maximum((part.work / unit) @ per_work, 0) for part in parts]
    logs = np.zeros_like(took)
    for i, part in enumerate(parts):
        at = np.maximum(chosen(expected[i], part, observed.rows), 1e-12)
        logs[used[:, i], i] = np.log(took[used[:, i], i] / at[used[:, i]])
    share = np.where(used, took, 0) / np.where(used, took, 0).sum(axis=1, keepdims=True)
    speed = np.zeros(len(took))
    factors: list[FloatArray] = []
    for _ in range(_TURNS):
        factors = [
            _factors(part, observed.rows[used[:, i]], (logs[:, i] - speed)[used[:, i]], shrink)
            for i, part in enumerate(parts)
        ]
        rest = np.zeros_like(logs)
        for i, part in enumerate(parts):
            rest[:, i] = logs[:, i] - chosen(factors[i], part, observed.rows)
        speed = (share * rest).sum(axis=1)
        speed -= speed.mean()
    values = tuple(
        np.where(each > 0, each * np.exp(factor), 0.0)
        for each, factor in zip(expected, factors, strict=True)
    )
    total = kernel_sums(values, parts, observed.rows)
    columns = np.stack([total, np.full(len(total), total.mean())], axis=1)
    (scale, constant), _ = nnls(columns / observed.latency_s[:, None], np.ones(len(total)))
    return Sums(values, float(scale), float(constant * total.mean()))


def _factors(part: PartWork, rows: IntArray, logs: FloatArray, shrink: float) -> FloatArray:
    """Logarithm of the factor of every choice of a part, by ridge regression on its choices."""
    sizes = part.work.shape[:-1]
    if not len(rows):
        return np.zeros(sizes)
    axes = [axis for axis in range(len(sizes)) if _matters(part.work, axis)]
    columns, penalty = [np.ones((len(rows), 1))], [np.full(1, _LAYER)]
    for axis in axes:
        columns.append(np.eye(sizes[axis])[rows[:, part.positions[axis]]])
        penalty.append(np.full(sizes[axis], shrink))
    design = np.concatenate(columns, axis=1)
    solved = np.linalg.solve(design.T @ design + np.diag(np.concatenate(penalty)), design.T @ logs)
    total = np.full(sizes, solved[0])
    start = 1
    for axis in axes:
        effect = solved[start : start + sizes[axis]]
        total = total + np.expand_dims(effect, [a for a in range(len(sizes)) if a != axis])
        start += sizes[axis]
    return total


def _matters(work: FloatArray, axis: int) -> bool:
    """Whether a choice changes how much work there is, not only whether there is any."""
    slices = np.moveaxis(work, axis, 0)
    there = [each for each in slices if each.any()]
    return any(not np.array_equal(there[0], each) for each in there[1:])


def seen(part: PartWork, rows: IntArray, used: BoolArray) -> BoolArray:
    """Which choices of a part were measured: each of them, if not together. `used` is `[n]`."""
    sizes = part.work.shape[:-1]
    found = np.ones(sizes, dtype=np.bool_)
    if not used.any():
        found[...] = False
    for axis, position in enumerate(part.positions):
        if not _matters(part.work, axis):
            continue
        there = np.isin(np.arange(sizes[axis]), rows[used][:, position])
        found &= np.expand_dims(there, [a for a in range(len(sizes)) if a != axis])
    # What has no work to do costs nothing, measured or not.
    return found | ~part.work.any(axis=-1)
