"""One architecture for several devices: the worst of them, a weighted sum, or each.

Shapes: n architectures, m devices.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, Protocol, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hwprof.errors import OptionError
from hwprof.metrics import Metric
from hwprof.predictors.base import FloatArray
from hwprof.search.bounds import Bounds

How = Literal["worst", "weighted", "each"]


class DeviceCost(Protocol):
    """What several devices are joined from: `hwprof.Objective` is one."""

    metric: Metric
    bounds: Bounds

    @property
    def limit(self) -> float | None:
        """The most allowed; None where there is no such limit."""

    def read(self, archs: ArrayLike) -> Any:
        """Architectures as the predictor takes them."""

    def of_read(self, read: Any) -> FloatArray:
        """The cost of what `read` gave, `[n]`."""

    def excess(
        self, read: Any, cost: FloatArray | None = None, *, relative: bool = False
    ) -> FloatArray:
        """How far the cost of what `read` gave lies outside the limits, `[n]`."""

    def probability(self, archs: ArrayLike) -> FloatArray:
        """Probability of meeting the limit, `[n]`."""

    def feasible(self, archs: ArrayLike, level: float = 0.9) -> NDArray[np.bool_]:
        """Whether the limit is met with probability `level`, `[n]`."""


class DeviceObjectives:
    """Cost on several devices: the worst `[n]`, a weighted sum `[n]`, or each `[n, m]`."""

    def __init__(
        self,
        objectives: Mapping[str, DeviceCost],
        *,
        how: How = "worst",
        weights: Mapping[str, float] | None = None,
    ) -> None:
        """Objectives by the name of their device, as `Objective.over` makes them.

        Devices whose objective has no limit are not bounded. `weights` go with `how="weighted"`.
        Raises OptionError for options that cannot be.
        """
        if not objectives:
            raise OptionError("predictors is empty; give at least one, by the device's name")
        if how not in get_args(How):
            raise OptionError(f"unknown how {how!r}; choose among {', '.join(get_args(How))}")
        self.how: How = how
        self.devices = tuple(objectives)
        self._objectives = dict(objectives)
        self.weights = self._weights(weights)

    def device(self, name: str) -> DeviceCost:
        """The objective of one device. Raises OptionError naming the devices there are."""
        self._check(name)
        return self._objectives[name]

    def each(self, archs: ArrayLike) -> FloatArray:
        """Cost on each device, `[n, m]`."""
        # Reading may encode texts: once is enough.
        read = next(iter(self._objectives.values())).read(archs)
        return np.stack([one.of_read(read) for one in self._objectives.values()], axis=1)

    def __call__(self, archs: ArrayLike) -> FloatArray:
        """The worst or the weighted cost `[n]`, or each `[n, m]`."""
        costs = self.each(archs)
        if self.how == "each":
            return costs
        if self.how == "worst":
            worst: FloatArray = costs.max(axis=1)
            return worst
        return costs @ self.weights

    @property
    def bounded(self) -> tuple[str, ...]:
        """Devices that have a limit. Raises OptionError when none has."""
        names = tuple(n for n, one in self._objectives.items() if one.bounds)
        if not names:
            raise OptionError("no device has a limit; give limits= one for all or by device")
        return names

    def violation(self, archs: ArrayLike, *, relative: bool = False) -> FloatArray:
        """`Objective.violation`: of each bounded device, `[n, bounded]`, for `how="each"`, and
        otherwise of the one that is worst off, `[n]`.

        Raises OptionError when no device has a limit.
        """
        bounded = [self._objectives[name] for name in self.bounded]
        read = bounded[0].read(archs)
        excess = np.stack([one.excess(read, relative=relative) for one in bounded], axis=1)
        return excess if self.how == "each" else excess.max(axis=1)

    def probability(self, archs: ArrayLike) -> FloatArray:
        """Probability of meeting the limit on each bounded device, `[n, bounded]`."""
        return np.stack([self._objectives[n].probability(archs) for n in self.bounded], axis=1)

    def feasible(self, archs: ArrayLike, level: float = 0.9) -> NDArray[np.bool_]:
        """Whether every bounded device meets its limit with probability `level`, `[n]`."""
        each = [self._objectives[name].feasible(archs, level) for name in self.bounded]
        every: NDArray[np.bool_] = np.logical_and.reduce(each)
        return every

    def _check(self, name: str) -> None:
        check_device(name, self.devices)

    def _weights(self, weights: Mapping[str, float] | None) -> FloatArray:
        if self.how != "weighted":
            if weights is not None:
                raise OptionError("weights go with how='weighted' alone; leave them out")
            return np.ones(len(self.devices))
        if weights is None:
            raise OptionError("how='weighted' needs weights; give one per device")
        for name in weights:
            self._check(name)
        lacking = [name for name in self.devices if name not in weights]
        if lacking:
            raise OptionError(f"weights lacks {', '.join(lacking)}; give one per device")
        values = np.array([weights[name] for name in self.devices], dtype=np.float64)
        if not (np.isfinite(values).all() and (values >= 0).all() and values.any()):
            raise OptionError("weights must be finite, 0 or more, and not all 0; correct them")
        return values


def check_device(name: str, devices: tuple[str, ...]) -> None:
    """Raise OptionError for a device that is not among `devices`."""
    if name not in devices:
        raise OptionError(f"there is no device {name!r}; choose among {', '.join(devices)}")
