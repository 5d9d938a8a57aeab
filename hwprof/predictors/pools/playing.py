"""Playing a pool's device as a new one: what predictions from the rest of the pool are worth.

Shapes: n architectures, m devices, k measurements.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import spearmanr

from hwprof import spaces
from hwprof.errors import OptionError
from hwprof.predictors.fewshot import FewShotPredictor
from hwprof.predictors.pool import DevicePool
from hwprof.predictors.pools.stored import StoredPool

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

LEVEL = 0.9
# A rank correlation of fewer says nothing.
LEAST_PREDICTED = 3
# Of more cells than this, so many drawn ones stand for all.
_MOST_PREDICTED = 4000
# Of the architectures, when some are played as measured on no device.
_HIDDEN = 1 / 3


@dataclass(frozen=True, slots=True)
class Score:
    """How predictions of one device compare with what was measured on it."""

    cells: int
    """Architectures predicted, those measured for it not among them."""
    rank: float
    """Spearman's correlation of predictions and measurements; 0 where either has no order."""
    flops_rank: float | None
    """The same of FLOPs alone; None where the FLOPs of what ran are not known."""
    error: float
    """Mean absolute error relative to what was measured."""
    median_error: float
    coverage: float
    """Share of the measurements inside of their 90 % intervals."""


@dataclass(frozen=True, slots=True)
class Play:
    """One device as if it were new: it is left out, then k architectures are measured on it."""

    device: str
    k: int
    known: Score
    """On architectures that other devices of the pool have measured."""
    new: Score | None
    """On architectures that no device has, for which a third was hidden; None where they are too
    few."""


def known_flops(stored: StoredPool) -> tuple[FloatArray | None, str]:
    """FLOPs of each architecture as it ran, `[n]`, or None and why they are not known."""
    known, setting, names = spaces.get(stored.space), stored.pool.setting, stored.pool.names or ()
    if setting is not None and setting.resolution is not None:
        sides = {known.resolution(name) for name in names}
        if len(sides) > 1:
            return None, (
                f"FLOPs are counted at each architecture's own resolution, but these ran at "
                f"{setting.resolution}"
            )
    return known.flops(list(names)).astype(np.float64), ""


def play(
    stored: StoredPool,
    device: str,
    k: int,
    *,
    flops: FloatArray | None,
    seed: int = 0,
    candidates: Sequence[int] | None = None,
    new: bool = True,
) -> Play:
    """Leave one device out, fit the rest, select k architectures, adapt, and predict the others.

    `candidates` are the rows that may be selected, all that the device has measured by default;
    `flops` is `[n]`. With `new`, a second fit hides a third of the architectures from all devices
    and predicts those. Raises OptionError where the device has too few cells, or too few devices
    are left.
    """
    pool = stored.pool
    column = pool.devices.index(device)
    rows = np.flatnonzero(pool.measured[:, column])
    allowed = rows if candidates is None else np.intersect1d(rows, np.asarray(candidates))
    if len(rows) < k + LEAST_PREDICTED or len(allowed) < k:
        raise OptionError(
            f"{device} has {len(rows)} measured architectures, of which {len(allowed)} may be "
            f"selected: too few to measure {k} and predict others; ask for a smaller k (-k)"
        )
    rest = pool.subset([name for name in pool.devices if name != device])
    shared = rows[rest.measured[rows].any(axis=1)]
    if len(shared) < k + LEAST_PREDICTED:
        raise OptionError(
            f"{device} shares {len(shared)} architectures with other devices of the pool: too few "
            f"to measure {k} and predict others; measure those of other devices on it"
        )
    known = _score(stored, rest, column, k, allowed, shared, flops, seed)
    unseen = None
    if new:
        rng = np.random.default_rng(seed)
        hidden = np.sort(rng.permutation(rows)[: round(len(rows) * _HIDDEN)])
        shown = np.setdiff1d(allowed, hidden)
        values = rest.values.copy()
        values[hidden] = np.nan
        enough = (~np.isnan(values)).sum(axis=0).min() >= k
        if len(hidden) >= LEAST_PREDICTED and len(shown) >= k and enough:
            partly = DevicePool(
                *(rest.features, values, rest.devices, rest.names),
                metric=rest.metric,
                setting=rest.setting,
            )
            unseen = _score(stored, partly, column, k, shown, hidden, flops, seed)
    return Play(device, k, known, unseen)


def _score(
    stored: StoredPool,
    rest: DevicePool,
    column: int,
    k: int,
    allowed: IntArray,
    asked: IntArray,
    flops: FloatArray | None,
    seed: int,
) -> Score:
    # The commands of a shipped pool fit as many; `shipped` itself reads pools.
    from hwprof.predictors.shipped import FITTED_ROWS, thinned

    similarity = spaces.get(stored.space).similarity()
    predictor = FewShotPredictor.fit(thinned(rest, FITTED_ROWS), similarity=similarity, seed=seed)
    chosen = predictor.select(k, candidates=allowed.tolist())
    values = stored.pool.values[:, column]
    errors = None
    if stored.std_error is not None:
        errors = np.nan_to_num(stored.std_error[chosen, column], nan=0.0)
    adapted = predictor.adapt(chosen, values[chosen], None, errors, check_units=False)
    others = np.setdiff1d(asked, chosen)
    if len(others) > _MOST_PREDICTED:
        others = np.sort(np.random.default_rng(seed).permutation(others)[:_MOST_PREDICTED])
    prediction = adapted.predict(others)
    truth, (low, high) = values[others], prediction.interval(LEVEL)
    error = np.abs(prediction.mean / truth - 1)
    return Score(
        cells=len(others),
        rank=_rank(prediction.mean, truth),
        flops_rank=None if flops is None else _rank(flops[others], truth),
        error=float(error.mean()),
        median_error=float(np.median(error)),
        coverage=float(np.mean((low <= truth) & (truth <= high))),
    )


def _rank(one: FloatArray, other: FloatArray) -> float:
    if np.ptp(one) == 0 or np.ptp(other) == 0:
        return 0.0
    return float(spearmanr(one, other).statistic)
