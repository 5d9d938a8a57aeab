"""A pool: architectures described by features, and what each costs on the devices that are known.

The cost is one metric, latency unless said otherwise, in its base unit. Shapes: n architectures,
d features, m devices. A cell that was not measured is NaN; no two devices need to share an
architecture.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import overload

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hwprof.blocks import all_finite, blocks
from hwprof.errors import OptionError
from hwprof.metrics import LATENCY, Metric, check_metric
from hwprof.predictors.naming import named_values, need_latency, values_name
from hwprof.predictors.setting import Setting

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]

# Transfer needs devices to transfer from, and a spread between them.
MIN_DEVICES = 2
# Two cells are the least that show more of a device than its speed.
MIN_CELLS = 2
# Cells named in an error message: enough to find the mistake, few enough to read.
_NAMED = 4


class Flag(StrEnum):
    """What a user of a device's data should know. A closed set."""

    QUANTISED = "quantised"
    """Every value is a multiple of one step of at least 0.5 % of the median: a coarse clock."""
    HEAVY_TAIL = "heavy tail"
    """More than 0.5 % of the cells lie over five interquartile ranges from the median."""
    TIED = "tied"
    """Over half of the cells share their exact value with another one, on no common step: the
    device is a formula rather than a stopwatch."""
    NEAR_ZERO = "near-zero cells"
    """Some cells are below 2 % of the median: relative errors there mean nothing."""


@dataclass(frozen=True, slots=True)
class Quality:
    """Flags of one device's measured cells."""

    device: str
    cells: int
    flags: frozenset[Flag]
    step: float | None
    """The common step in the metric's base unit, when quantised."""
    metric: Metric = LATENCY

    @property
    def step_s(self) -> float | None:
        """The step in seconds. Raises OptionError for another metric than latency."""
        need_latency(self.metric, "step", "step")
        return self.step


@dataclass(frozen=True, slots=True, eq=False)
class DevicePool:
    """What n architectures cost on m known devices.

    Raises OptionError for shapes that do not fit, non-finite features, values that are not
    positive (bad cells are named), repeated names, and fewer than two devices or two cells each.
    """

    features: FloatArray
    """Shape `[n, d]`, any space, any unit."""
    values: FloatArray
    """In the base unit of `metric`, shape `[n, m]`; NaN where unmeasured."""
    devices: tuple[str, ...]
    names: tuple[str, ...] | None = None
    """The architectures' names, n of them, when they have any."""
    metric: Metric = LATENCY
    """What the values are."""
    setting: Setting | None = None
    """Under what they were measured; None where nobody says."""

    @overload
    def __init__(
        self,
        features: ArrayLike,
        values: ArrayLike,
        devices: Sequence[str],
        names: Sequence[str] | None = None,
        *,
        metric: Metric | str = LATENCY,
        setting: Setting | None = None,
    ) -> None: ...

    @overload
    def __init__(
        self,
        features: ArrayLike,
        *,
        latency_s: ArrayLike,
        devices: Sequence[str],
        names: Sequence[str] | None = None,
        setting: Setting | None = None,
    ) -> None: ...

    def __init__(
        self,
        features: ArrayLike,
        values: ArrayLike | None = None,
        devices: Sequence[str] = (),
        names: Sequence[str] | None = None,
        *,
        metric: Metric | str = LATENCY,
        latency_s: ArrayLike | None = None,
        setting: Setting | None = None,
    ) -> None:
        """`metric` is one of `hwprof.metrics`, by name, or one's own; `latency_s` is the name of
        values that are seconds.
        """
        found = check_metric(metric)
        values = named_values(found, values, latency_s)
        set_ = object.__setattr__
        set_(self, "metric", found)
        set_(self, "setting", setting)
        set_(self, "devices", tuple(devices))
        set_(self, "names", None if names is None else tuple(names))
        set_(self, "features", check_features(features))
        set_(self, "values", _frozen(_matrix(values, values_name(found))))
        self._check()

    def _check(self) -> None:
        rows, columns = self.values.shape
        what = values_name(self.metric)
        if rows != self.rows:
            raise OptionError(
                f"{what} must have one row per architecture, but has {rows} rows where "
                f"features has {self.rows}; pass both in the same order"
            )
        if columns != len(self.devices):
            raise OptionError(
                f"{what} must have one column per device, but has {columns} columns for "
                f"{len(self.devices)} devices; pass one name per column"
            )
        if self.names is not None and len(self.names) != rows:
            raise OptionError(
                f"names must have one entry per architecture, but has {len(self.names)} for "
                f"{rows} rows; pass all of them or none"
            )
        if not all(self.devices):
            raise OptionError("devices must be non-empty strings; name every column")
        twice = sorted(name for name, count in Counter(self.devices).items() if count > 1)
        if twice:
            raise OptionError(
                f"devices repeats {', '.join(map(repr, twice))}; give every column its own name"
            )
        if columns < MIN_DEVICES:
            raise OptionError(
                f"a pool needs at least {MIN_DEVICES} devices to learn how devices differ, but "
                f"has {columns}; add measurements of another device"
            )
        if not all(_possible(self.values[part]).all() for part in blocks(rows)):
            bad = ~_possible(self.values)
            cells = [f"{self.label(i)} on {self.devices[j]}" for i, j in np.argwhere(bad)[:_NAMED]]
            values = [f"{self.values[i, j]:g}" for i, j in np.argwhere(bad)[:_NAMED]]
            named = ", ".join(f"{c} = {v}" for c, v in zip(cells, values, strict=True))
            raise OptionError(
                f"{what} must be positive finite {self.metric.words}, or NaN where unmeasured, but "
                f"{int(bad.sum())} cells are not ({named}{_more(int(bad.sum()))}); "
                "correct them or set them to NaN"
            )
        for j, count in enumerate(self.measured.sum(axis=0)):
            if count < MIN_CELLS:
                raise OptionError(
                    f"device {self.devices[j]!r} has {count} measured architectures where at "
                    f"least {MIN_CELLS} are needed; measure more or leave the device out"
                )

    @property
    def latency_s(self) -> FloatArray:
        """The values of a pool of latencies, seconds, shape `[n, m]`; NaN where unmeasured.

        Raises OptionError for a pool of another metric.
        """
        need_latency(self.metric, "pool", "values")
        return self.values

    @property
    def rows(self) -> int:
        """How many architectures."""
        return int(self.features.shape[0])

    @property
    def width(self) -> int:
        """How many features an architecture has."""
        return int(self.features.shape[1])

    @property
    def measured(self) -> BoolArray:
        """Which cells hold a value, shape `[n, m]`."""
        mask: BoolArray = ~np.isnan(self.values)
        return mask

    def label(self, row: int) -> str:
        """How messages call an architecture."""
        return f"row {row}" if self.names is None else f"row {row} ({self.names[row]})"

    def subset(self, devices: Sequence[str]) -> DevicePool:
        """The same architectures on some of the devices, in the order asked for."""
        unknown = [name for name in devices if name not in self.devices]
        if unknown:
            raise OptionError(
                f"the pool has no device {unknown[0]!r}; choose among {', '.join(self.devices)}"
            )
        columns = [self.devices.index(name) for name in devices]
        return DevicePool(
            self.features,
            self.values[:, columns],
            devices,
            self.names,
            metric=self.metric,
            setting=self.setting,
        )

    def quality(self) -> tuple[Quality, ...]:
        """Data-quality flags, one entry per device."""
        return tuple(
            assess(name, self.values[self.measured[:, j], j], self.metric)
            for j, name in enumerate(self.devices)
        )


