"""What a prediction starts from: a pool that ships, one's own, or idealised machines."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from hwprof import spaces
from hwprof.errors import OptionError
from hwprof.metrics import LATENCY, Metric
from hwprof.predictors import pools
from hwprof.predictors.fewshot import FewShotPredictor
from hwprof.predictors.fitting import fit_cached
from hwprof.predictors.pool import DevicePool
from hwprof.predictors.pools.pseudo import pseudo_pool
from hwprof.predictors.setting import Setting
from hwprof.spaces.base import Space

# Fitting takes time with the cube of this; beyond some hundred architectures per device the
# prediction of new devices gains nothing on NAS-Bench-201 (100: .959, 900: .960 mean Spearman).
FITTED_ROWS = 1000


@dataclass(frozen=True, slots=True, eq=False)
class KnownDevices:
    """A pool, and whose architectures it holds. Make it with `known_devices`."""

    space: Space
    pool: DevicePool
    file: Path | None = None
    """Where it was read from; None for a pool that ships, and for idealised machines."""
    idealised: bool = False
    """Whether no device of it was ever measured."""
    announce: Callable[[], object] | None = None
    """Called before a fit that takes seconds."""

    @property
    def says(self) -> str:
        """What it is, a sentence without its end."""
        size = f"{self.pool.rows} architectures on {len(self.pool.devices)} devices"
        if self.idealised:
            return (
                f"no pool of {self.space.name} is given or ships: {len(self.pool.devices)} "
                "idealised machines stand for devices, so that intervals are a guess; 'hwprof pool "
                "make' makes one of what you measured"
            )
        where = "that ships" if self.file is None else f"of '{self.file}'"
        return f"the pool {where}: {size}, {self.pool.metric.name}"

    def check_setting(self, measured: Setting | None, asked: Collection[str] = ()) -> None:
        """Raise OptionError where measurements are of another setting than the pool's.

        What is not known of either is not compared, nor are the parts that `asked` names: whoever
        names a batch of 8 for a pool of batch 1 means its shape over architectures.
        """
        own = self.pool.setting
        if own is None or measured is None:
            return
        apart = [each for each in own.differences(measured) if each.partition(" ")[0] not in asked]
        if apart:
            raise OptionError(
                f"the pool and the measurements differ: {'; '.join(apart)}; measure as the pool "
                "was, or name what is meant (--batch, --resolution, --precision, --threads) to "
                "take the pool's shape over architectures for it"
            )

    def fit(self) -> FewShotPredictor:
        """The few-shot predictor of this pool; takes seconds where it was not fitted before."""
        return fit_cached(
            thinned(self.pool, FITTED_ROWS), self.space.similarity(), announce=self.announce
        )


def known_devices(
    space: str | None = None,
    pool: Path | str | None = None,
    *,
    metric: Metric = LATENCY,
    seed: int = 0,
    announce: Callable[[], object] | None = None,
) -> KnownDevices:
    """The pool in a file, else that which ships for `space`, else idealised machines.

    These are of any `metric`, and of architectures that `seed` draws. `announce` is called before a
    fit that takes seconds. Raises TableError for a file
    that is no pool, and OptionError for a space that is not known, is not that of the pool, or
    counts too little to stand in for measurements.
    """
    if pool is not None:
        path = Path(pool)
        stored = pools.read_stored(path)
        if space is not None and space != stored.space:
            raise OptionError(
                f"the pool '{path}' is of {stored.space}, not of {space}; leave --space out, or "
                "give another pool"
            )
        return KnownDevices(spaces.get(stored.space), stored.pool, path, announce=announce)
    if space is None:
        raise OptionError("name a search space with --space, or a pool's file with --pool")
    if space in pools.names():
        return KnownDevices(spaces.get(space), pools.load(space), announce=announce)
    form = spaces.get(space)
    machines = pseudo_pool(space, metric=metric, seed=seed)
    return KnownDevices(form, machines, idealised=True, announce=announce)


def thinned(pool: DevicePool, rows: int) -> DevicePool:
    """The pool with the values of at most `rows` architectures, chosen at random, seeded.

    All architectures stay in it and can be asked for.
    """
    if pool.rows <= rows:
        return pool
    order = np.random.default_rng(0).permutation(pool.rows)
    there = pool.measured[order]
    # Each device's first cells come first: one with few keeps them.
    place = np.where(there, there.cumsum(axis=0), pool.rows + 1).min(axis=1)
    kept = order[np.argsort(place, kind="stable")[:rows]]
    values = np.full_like(pool.values, np.nan)
    values[kept] = pool.values[kept]
    return DevicePool(
        *(pool.features, values, pool.devices, pool.names), metric=pool.metric, setting=pool.setting
    )
