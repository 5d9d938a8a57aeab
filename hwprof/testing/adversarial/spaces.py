"""Worlds whose architectures are of known spaces, or of none: cells, block networks, a model zoo.

Latencies are made up, so that nothing depends on those that ship.
"""

from __future__ import annotations

from functools import cache

import numpy as np

from hwprof import spaces
from hwprof.predictors.base import FloatArray
from hwprof.predictors.pool import DevicePool
from hwprof.spaces.cells import LiveBasis
from hwprof.spaces.fbnet import block_tables
from hwprof.testing.adversarial.world import World, pool_of, rng_of

ROWS = 500
NEW = 4
_NOISE = 0.03
_KNOWN = 8
_ZOO_ROWS, _ZOO_DEVICES, _ZOO_NOISE = 400, 8, 0.03
# What a model costs on every device and its features do not tell, as a factor's log deviation.
_ZOO_UNTOLD = 0.1

# Time of an operation of a cell relative to a 3x3 convolution: none (written as a product with
# zero), skip, convolutions, pooling.
_CELL_COSTS = np.array([0.08, 0.03, 0.3, 1.0, 0.35])
_CELL_EDGES = np.array([(0, 1), (0, 2), (1, 2), (0, 3), (1, 3), (2, 3)])


def _speeds(count: int, rng: np.random.Generator) -> FloatArray:
    speeds: FloatArray = 10.0 ** rng.uniform(-3, -2, count)
    return speeds


def _sampled(name: str) -> FloatArray:
    """Features of distinct architectures of a space, `[n, d]`."""
    space = spaces.get(name)
    rows = np.unique(space.sample(2 * ROWS, rng_of(name)), axis=0)
    kept = np.sort(rng_of(name, "kept").choice(len(rows), ROWS, replace=False))
    return space.encode(rows[kept]).astype(np.float64)


@cache
def _cells() -> tuple[DevicePool, FloatArray, FloatArray, FloatArray]:
    """A pool of cells whose last device drops dead operations; latencies of new devices that run
    such operations and of new ones that drop them, `[n, t]` each; work `[n]`."""
    features = _sampled("nasbench201")
    chosen = features.reshape(ROWS, len(_CELL_EDGES), -1)
    executed = chosen.sum(axis=1)
    live = LiveBasis(_CELL_EDGES)(features)
    used, joined = live[:, :-1], live[:, -1]

    def latencies(count: int, dropping: bool, rng: np.random.Generator) -> FloatArray:
        cost = _CELL_COSTS[:, None] * np.exp(0.5 * rng.standard_normal((5, count)))
        whole = 0.3 * np.exp(0.3 * rng.standard_normal(count)) * cost[3]
        if dropping:
            # Nothing is left of a cell that does not reach its output, not even the stem.
            relative = (whole + used @ cost[1:]) * joined[:, None] + 0.02 * whole
        else:
            relative = whole + executed @ cost
        latency: FloatArray = relative / relative.mean(axis=0) * _speeds(count, rng)
        return latency

    rng = rng_of("cells")
    known = np.hstack([latencies(_KNOWN - 1, False, rng), latencies(1, True, rng)])
    pool = pool_of(features, known, _NOISE, rng)
    return pool, latencies(NEW, False, rng), latencies(NEW, True, rng), executed @ _CELL_COSTS


def _cell_world(name: str, new_s: FloatArray, pool: DevicePool | None = None) -> World:
    whole, _, _, size = _cells()
    pool = whole if pool is None else pool
    return World(name, pool, spaces.get("nasbench201").similarity(), new_s, _NOISE, size)


@cache
def cells_run() -> World:
    """Cells; new devices run operations whose result goes nowhere, as most of the pool does."""
    return _cell_world("cells", _cells()[1])


@cache
def cells_dropped() -> World:
    """Cells; new devices drop such operations, as one device of the pool does."""
    return _cell_world("cells, dead dropped", _cells()[2])


@cache
def cells_unseen() -> World:
    """Cells; new devices drop such operations, and no device of the pool does."""
    pool, _, dropping, _ = _cells()
    return _cell_world("cells, dead unseen", dropping, pool.subset(pool.devices[:-1]))


@cache
def blocks() -> World:
    """FBNet's blocks: the pool's devices wait for memory, the new ones for arithmetic."""
    features = _sampled("fbnet")
    physics = block_tables()[1]
    unit = physics / physics[physics[:, 5] > 0].mean(axis=0)
    arithmetic, traffic = unit[:, 0] + 0.3 * unit[:, 1] + 0.3 * unit[:, 2], unit[:, 3]

    def latencies(count: int, bound: tuple[float, float], rng: np.random.Generator) -> FloatArray:
        rates = np.exp(0.3 * rng.standard_normal((2, count))) * np.array(bound)[:, None]
        block = np.maximum(arithmetic[:, None] * rates[0], traffic[:, None] * rates[1])
        block += unit[:, 5:6] * rng.uniform(0.05, 0.4, count)
        relative = features @ block + rng.uniform(0.5, 2, count)
        latency: FloatArray = relative / relative.mean(axis=0) * _speeds(count, rng)
        return latency

    rng = rng_of("blocks")
    pool = pool_of(features, latencies(_KNOWN, (0.1, 1.0), rng), _NOISE, rng)
    new = latencies(NEW, (1.0, 0.1), rng)
    work = features @ arithmetic
    similarity = spaces.get("fbnet").similarity()
    return World("blocks", pool, similarity, new, _NOISE, work, proxy=work)


@cache
def zoo() -> World:
    """A model zoo: costs span four decades, and devices differ by smooth powers of them.

    Features do not tell all of a cost: the rest is the same on every device.
    """
    rng = rng_of("zoo")
    layers = np.round(10.0 ** rng.uniform(0.3, 2.3, _ZOO_ROWS))
    width = np.round(10.0 ** rng.uniform(1, 2.5, _ZOO_ROWS))
    kernel = rng.choice([1.0, 3.0, 5.0], _ZOO_ROWS)
    side = rng.choice([7.0, 14.0, 28.0], _ZOO_ROWS)
    grouped = (rng.random(_ZOO_ROWS) < 0.3).astype(float)
    parameters = layers * width**1.5 * kernel * (1 - 0.7 * grouped)
    arithmetic = parameters * side
    traffic = layers * width * side**2 + parameters
    logs = np.log(np.column_stack([arithmetic, traffic, parameters]))
    features = np.column_stack([layers, width, kernel, side, grouped, arithmetic, parameters])
    centred = logs - logs.mean(axis=0)
    count = _ZOO_DEVICES + NEW
    powers = np.array([[0.6], [0.25], [0.05]]) + 0.08 * rng.standard_normal((3, count))
    untold = np.exp(_ZOO_UNTOLD * rng.standard_normal((_ZOO_ROWS, 1)))
    launches = 0.003 * layers[:, None] * rng.uniform(0.2, 1, count)
    latency = (np.exp(centred @ powers) + launches) * untold * _speeds(count, rng)
    pool = pool_of(features, latency[:, :_ZOO_DEVICES], _ZOO_NOISE, rng)
    new = latency[:, _ZOO_DEVICES:]
    return World("zoo", pool, None, new, _ZOO_NOISE, arithmetic, by_ratio=True)
