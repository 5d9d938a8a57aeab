"""Few-shot prediction out of the box: shipped pools, measurements from files, answers by name."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from hwprof import spaces
from hwprof.errors import OptionError, TableError
from hwprof.metrics import LATENCY, Metric, check_metric
from hwprof.predictors import pools
from hwprof.predictors.fewshot import FewShotPredictor
from hwprof.predictors.fewshot.adapted import AdaptedFewShot
from hwprof.predictors.measurements import ArchCost
from hwprof.predictors.naming import need_latency
from hwprof.predictors.pool import DevicePool

# Fitting takes time with the cube of this; beyond some hundred architectures per device the
# prediction of new devices gains nothing on NAS-Bench-201 (100: .959, 900: .960 mean Spearman).
FITTED_ROWS = 1000


@dataclass(frozen=True, slots=True)
class Answer:
    """A prediction for one architecture; `low` to `high` is its interval.

    In the base unit of `metric`. For latency the same is `mean_s`, `std_s`, `low_s` and `high_s`,
    which raise OptionError for any other metric.
    """

    arch: str
    mean: float
    std: float
    low: float
    high: float
    metric: Metric = LATENCY

    @property
    def mean_s(self) -> float:
        """Seconds."""
        need_latency(self.metric, "answer", "mean")
        return self.mean

    @property
    def std_s(self) -> float:
        """Seconds."""
        need_latency(self.metric, "answer", "std")
        return self.std

    @property
    def low_s(self) -> float:
        """Seconds."""
        need_latency(self.metric, "answer", "low")
        return self.low

    @property
    def high_s(self) -> float:
        """Seconds."""
        need_latency(self.metric, "answer", "high")
        return self.high


def fit_shipped(space: str) -> FewShotPredictor:
    """Fit the pool that ships for `space`; takes a few seconds. Raises OptionError for others."""
    pool = thinned(pools.load(space), FITTED_ROWS)
    return FewShotPredictor.fit(pool, similarity=spaces.get(space).similarity())


def thinned(pool: DevicePool, rows: int) -> DevicePool:
    """The pool with the values of at most `rows` architectures, chosen at random, seeded.

    All architectures stay in it and can be asked for.
    """
    if pool.rows <= rows:
        return pool
    kept = np.random.default_rng(0).permutation(pool.rows)[:rows]
    values = np.full_like(pool.values, np.nan)
    values[kept] = pool.values[kept]
    return DevicePool(
        *(pool.features, values, pool.devices, pool.names), metric=pool.metric, setting=pool.setting
    )


def to_measure(space: str, k: int) -> list[str]:
    """The k architectures to measure on a new device, best first. Raises OptionError."""
    if k < 1:
        raise OptionError(f"k must be at least 1, but is {k}; 10 are usual")
    predictor = fit_shipped(space)
    names = predictor.fitted.names or ()
    return [names[row] for row in predictor.select(k)]


def adapt_shipped(
    space: str,
    known: Sequence[ArchCost],
    device: str | None = None,
    *,
    metric: Metric | str | None = None,
    check_units: bool = True,
) -> Shipped:
    """Adapt the shipped pool to a device; repeated architectures count with their median.

    The shipped pools are of latency. Measurements of another metric are predicted with its shape
    over architectures where `metric` says so. Raises OptionError for measurements of another metric
    than `metric` or, without, than latency; for architectures outside the pool; and for values that
    cannot be right.
    """
    wanted = _agreed(known, None if metric is None else check_metric(metric))
    form = spaces.get(space)
    # Read before fitting, which takes seconds: what is no architecture is refused at once.
    names = [form.format(form.parse(each.arch)) for each in known]
    predictor = fit_shipped(space)
    rows = _rows_by_name(predictor)
    by_row: dict[int, list[ArchCost]] = {}
    for each, name in zip(known, names, strict=True):
        if name not in rows:
            raise OptionError(
                f"architecture '{name}' is not in the shipped pool of {space}; measure those that "
                f"'hwprof select --space {space}' prints"
            )
        by_row.setdefault(rows[name], []).append(each)
    values = [statistics.median(m.value for m in group) for group in by_row.values()]
    errors = [[m.std_error for m in group if m.std_error is not None] for group in by_row.values()]
    std_error = [statistics.median(group) if group else 0.0 for group in errors]
    adapted = predictor.adapt(
        list(by_row), values, device, std_error, metric=wanted, check_units=check_units
    )
    return Shipped(adapted)


def _agreed(known: Sequence[ArchCost], asked: Metric | None) -> Metric:
    """The metric of the measurements. Raises OptionError where it is not the one to be taken."""
    named = {each.metric.name for each in known}
    if len(named) > 1:
        raise OptionError(
            f"the measurements are of {' and '.join(sorted(named))}; give those of one metric"
        )
    found = known[0].metric if known else asked or LATENCY
    if asked is None and not found.is_same(LATENCY):
        raise OptionError(
            f"the measurements are of {found.name}, but the shipped pools are of latency; ask for "
            f"metric='{found.name}' (hwprof adapt --metric {found.name}) to predict it with the "
            "shape of latencies"
        )
    if asked is not None and not found.is_same(asked):
        raise OptionError(
            f"the measurements are of {found.name} in {found.words}, but {asked.name} is asked; "
            "give measurements of it"
        )
    return found


def load_adapted(path: Path) -> Shipped:
    """Read what `Shipped.save` wrote. Raises TableError for any other file."""
    return Shipped(AdaptedFewShot.load(path))


@dataclass(frozen=True, slots=True)
class Shipped:
    """A predictor for one device that is asked by the names of architectures."""

    adapted: AdaptedFewShot

    @property
    def metric(self) -> Metric:
        """What it predicts."""
        return self.adapted.metric

    @property
    def pool_metric(self) -> Metric:
        """What is known of the pool's devices: another metric lends its shape."""
        return self.adapted.fitted.metric

    def save(self, path: Path) -> None:
        """Write the predictor. Raises TableError if the path cannot be written."""
        self.adapted.save(path)

    @property
    def warnings(self) -> tuple[str, ...]:
        """Reasons to trust the intervals less than usual, a sentence each."""
        return self.adapted.warnings

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
        columns = (prediction.mean, prediction.std, low, high)
        finite = np.all([np.isfinite(column) for column in columns], axis=0)
        if not finite.all():
            first = archs[int(np.argmin(finite))]
            raise TableError(
                f"the predictor gives no {self.metric.name} for '{first}', so its file is damaged; "
                "adapt to the measurements again"
            )
        return [
            Answer(arch, mean, std, below, above, self.metric)
            for arch, mean, std, below, above in zip(
                archs, *(column.tolist() for column in columns), strict=True
            )
        ]


def _rows_by_name(predictor: FewShotPredictor) -> dict[str, int]:
    return {name: row for row, name in enumerate(predictor.fitted.names or ())}
