"""Few-shot prediction out of the box: pools, measurements from files, answers by name."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike

from hwprof import spaces
from hwprof.errors import OptionError, TableError
from hwprof.metrics import LATENCY, Metric, check_metric
from hwprof.predictors import pools
from hwprof.predictors.fewshot import FewShotPredictor
from hwprof.predictors.fewshot.adapted import AdaptedFewShot
from hwprof.predictors.known import FITTED_ROWS, KnownDevices, known_devices, thinned
from hwprof.predictors.measurements import ArchCost
from hwprof.predictors.naming import need_latency
from hwprof.predictors.repeats import taken_together

__all__ = [
    "FITTED_ROWS",
    "Answer",
    "KnownDevices",
    "Shipped",
    "adapt_shipped",
    "fit_shipped",
    "known_devices",
    "load_adapted",
    "thinned",
    "to_measure",
    "unmeasured",
]


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
    bound: float | None = None
    """The quantile that was asked for, such as what it stays below in nine cases of ten."""

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
    return KnownDevices(spaces.get(space), pools.load(space)).fit()


def to_measure(of: str | KnownDevices, k: int, *, seed: int | None = None) -> list[str]:
    """The k architectures to measure on a new device, best first.

    `of` is a pool, or the space that one ships for. With a `seed`, they are chosen among a random
    half of the pool: another seed gives others. Raises OptionError for a k that is none.
    """
    if k < 1:
        raise OptionError(f"k must be at least 1, but is {k}; 10 are usual")
    if seed is not None and seed < 0:
        raise OptionError(f"a seed must be 0 or more, but is {seed}; any such number will do")
    predictor = _fitted(of)
    names = predictor.fitted.names or ()
    some = None
    if seed is not None:
        order = np.random.default_rng(seed).permutation(len(names))
        some = np.sort(order[: max(len(names) // 2, k)]).tolist()
    return [names[row] for row in predictor.select(k, candidates=some)]


def adapt_shipped(
    of: str | KnownDevices,
    known: Sequence[ArchCost],
    device: str | None = None,
    *,
    metric: Metric | str | None = None,
    check_units: bool = True,
) -> Shipped:
    """Adapt a pool to a device; repeated architectures count with their median.

    `of` is a pool, or the space that one ships for; architectures need not be in it. Measurements
    of another metric than the pool's are predicted with its shape over architectures where `metric`
    says so. Raises OptionError for measurements of another metric than `metric` or, without, than
    the pool's; for what are no architectures of the space; and for values that cannot be right.
    """
    space = spaces.get(of) if isinstance(of, str) else of.space
    own = LATENCY if isinstance(of, str) else of.pool.metric
    wanted = _agreed(known, None if metric is None else check_metric(metric), own)
    # Read before fitting, which takes seconds: what is no architecture is refused at once.
    names = space.texts(space.indices([each.arch for each in known]))
    predictor = _fitted(of)
    groups: dict[str, list[ArchCost]] = {}
    for each, name in zip(known, names, strict=True):
        groups.setdefault(name, []).append(each)
    costs = [
        taken_together([m.value for m in group], [m.std_error for m in group])
        for group in groups.values()
    ]
    values = [value for value, _ in costs]
    # Zero says that nobody knows (`Measured.std_error`).
    std_error = [error or 0.0 for _, error in costs]
    rows = _rows_by_name(predictor)
    architectures: ArrayLike = [rows.get(name, -1) for name in groups]
    if not all(name in rows for name in groups):
        architectures = space.encode(list(groups)).astype(np.float64)
    # Idealised machines have no unit.
    units = check_units and (isinstance(of, str) or not of.idealised)
    adapted = predictor.adapt(
        architectures, values, device, std_error, metric=wanted, check_units=units
    )
    return Shipped(adapted)


def _fitted(of: str | KnownDevices) -> FewShotPredictor:
    return fit_shipped(of) if isinstance(of, str) else of.fit()


def _agreed(known: Sequence[ArchCost], asked: Metric | None, pool: Metric) -> Metric:
    """The metric of the measurements. Raises OptionError where it is not the one to be taken."""
    named = {each.metric.name for each in known}
    if len(named) > 1:
        raise OptionError(
            f"the measurements are of {' and '.join(sorted(named))}; give those of one metric"
        )
    found = known[0].metric if known else asked or pool
    if asked is None and not found.is_same(pool):
        raise OptionError(
            f"the measurements are of {found.name}, but the pool is of {pool.name}; ask for "
            f"metric='{found.name}' (hwprof adapt --metric {found.name}) to predict it with the "
            f"shape that {pool.name} has over architectures"
        )
    if asked is not None and not found.is_same(asked):
        raise OptionError(
            f"the measurements are of {found.name} in {found.words}, but {asked.name} is asked; "
            "give measurements of it"
        )
    return found


def unmeasured(of: KnownDevices, like: Sequence[str] | None = None) -> Shipped:
    """What a pool tells of a device of which nothing was measured, or that is `like` some of it.

    Raises OptionError for a device that the pool lacks.
    """
    return Shipped(AdaptedFewShot.unmeasured(of.fit().fitted, like or None))


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
    def answer(
        self,
        archs: Sequence[str] | None = None,
        level: float = 0.9,
        quantile: float | None = None,
    ) -> list[Answer]:
        """Predictions for `archs`, or for every architecture of the pool.

        `level` is of the intervals; with a `quantile`, each answer has it as its `bound`.
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
        bound = high if quantile is None else prediction.quantile(quantile)
        columns = (prediction.mean, prediction.std, low, high, bound)
        finite = np.all([np.isfinite(column) for column in columns], axis=0)
        if not finite.all():
            first = archs[int(np.argmin(finite))]
            raise TableError(
                f"the predictor gives no {self.metric.name} for '{first}', so its file is damaged; "
                "adapt to the measurements again"
            )
        rows = zip(archs, *(column.tolist() for column in columns), strict=True)
        return [
            Answer(arch, mean, std, below, above, self.metric, None if quantile is None else most)
            for arch, mean, std, below, above, most in rows
        ]


def _rows_by_name(predictor: FewShotPredictor) -> dict[str, int]:
    return {name: row for row, name in enumerate(predictor.fitted.names or ())}
