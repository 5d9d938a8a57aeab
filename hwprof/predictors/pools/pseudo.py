"""A pool for a space of which nothing was measured: idealised machines stand for devices.

Each is limited by one thing that a space counts: arithmetic, traffic, the number of operators, and
so on (`Space.analytic`). How a real device mixes them is what its measurements tell.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from hwprof import spaces
from hwprof.errors import OptionError
from hwprof.metrics import LATENCY, Metric
from hwprof.predictors.pool import MIN_DEVICES, DevicePool

# Architectures of the pool, drawn evenly; more take longer and tell nothing new.
ROWS = 1000
# Machines that are told apart from one another by more than this share of their values count.
_SAME = 1e-3


def pseudo_pool(
    space: str, *, metric: Metric = LATENCY, rows: int = ROWS, seed: int = 0
) -> DevicePool:
    """Architectures of `space`, and what each costs on machines that are made up of one limit.

    A machine's values are relative to its mean: only their proportions mean anything, and units
    cannot be checked against them. Architectures are drawn with `seed`. Raises OptionError for a
    space that counts too little to tell two machines apart.
    """
    if seed < 0:
        raise OptionError(f"a seed must be 0 or more, but is {seed}; any such number will do")
    known = spaces.get(space)
    archs = known.sample(rows, np.random.default_rng(seed))
    archs = np.unique(archs, axis=0)
    names: list[str] = []
    columns: list[NDArray[np.float64]] = []
    for name, column in zip(known.analytic_names, known.analytic(archs).T, strict=True):
        # A device needs some time for whatever it runs: a layer that has none of one kind is not
        # done in no time.
        mean = float(column.mean())
        if mean <= 0 or not (column > 0).all():
            continue
        relative = column / mean
        if any(float(np.abs(relative / other - 1).max()) < _SAME for other in columns):
            continue
        names.append(f"idealised {name}")
        columns.append(relative)
    if len(columns) < MIN_DEVICES:
        raise OptionError(
            f"no pool ships for {space}, and the space counts too little to make one up; measure "
            "architectures on two devices or more, and give 'hwprof pool make' their tables"
        )
    features = known.encode(archs).astype(np.float64)
    return DevicePool(features, np.stack(columns, axis=1), names, known.texts(archs), metric=metric)
