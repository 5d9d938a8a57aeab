"""Worlds of plain features: networks of some depth, width and kernel, on roofline devices.

A device needs the greater of its arithmetic and its traffic (Williams et al., Roofline, 2009), and
some time per weight and per layer, each weighted by what the device is bad at.
"""

from __future__ import annotations

from functools import cache

import numpy as np

from hwprof.predictors.base import FloatArray, IntArray
from hwprof.testing.adversarial.world import World, pool_of, rng_of

ROWS = 400
NEW = 4
NOISE = 0.02
_MOST = 50
_SIBLINGS, _OTHERS = 10, 4
# Of the pool in which one kind of device has the majority.
_ALIKE, _UNLIKE = 15, 6
# Devices of the pools whose cells are not all measured.
_HOLES = 10


@cache
def architectures() -> tuple[FloatArray, FloatArray]:
    """Features `[n, 10]`, and costs by kind `[n, 4]` of mean 1: arithmetic, traffic, weights and
    layers."""
    rng = rng_of("architectures")
    layers = rng.integers(3, 13, ROWS).astype(float)
    width = np.round(2.0 ** rng.uniform(4, 7, ROWS))
    kernel = rng.choice([1.0, 3.0, 5.0], ROWS)
    expansion = rng.choice([1.0, 3.0, 6.0], ROWS)
    side = rng.choice([14.0, 20.0, 28.0, 40.0], ROWS)
    switches = (rng.random((ROWS, 4)) < 0.5).astype(float)
    grouped, squeezed, pooled, skipped = switches.T
    dense = rng.random(ROWS)
    mixing = 1 + expansion * (0.3 + 0.1 * kernel) * (1 - 0.4 * grouped)
    arithmetic = layers * (width / 64) * mixing * np.sqrt(side) * (0.5 + dense)
    traffic = layers * np.sqrt(width / 64) * (1 + 0.3 * expansion) * side * (1 - 0.3 * pooled)
    weights = layers * (width / 64) ** 1.5 * (1 + 0.2 * kernel * expansion) * (1 + 0.3 * squeezed)
    launches = layers * (2 + squeezed + 0.5 * skipped + 0.5 * pooled)
    features = np.column_stack([layers, width, kernel, expansion, side, switches, dense])
    costs = np.column_stack([arithmetic, traffic, weights, launches])
    return features, costs / costs.mean(axis=0)


@cache
def devices() -> FloatArray:
    """Noise-free latencies of independent devices, seconds, shape `[n, 54]`; 1 to 10 ms."""
    rng = rng_of("devices")
    weight = rng.gamma(1.0, 1.0, (4, _MOST + NEW)) + 0.02
    return _latencies(weight, rng)


def _latencies(weight: FloatArray, rng: np.random.Generator) -> FloatArray:
    """Seconds `[n, count]` from weights on the four kinds of cost `[4, count]`."""
    costs, count = architectures()[1], weight.shape[1]
    busy = np.maximum(costs[:, :1] * weight[0], costs[:, 1:2] * weight[1])
    relative = rng.uniform(0, 0.2, count) + busy + costs[:, 2:] @ weight[2:]
    latency: FloatArray = relative / relative.mean(axis=0) * 10.0 ** rng.uniform(-3, -2, count)
    return latency


def _world(
    name: str,
    known_s: FloatArray,
    rows: list[IntArray] | None = None,
    new_s: FloatArray | None = None,
) -> World:
    features, costs = architectures()
    pool = pool_of(features, known_s, NOISE, rng_of(name), rows)
    new = devices()[:, _MOST:] if new_s is None else new_s
    return World(name, pool, None, new, NOISE, costs.mean(axis=1))


@cache
def plain(count: int) -> World:
    """A pool of so many independent devices, all measured on every architecture."""
    return _world(f"plain-{count}", devices()[:, :count])


@cache
def siblings() -> World:
    """One device in ten copies that hardly differ, beside four others."""
    known = devices()
    rng = rng_of("copies")
    speed = 10.0 ** rng.uniform(-0.3, 0.3, _SIBLINGS)
    copies = known[:, :1] * speed * np.exp(0.02 * rng.standard_normal((ROWS, _SIBLINGS)))
    return _world("siblings", np.hstack([copies, known[:, 1 : 1 + _OTHERS]]))


@cache
def one_kind() -> World:
    """Fifteen devices of a kind, bound by launching layers, beside six; new ones of other kinds."""
    rng = rng_of("one kind")
    kind = np.array([[0.05], [0.1], [0.05], [1.0]])
    alike = _latencies(kind * np.exp(0.3 * rng.standard_normal((4, _ALIKE))), rng)
    return _world("one kind", np.hstack([alike, devices()[:, :_UNLIKE]]))


@cache
def cubic() -> World:
    """Devices whose latencies are the cubes of ordinary ones: smoothing them in plain features
    leaves the smallest architectures next to nothing, or less."""
    known = devices()
    cubes = known**3 / np.median(known, axis=0) ** 2
    return _world("cubic", cubes[:, :_HOLES], new_s=cubes[:, _MOST:])


@cache
def small_only() -> World:
    """A pool of which only the tenth with the least work was measured."""
    size = architectures()[1].mean(axis=1)
    smallest = np.argsort(size, kind="stable")[: ROWS // 10]
    return _world("small pool", devices()[:, :_HOLES], [smallest] * _HOLES)


@cache
def disjoint() -> World:
    """A pool in which no two devices were measured on the same architecture."""
    order = rng_of("disjoint").permutation(ROWS)
    return _world("disjoint", devices()[:, :_HOLES], np.array_split(order, _HOLES))
