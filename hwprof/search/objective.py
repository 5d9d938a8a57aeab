"""What a search minimises or bounds: the predicted cost of architectures on a device.

Shapes: n architectures, p positions of a space, d features.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from copy import copy
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hwprof.errors import OptionError
from hwprof.metrics import LATENCY, Metric, metric_of
from hwprof.predictors.base import (
    AdaptedPredictor,
    FloatArray,
    Prediction,
    metric_told,
    of_any_metric,
)
from hwprof.search.architectures import Architectures
from hwprof.search.bounds import Bounds
from hwprof.search.cache import RowCache
from hwprof.search.devices import DeviceObjectives, How, check_device

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
        predictor: AdaptedPredictor | Mapping[str, AdaptedPredictor] | None = None,
        *,
        metric: str | None = None,
        statistic: Statistic = "mean",
        limit: float | str | None = None,
        at_least: float | str | None = None,
        encode: Callable[[Any], ArrayLike] | None = None,
        space: object | None = None,
        cache_size: int = 0,
    ) -> None:
        """Cost `metric` by `predictor`, or by one of several by metric.

        A predictor alone has its own metric and units; of several, latency is taken unless `metric`
        names another. A predictor that does not know metrics says latency: the name that it stands
        under is believed. FLOPs, parameters, activation bytes and compute intensity come from
        `space` where no predictor is named for them. `statistic` is the mean or a quantile from 0
        to 1: a high one errs on the safe side. `limit` is the most allowed and `at_least` the
        least, in base units or a text such as `15ms`; of a quantile q, `at_least` is held against
        the quantile 1 - q, so that both are met with probability q. `encode` turns
        what is neither feature rows nor rows of the pool into one of them. `cache_size` values are
        remembered: none by default, since a genetic search of 10,000 rows, 43 % of them new, gains
        0.01 to 0.04 s.

        Raises OptionError for a metric that nothing tells, and options that cannot be.
        """
        self.metric: Metric = metric_told(predictor) if metric is None else metric_of(metric)
        self.space = None if space is None else Architectures.of(space)
        self.predictor = self._chosen(predictor)
        if metric_told(self.predictor).name == self.metric.name:
            # A metric of one's own comes with its units.
            self.metric = metric_told(self.predictor)
        self.statistic = _checked_statistic(statistic)
        self.bounds = Bounds.of(self.metric, limit, at_least)
        self.encode = encode
        if cache_size < 0:
            raise OptionError(f"cache_size must be 0 or more, but is {cache_size}; 0 keeps nothing")
        self.cache = RowCache(cache_size) if cache_size else None

    @classmethod
    def over(
        cls,
        predictors: Mapping[str, AdaptedPredictor | Mapping[str, AdaptedPredictor]],
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
        if self.predictor is None:
            return bounds.holds(self.of_read(read)).astype(np.float64)
        prediction = self.prediction(read)
        above = 1.0 if bounds.at_most is None else prediction.cdf(bounds.at_most)
        below = 0.0 if bounds.at_least is None else prediction.cdf(bounds.at_least)
        return np.asarray(above - below, dtype=np.float64)

    def feasible(self, archs: ArrayLike, level: float = 0.9) -> BoolArray:
        """Whether the limit is met with probability `level` at least, `[n]`.

        Raises OptionError when no limit was given, or unless 0 < level < 1.
        """
        if not 0 < level < 1:
            raise OptionError(f"level must lie between 0 and 1, but is {level}; 0.9 is usual")
        return self.probability(archs) >= level

    def moments(self, archs: ArrayLike) -> tuple[FloatArray, FloatArray]:
        """Mean and standard deviation, each `[n]`; what the space tells is certain."""
        read = self.read(archs)
        if self.predictor is None or len(read) == 0:
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
        if bounds.at_least is not None and chance != "mean" and self.predictor is not None:
            low_cost = (
                of_any_metric(self.prediction(read)).quantile(1 - chance) if len(cost) else cost
            )
        return bounds.violation(cost, low_cost, relative=relative)

    def prediction(self, read: NDArray[Any]) -> Prediction:
        """The prediction for what `read` gave. Raises OptionError where the space alone tells."""
        if self.predictor is None:
            raise OptionError(f"{self.metric.name} is not predicted; use the value itself")
        return self.predictor.predict(self._input(read))

    def _input(self, read: NDArray[Any]) -> NDArray[Any]:
        chosen = read.ndim == 2 and read.dtype.kind in "iu"
        return self.space.features(read) if chosen and self.space is not None else read

    def _compute(self, read: NDArray[Any]) -> FloatArray:
        if self.predictor is None:
            if self.space is None or read.ndim != 2 or read.dtype.kind == "f":
                raise OptionError(
                    f"{self.metric.name} is told by the space alone; give texts or rows of choices"
                )
            return self.space.cost(read, self.metric.name)
        prediction = of_any_metric(self.prediction(read))
        # The mean is one matrix product; only a quantile needs the distribution.
        if self.statistic == "mean":
            return prediction.mean
        return prediction.quantile(float(self.statistic))

    def _chosen(
        self, predictor: AdaptedPredictor | Mapping[str, AdaptedPredictor] | None
    ) -> AdaptedPredictor | None:
        name = self.metric.name
        named = isinstance(predictor, Mapping) and name in predictor
        alone = isinstance(predictor, AdaptedPredictor) and metric_told(predictor).name == name
        if self.metric.of_space and not named and not alone:
            if self.space is None:
                raise OptionError(f"{name} is told by a space; pass space=")
            return None
        if isinstance(predictor, Mapping):
            if not named:
                known = ", ".join(map(str, predictor)) or "none"
                raise OptionError(
                    f"there is no predictor for {name!r} (there is {known}); ask for one of those "
                    "or adapt one to it"
                )
            predictor = predictor[name]
        if not isinstance(predictor, AdaptedPredictor):
            raise OptionError(
                f"predictor must be one that is adapted to a device, but is "
                f"{type(predictor).__name__}; pass what adapt() gives, or a mapping from metric "
                "to it"
            )
        own = metric_told(predictor)
        if own.name != name and not (named and own.is_same(LATENCY)):
            raise OptionError(
                f"the predictor is of {own.name}, but {name} is asked; if it was adapted to {name} "
                f"without being told so, pass {{{name!r}: predictor}}"
                if own.is_same(LATENCY)
                else f"the predictor is of {own.name} in {own.words}, but {name} is asked; pass "
                f"one of {name}, or ask for {own.name}"
            )
        return predictor

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
