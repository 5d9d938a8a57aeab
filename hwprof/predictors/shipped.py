"""Few-shot prediction out of the box: shipped pools, measurements from files, answers by name."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from hwprof import spaces
from hwprof.errors import OptionError, TableError
from hwprof.predictors import pools
from hwprof.predictors.fewshot import FewShotPredictor
from hwprof.predictors.fewshot.adapted import AdaptedFewShot
from hwprof.predictors.measurements import ArchLatency
from hwprof.predictors.pool import DevicePool

# Fitting takes time with the cube of this; beyond some hundred architectures per device the
# prediction of new devices gains nothing on NAS-Bench-201 (100: .959, 900: .960 mean Spearman).
FITTED_ROWS = 1000


@dataclass(frozen=True, slots=True)
class Answer:
    """A prediction for one architecture, seconds; `low_s` to `high_s` is its interval."""

    arch: str
    mean_s: float
    std_s: float
    low_s: float
    high_s: float


def fit_shipped(space: str) -> FewShotPredictor:
    """Fit the pool that ships for `space`; takes a few seconds. Raises OptionError for others."""
    pool = thinned(pools.load(space), FITTED_ROWS)
    return FewShotPredictor.fit(pool, similarity=spaces.get(space).similarity())


def thinned(pool: DevicePool, rows: int) -> DevicePool:
    """The pool with the latencies of at most `rows` architectures, chosen at random, seeded.

    All architectures stay in it and can be asked for.
    """
    if pool.rows <= rows:
        return pool
    kept = np.random.default_rng(0).permutation(pool.rows)[:rows]
    latency_s = np.full_like(pool.latency_s, np.nan)
    latency_s[kept] = pool.latency_s[kept]
    return DevicePool(pool.features, latency_s, pool.devices, pool.names)


def to_measure(space: str, k: int) -> list[str]:
    """The k architectures to measure on a new device, best first. Raises OptionError."""
    if k < 1:
        raise OptionError(f"k must be at least 1, but is {k}; 10 are usual")
    predictor = fit_shipped(space)
    names = predictor.fitted.names or ()
    return [names[row] for row in predictor.select(k)]


def adapt_shipped(
    space: str,
    known: Sequence[ArchLatency],
    device: str | None = None,
    *,
    check_units: bool = True,
) -> Shipped:
    """Adapt the shipped pool to a device; repeated architectures count with their median.

    Raises OptionError for architectures outside the pool and latencies that cannot be right.
    """
    form = spaces.get(space)
    # Read before fitting, which takes seconds: what is no architecture is refused at once.
    names = [form.format(form.parse(each.arch)) for each in known]
    predictor = fit_shipped(space)
    rows = _rows_by_name(predictor)
    by_row: dict[int, list[ArchLatency]] = {}
    for each, name in zip(known, names, strict=True):
        if name not in rows:
            raise OptionError(
                f"architecture '{name}' is not in the shipped pool of {space}; measure those that "
                f"'hwprof select --space {space}' prints"
            )
        by_row.setdefault(rows[name], []).append(each)
    latency_s = [statistics.median(m.latency_s for m in group) for group in by_row.values()]
    errors = [
        [m.std_error_s for m in group if m.std_error_s is not None] for group in by_row.values()
    ]
    std_error_s = [statistics.median(group) if group else 0.0 for group in errors]
    adapted = predictor.adapt(list(by_row), latency_s, device, std_error_s, check_units=check_units)
    return Shipped(adapted)


def load_adapted(path: Path) -> Shipped:
    """Read what `Shipped.save` wrote. Raises TableError for any other file."""
    return Shipped(AdaptedFewShot.load(path))


@dataclass(frozen=True, slots=True)
class Shipped:
    """A predictor for one device that is asked by the names of architectures."""

    adapted: AdaptedFewShot

    def save(self, path: Path) -> None:
        """Write the predictor. Raises TableError if the path cannot be written."""
        self.adapted.save(path)

    def resembles(self, count: int = 3) -> tuple[tuple[str, float], ...]:
        """Pool devices with the probability of being the one most like it, likeliest first."""
        return self.adapted.embedding.resembles()[:count]

    # A file may hold whatever overflows here; nothing is told that is no number.
    @np.errstate(all="ignore")
    def answer(self, archs: Sequence[str] | None = None, level: float = 0.9) -> list[Answer]:
        """Predictions for `archs`, or for every architecture of the pool.

        Raises OptionError for a name that is not of the space, and TableError where an answer is no
        number.
        """
        fitted = self.adapted.fitted
        if archs is None:
            if fitted.names is None:
                raise OptionError("this predictor's pool has no names; give architectures")
            archs = fitted.names
            prediction = self.adapted.predict(np.arange(len(archs)))
        else:
            form = spaces.get(fitted.similarity)
            archs = [form.format(form.parse(arch)) for arch in archs]
            prediction = self.adapted.predict(form.encode(archs).astype(np.float64))
        low, high = prediction.interval(level)
        columns = (prediction.mean_s, prediction.std_s, low, high)
        finite = np.all([np.isfinite(column) for column in columns], axis=0)
        if not finite.all():
            raise TableError(
                f"the predictor gives no latency for '{archs[int(np.argmin(finite))]}', so its "
                "file is damaged; adapt to the measurements again"
            )
        return [
            Answer(arch, *(float(column[i]) for column in columns)) for i, arch in enumerate(archs)
        ]


def _rows_by_name(predictor: FewShotPredictor) -> dict[str, int]:
    return {name: row for row, name in enumerate(predictor.fitted.names or ())}
