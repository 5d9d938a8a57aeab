"""What a search minimises or bounds: the cost of architectures on a device, whoever tells it.

Shapes: n architectures, p positions of a space, d features.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from copy import copy
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hwprof.errors import OptionError
from hwprof.metrics import Metric, metric_of
from hwprof.predictors.base import (
    AdaptedPredictor,
    FloatArray,
    IntArray,
    Prediction,
    of_any_metric,
)
from hwprof.search.architectures import Architectures
from hwprof.search.bounds import Bounds
from hwprof.search.cache import RowCache
from hwprof.search.devices import DeviceObjectives, How, check_device
from hwprof.search.estimators.base import Estimator, Kind
from hwprof.search.tellers import Teller, chosen, metric_of_teller

Statistic = Literal["mean"] | float
Limits = Mapping[str, float | str] | float | str | None
BoolArray = NDArray[np.bool_]


class Objective:
    """Cost of a batch of architectures, `[n]`, in base units: seconds, joules, bytes, counts.

    Architectures are texts or rows of choices `[n, p]` (with `space`), rows of the pool `[n]`,
    or feature rows, floats `[n, d]`; one text alone is a batch of one.
    """

    def __init__(
        self,
        predictor: Teller | Mapping[str, Teller] | None = None,
        *,
        metric: str | None = None,
        statistic: Statistic = "mean",
        limit: float | str | None = None,
        at_least: float | str | None = None,
        encode: Callable[[Any], ArrayLike] | None = None,
        space: object | None = None,
        cache_size: int = 0,
    ) -> None:
        """Cost `metric` by `predictor` (or an estimator: a table of measured values, costs that add
        up, a roofline, a device), or by one of several by metric.

        A predictor alone has its own metric and units; of several, latency is taken unless `metric`
        names another. A predictor that does not know metrics says latency: the name that it stands
        under is believed. FLOPs, parameters, activation bytes and compute intensity come from
        `space` where no predictor is named for them. `statistic` is the mean or a quantile from 0
        to 1: a high one errs on the safe side, where costs have a distribution. `limit` is the most
        allowed and `at_least` the least, in base units or a text such as `15ms`; of a quantile q,
        `at_least` is held against the quantile 1 - q: each is met with probability q, both together
        with 2 q - 1 at least (`feasible` asks for both). `encode` turns what is neither feature
        rows nor rows of the pool into one of them. `cache_size` values are remembered: none by
        default, since a genetic search of 10,000 rows, 43 % of them new, gains 0.01 to 0.04 s.

        Raises OptionError for a metric that nothing tells, and options that cannot be.
        """
        self.metric: Metric = metric_of_teller(predictor) if metric is None else metric_of(metric)
        self.space = None if space is None else Architectures.of(space)
        teller = chosen(predictor, self.metric, self.space)
        self.estimator = teller if isinstance(teller, Estimator) else None
        """What tells the cost, where that is no predictor."""
        self.predictor = teller if isinstance(teller, AdaptedPredictor) else None
        if self.estimator is not None:
            self.space = self.estimator.space
        if metric_of_teller(teller).name == self.metric.name:
            # A metric of one's own comes with its units.
            self.metric = metric_of_teller(teller)
        self.statistic = _checked_statistic(statistic)
        if self.estimator is not None and self.statistic != "mean":
            # One that has no distribution says so now, and not in the midst of a search.
            self.estimator.distribution(np.zeros((0, len(self.estimator.space.sizes)), np.int64))
        self.bounds = Bounds.of(self.metric, limit, at_least)
        self.encode = encode
        if cache_size < 0:
            raise OptionError(f"cache_size must be 0 or more, but is {cache_size}; 0 keeps nothing")
        self.cache = RowCache(cache_size) if cache_size else None

    @classmethod
    def over(
        cls,
        predictors: Mapping[str, Teller | Mapping[str, Teller]],
        *,
        how: How = "worst",
        weights: Mapping[str, float] | None = None,
        limits: Limits = None,
        at_least: Limits = None,
        **options: Any,
    ) -> DeviceObjectives:
        """Several devices at once, from predictors by the name of their device.

        `limits` and `at_least` are by device, or one for all; devices without a limit are not
        bounded. `how` and `weights` are those of `DeviceObjectives`, all else as in `Objective`.
        Raises OptionError for options that cannot be, and for predictors of different metrics
        unless `how="each"` keeps them apart; for several metrics of a device see `Goals.over`.
        """
        devices = tuple(predictors)
        most, least = (
            given if isinstance(given, Mapping) else dict.fromkeys(devices, given)
            for given in (limits, at_least)
        )
        for name in (*most, *least):
            check_device(name, devices)
        objectives = {
            name: cls(predictor, limit=most.get(name), at_least=least.get(name), **options)
            for name, predictor in predictors.items()
        }
        metrics = {one.metric.name for one in objectives.values()}
        if len(metrics) > 1 and how != "each":
            raise OptionError(
                f"the devices are predicted in different metrics ({', '.join(sorted(metrics))}); "
                "give predictors of one, or how='each'"
            )
        return DeviceObjectives(objectives, how=how, weights=weights)

    @property
    def kind(self) -> Kind:
        """What stands behind the cost: `measured`, `table`, `additive`, `analytical`, `learned`, or
        `counted` for what the space alone tells."""
        if self.estimator is not None:
            return self.estimator.kind
        return "counted" if self.predictor is None else "learned"

    def covered(self, archs: ArrayLike) -> BoolArray:
        """Which costs come from what is named, `[n]`, and not from its substitute for what it lacks
        (`Estimator.covered`)."""
        read = self.read(archs)
        if self.estimator is None or len(read) == 0:
            return np.ones(len(read), dtype=np.bool_)
        return self.estimator.covered(self._rows(read))

    def __call__(self, archs: ArrayLike) -> FloatArray:
        """The cost, `[n]`. Raises OptionError for what are no architectures."""
        return self.of_read(self.read(archs))

    @property
    def limit(self) -> float | None:
        """The most allowed, in base units; None where there is no such limit."""
        return self.bounds.at_most

    @property
    def at_least(self) -> float | None:
        """The least allowed, in base units; None where there is no such limit."""
        return self.bounds.at_least

    def within(
        self, limit: float | str | None = None, at_least: float | str | None = None
    ) -> Objective:
        """The same objective with these limits alone. Raises OptionError as making one does."""
        other = copy(self)
        other.bounds = Bounds.of(self.metric, limit, at_least)
        return other

    def violation(self, archs: ArrayLike, *, relative: bool = False) -> FloatArray:
        """Cost minus limit, or `at_least` minus cost, `[n]`, at most 0 where the limit is met.

        With both limits it is the greater of the two. `relative` gives shares of the limits, which
        compare across metrics. Raises OptionError when no limit was given.
        """
        return self.excess(self.read(archs), relative=relative)

    def probability(self, archs: ArrayLike) -> FloatArray:
        """Probability of meeting the limit, `[n]`. Raises OptionError when none was given."""
        bounds = self.bounds.need()
        read = self.read(archs)
        if len(read) == 0:
            return np.zeros(0)
        if self.kind == "counted":
            return bounds.holds(self.of_read(read)).astype(np.float64)
        prediction = self.prediction(read)
        above = 1.0 if bounds.at_most is None else prediction.cdf(bounds.at_most)
        below = 0.0 if bounds.at_least is None else prediction.cdf(np.nextafter(bounds.at_least, 0))
        return np.asarray(above - below, dtype=np.float64)

    def feasible(self, archs: ArrayLike, level: float = 0.9) -> BoolArray:
        """Whether the limit is met with probability `level` at least, `[n]`.

        Raises OptionError when no limit was given, or unless 0 < level < 1.
        """
        if not 0 < level < 1:
            raise OptionError(f"level must lie between 0 and 1, but is {level}; 0.9 is usual")
        return self.probability(archs) >= level

    def moments(self, archs: ArrayLike) -> tuple[FloatArray, FloatArray]:
        """Mean and standard deviation, each `[n]`.

        What the space tells is certain; the deviation is NaN where none is known, as of costs that
        are worked out or looked up without their error.
        """
        read = self.read(archs)
        if len(read) == 0:
            return np.zeros(0), np.zeros(0)
        if self.estimator is not None:
            return self.estimator.moments(self._rows(read))
        if self.predictor is None:
            value = self.of_read(read)
            return value, np.zeros(len(value))
        prediction = of_any_metric(self.prediction(read))
        return prediction.mean, prediction.std

    def check_reachable(self, candidates: ArrayLike) -> int:
        """How many candidates meet the limit.

        Raises OptionError that names the best when none does, and when no limit was given.
        """
        read = self.read(candidates)
        if len(read) == 0:
            raise OptionError("candidates must not be empty; give at least one architecture")
        cost = self.of_read(read)
        outside = self.excess(read, cost)
        within = int((outside <= 0).sum())
        if within == 0:
            best = int(outside.argmin())
            raise OptionError(
                f"no candidate meets the {self.metric.name} limit of {self.bounds.words}: the best "
                f"is {self.metric.show(float(cost[best]))} ({self._label(read, best)}); "
                f"{self.bounds.advice} or widen the candidates"
            )
        return within

    def need_limit(self) -> float:
        """The most allowed, in base units. Raises OptionError when there is no such limit."""
        if self.limit is None:
            raise OptionError(
                f"this objective has no limit; give one, such as limit='{self.metric.example}'"
            )
        return self.limit

    def read(self, archs: ArrayLike) -> NDArray[Any]:
        """Architectures as one array: canonical rows of choices `[n, p]`, rows of the pool `[n]`
        (both integers) or features `[n, d]` (floats). Raises OptionError for anything else.
        """
        given: Any = [archs] if isinstance(archs, str) else archs
        array = np.asarray(given)
        if array.size == 0:
            return np.zeros(0, dtype=np.int64)
        if array.dtype.kind == "f" and array.ndim == 2:
            return array
        if array.dtype.kind in "iu" and array.ndim == 1:
            return array
        if self.encode is not None:
            encoded = np.asarray(self.encode(given))
            if (encoded.ndim, encoded.dtype.kind) not in ((2, "f"), (1, "i")):
                raise OptionError(
                    f"encode must give feature rows (floats [n, d]) or rows of the pool (integers "
                    f"[n]), but gave {encoded.dtype} of shape {encoded.shape}; correct it"
                )
            return encoded
        if self.space is None:
            raise OptionError(
                f"architectures of type {array.dtype} and shape {array.shape} need a space to be "
                "read; pass space= or encode=, or give feature rows [n, d] or rows of the pool [n]"
            )
        return self.space.indices(given)

    def of_read(self, read: NDArray[Any]) -> FloatArray:
        """The cost of what `read` gave, `[n]`."""
        if len(read) == 0:
            return np.zeros(0)
        return self._compute(read) if self.cache is None else self.cache.values(read, self._compute)

    def excess(
        self, read: NDArray[Any], cost: FloatArray | None = None, *, relative: bool = False
    ) -> FloatArray:
        """`violation` of what `read` gave, whose `cost` may be known already, `[n]`."""
        bounds = self.bounds.need()
        cost = self.of_read(read) if cost is None else cost
        low_cost = None
        chance = self.statistic
        if bounds.at_least is not None and chance != "mean" and self.kind != "counted":
            low_cost = (
                of_any_metric(self.prediction(read)).quantile(1 - chance) if len(cost) else cost
            )
        return bounds.violation(cost, low_cost, relative=relative)

    def prediction(self, read: NDArray[Any]) -> Prediction:
        """The prediction for what `read` gave.

        Raises OptionError where the space alone tells, and for costs without a distribution.
        """
        if self.estimator is not None:
            return self.estimator.distribution(self._rows(read))
        if self.predictor is None:
            raise OptionError(f"{self.metric.name} is not predicted; use the value itself")
        return self.predictor.predict(self._input(read))

    def _input(self, read: NDArray[Any]) -> NDArray[Any]:
        chosen = read.ndim == 2 and read.dtype.kind in "iu"
        return self.space.features(read) if chosen and self.space is not None else read

    def _rows(self, read: NDArray[Any]) -> IntArray:
        """Rows of choices, for what takes nothing else. Raises OptionError for anything else."""
        if self.space is None or read.ndim != 2 or read.dtype.kind == "f":
            who = "the space alone" if self.estimator is None else f"its {self.kind} costs"
            raise OptionError(f"{self.metric.name} is told by {who}; give texts or rows of choices")
        return read

    def _compute(self, read: NDArray[Any]) -> FloatArray:
        if self.estimator is not None and self.statistic == "mean":
            return self.estimator.cost(self._rows(read))
        if self.kind == "counted":
            rows = self._rows(read)
            assert self.space is not None
            return self.space.cost(rows, self.metric.name)
        prediction = of_any_metric(self.prediction(read))
        # The mean is one matrix product; only a quantile needs the distribution.
        if self.statistic == "mean":
            return prediction.mean
        return prediction.quantile(float(self.statistic))

    def _label(self, read: NDArray[Any], i: int) -> str:
        if read.ndim == 2 and read.dtype.kind in "iu" and self.space is not None:
            return self.space.texts(read[i : i + 1])[0]
        return f"row {read[i]} of the pool" if read.ndim == 1 else f"candidate {i}"


def _checked_statistic(statistic: object) -> Statistic:
    if statistic == "mean":
        return "mean"
    if isinstance(statistic, int | float) and 0 < statistic < 1:
        return float(statistic)
    raise OptionError(
        f"statistic must be 'mean' or a quantile between 0 and 1, but is {statistic!r}; "
        "0.9 errs on the safe side"
    )