def check_features(
    features: ArrayLike, width: int | None = None, *, copy: bool = True
) -> FloatArray:
    """Features as float64 `[n, d]`, read-only where copied.

    Raises OptionError unless finite and as wide as `width`.
    """
    matrix = _matrix(features, "features", copy=copy)
    if 0 in matrix.shape:
        raise OptionError(
            f"features must not be empty, but has shape {matrix.shape}; pass at least one "
            "architecture with at least one feature"
        )
    if width is not None and matrix.shape[1] != width:
        raise OptionError(
            f"features must be {width} wide, as the pool was, but is {matrix.shape[1]} wide; "
            "encode the architectures as for the pool"
        )
    if not all_finite(matrix):
        bad = ~np.isfinite(matrix)
        where = ", ".join(f"row {i} feature {j}" for i, j in np.argwhere(bad)[:_NAMED])
        raise OptionError(
            f"features must be finite, but {int(bad.sum())} cells are not "
            f"({where}{_more(int(bad.sum()))}); correct the encoding of these architectures"
        )
    return _frozen(matrix) if copy else matrix


def assess(device: str, values: FloatArray, metric: Metric = LATENCY) -> Quality:
    """Flags of one device from its measured cells, base unit, shape `[r]`."""
    values = np.sort(values)
    median = float(np.median(values))
    step = common_step(values)
    flags = set()
    if step is not None and step >= 0.005 * median:
        flags.add(Flag.QUANTISED)
    elif tied_share(values) > 0.5:
        flags.add(Flag.TIED)
    low, high = np.quantile(values, [0.25, 0.75])
    # Ties may leave no spread between the quartiles: then any other value would count as a tail.
    if high > low and float(np.mean(np.abs(values - median) > 5 * (high - low))) > 0.005:
        flags.add(Flag.HEAVY_TAIL)
    if values[0] < 0.02 * median:
        flags.add(Flag.NEAR_ZERO)
    found = step if Flag.QUANTISED in flags else None
    return Quality(device, int(values.size), frozenset(flags), found, metric)


def tied_share(values: FloatArray) -> float:
    """Share of the values that equal another one to single precision, shape `[r]` -> 0..1."""
    _, counts = np.unique(np.float32(values), return_counts=True)
    return float(counts[counts > 1].sum() / max(values.size, 1))


def common_step(values: FloatArray) -> float | None:
    """The step of which all values are multiples, in their unit; None where there is none."""
    distinct = np.unique(np.float32(values)).astype(np.float64)
    # Few values are multiples of something by chance.
    if distinct.size < 5:
        return None
    gaps = np.diff(distinct)
    gaps = gaps[gaps > 1e-5 * distinct[-1]]  # single precision leaves dust between equal values
    if gaps.size == 0:
        return None
    step = float(gaps.min())
    ratio = values / step
    return step if bool(np.all(np.abs(ratio - np.round(ratio)) < 0.02)) else None


def _more(count: int) -> str:
    return ", ..." if count > _NAMED else ""


def _possible(values: FloatArray) -> BoolArray:
    """Which cells hold what a metric can be, or nothing."""
    possible: BoolArray = np.isnan(values) | ((values > 0) & np.isfinite(values))
    return possible


def _matrix(value: ArrayLike, what: str, *, copy: bool = True) -> FloatArray:
    try:
        matrix = np.array(value, dtype=np.float64, copy=copy or None)
    except (TypeError, ValueError) as error:
        raise OptionError(
            f"{what} must be a matrix of numbers ({error}); pass a 2-d array"
        ) from error
    if matrix.ndim != 2:
        raise OptionError(f"{what} must be 2-d, but has shape {matrix.shape}; pass a 2-d array")
    return matrix


def _frozen(array: FloatArray) -> FloatArray:
    array.setflags(write=False)
    return array
