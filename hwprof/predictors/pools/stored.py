"""A pool with all that its file holds: what was measured, and where each device's figures are from.

Shapes: n architectures, m devices.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hwprof.errors import OptionError
from hwprof.predictors.pool import DevicePool

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class TableFile:
    """A table that rows came from."""

    name: str
    """Without its folder, which is nobody's business."""
    sha256: str | None = None
    """None where another process had the table open, so that part of it lay beside the file."""


@dataclass(frozen=True, slots=True)
class DeviceSource:
    """Where one device's column comes from."""

    name: str
    """In the pool."""
    fingerprint: str
    slug: str
    asked: str
    """What `hwprof measure --device` takes for it: name and options, all but the threads."""
    hardware: str
    """Accelerator or processor."""
    runtime: str
    runtime_version: str
    rows: int
    """Measurements that its cells were made of."""
    first: str
    """When the earliest of them was made, ISO 8601."""
    last: str
    hwprof_versions: tuple[str, ...]
    origins: tuple[str, ...]
    """`measured`, and others where they were asked for."""
    contended: int
    """Of its measurements, those whose machine was busy otherwise."""
    noisy: int
    """Those whose samples or restarts scattered."""
    tables: tuple[TableFile, ...]


@dataclass(frozen=True, slots=True, eq=False)
class StoredPool:
    """What a file holds. Raises OptionError for parts that do not fit each other."""

    space: str
    pool: DevicePool
    std_error: FloatArray | None = None
    """Standard errors of the cells, base unit, `[n, m]`; NaN where unknown. None: nowhere known."""
    devices: tuple[DeviceSource, ...] = ()
    """One per device of the pool, in its order; none where nobody says."""
    source: str = ""
    """Where the figures come from, in words."""

    def __post_init__(self) -> None:
        pool = self.pool
        if self.std_error is not None:
            if self.std_error.shape != pool.values.shape:
                raise OptionError(
                    f"std_error must be as the values, {list(pool.values.shape)}, but is "
                    f"{list(self.std_error.shape)}; give one per cell, NaN where unknown"
                )
            known = self.std_error[~np.isnan(self.std_error)]
            if not (np.isfinite(known) & (known >= 0)).all():
                raise OptionError("std_error must be finite and not negative; correct it")
        if self.devices and tuple(device.name for device in self.devices) != pool.devices:
            raise OptionError(
                "the devices' sources must be in the order of the pool's devices; give one for "
                "each, or none"
            )
        if any(
            each.rows < 1
            or not 0 <= each.contended <= each.rows
            or not 0 <= each.noisy <= each.rows
            for each in self.devices
        ):
            raise OptionError(
                "a device's source needs measurements, of which some may be contended or noisy; "
                "correct their numbers"
            )
        if pool.setting is not None and pool.setting.space != self.space:
            raise OptionError(
                f"the pool was measured on architectures of {pool.setting.space}, not of "
                f"{self.space}; name its own space"
            )

    @property
    def repeat_noise(self) -> tuple[float | None, ...]:
        """Median relative standard error of each device's cells; None where none is known."""
        if self.std_error is None:
            return (None,) * len(self.pool.devices)
        relative = self.std_error / self.pool.values
        known = [column[~np.isnan(column)] for column in relative.T]
        return tuple(float(np.median(each)) if each.size else None for each in known)
