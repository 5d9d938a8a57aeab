"""From adapted predictors to terms whose expectation is known.

A small space is one table of all its architectures, whatever the predictor. In a large one the
few-shot model is taken apart: its functions of one-hot features are sums over positions, tables of
a few positions, or products over positions (Gaussians of one-hot vectors are).
Shapes: n architectures, d features, p positions, c choices at most, m devices, q basis functions.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import log
from typing import Any

import numpy as np

from hwprof.errors import OptionError
from hwprof.predictors.base import AdaptedPredictor, FloatArray, IntArray, of_any_metric
from hwprof.predictors.fewshot.adapted import AdaptedFewShot
from hwprof.search.additive import AdditiveTable, additive_table
from hwprof.search.architectures import Architectures
from hwprof.search.relaxed.terms import Products, Relaxed, Tables
from hwprof.search.relaxed.usage import Usage
from hwprof.similarity import Basis, HammingBasis, Identity, RbfBasis
from hwprof.spaces.tables import TableBasis

# Up to so many architectures all are predicted: a table of 8 bytes each per device.
SMALL = 65_536
_PROBES = 64


def relax(adapted: Sequence[AdaptedPredictor], space: object) -> Relaxed:
    """The means of predictors of architectures of `space`, one device each.

    In a space of at most `SMALL` architectures they are what `predict` gives. In a larger one the
    few-shot predictor's rounding of regular devices and its floor are left out, as in
    `additive_table`. Raises OptionError for predictors that cannot be taken apart, with what to use
    in their place.
    """
    view = Architectures.of(space)
    count = 1
    for size in view.sizes.tolist():
        count *= size
    if count <= SMALL:
        return _whole(adapted, view)
    usage, made = Usage.of(view), _Made(view, len(adapted))
    for number, one in enumerate(adapted):
        if not isinstance(one, AdaptedFewShot):
            made.add_sum(_sum(one, view), number)
    # Not by `fitted`, which differs where devices measured architectures outside the pool.
    by_prior: dict[int, list[int]] = {}
    for number, one in enumerate(adapted):
        if isinstance(one, AdaptedFewShot):
            by_prior.setdefault(id(one.fitted.prior), []).append(number)
    for numbers in by_prior.values():
        _take_apart([(n, _few_shot(adapted[n], view)) for n in numbers], usage, made)
    tables = tuple(Tables(np.array(at), np.stack(v)) for at, v in made.tables.values())
    return Relaxed(view.sizes, usage, made.constant, made.linear, tables, tuple(made.products))


class _Made:
    """Terms being gathered."""

    def __init__(self, view: Architectures, devices: int) -> None:
        self.sizes, self.devices = view.sizes, devices
        self.constant = np.zeros(devices)
        self.linear = np.zeros((len(view.sizes), int(view.sizes.max()), devices))
        self.tables: dict[tuple[int, ...], tuple[list[IntArray], list[FloatArray]]] = {}
        self.products: list[Products] = []

    def by_position(self, flat: FloatArray, fill: float = 0.0) -> FloatArray:
        """One value per feature as `[p, c, ...]`, `[d, ...] -> [p, c, ...]`."""
        width = int(self.sizes.max())
        found = np.full((len(self.sizes), width, *flat.shape[1:]), fill)
        found[np.arange(width) < self.sizes[:, None]] = flat
        return found

    def of_devices(self, numbers: Sequence[int], values: FloatArray) -> FloatArray:
        """Values of some devices, `[..., some]`, among those of all, `[..., m]`."""
        found = np.zeros((*values.shape[:-1], self.devices))
        found[..., list(numbers)] = values
        return found

    def add_sum(self, table: AdditiveTable, number: int) -> None:
        """A device whose cost is a sum."""
        self.constant[number] += table.constant
        self.linear[..., number] += table.table

    def add_table(self, positions: IntArray, values: FloatArray) -> None:
        """A table of what is chosen at some positions, `[choices, ..., m]`."""
        at, found = self.tables.setdefault(values.shape, ([], []))
        same = [i for i, where in enumerate(at) if np.array_equal(where, positions)]
        if same:
            found[same[0]] = found[same[0]] + values
        else:
            at.append(positions)
            found.append(values)


def _whole(adapted: Sequence[AdaptedPredictor], view: Architectures) -> Relaxed:
    """Every architecture's prediction, as one table."""
    sizes = view.sizes
    rows = np.indices(sizes.tolist()).reshape(len(sizes), -1).T
    features = view.features(view.indices(rows))
    means = np.stack([of_any_metric(one.predict(features)).mean for one in adapted], axis=1)
    positions = np.arange(len(sizes))
    # Rows that are the same architecture have the same cost: nothing is unused.
    usage = Usage(np.full(len(sizes), -1), np.ones((len(sizes), int(sizes.max())), dtype=np.bool_))
    made = _Made(view, len(adapted))
    table = Tables(positions[None], means.reshape(1, *sizes, len(adapted)))
    return Relaxed(sizes, usage, made.constant, made.linear, (table,), ())


def _sum(one: AdaptedPredictor, view: Architectures) -> AdditiveTable:
    try:
        return additive_table(one, view)
    except OptionError as error:
        raise OptionError(
            f"gradients need the few-shot predictor, a sum, or a space of at most {SMALL:,} "
            f"architectures ({error})"
        ) from error


def _few_shot(one: Any, view: Architectures) -> AdaptedFewShot:
    """The predictor itself. Raises OptionError where it is none of this space, or one of logs."""
    few: AdaptedFewShot = one
    if few.logs is not None:
        raise OptionError(
            "its pool spans decades, where the few-shot predictor works in logarithms, which have "
            "no gradients here; use additive_table(..., approximate=True) and ExpectedCost"
        )
    rows = view.sample(_PROBES, np.random.default_rng(0))
    features = view.features(rows)
    if features.shape[1] != few.fitted.features.shape[1]:
        raise OptionError(
            f"the predictor was fitted on {few.fitted.features.shape[1]} features, but "
            f"{view.space.name} has {features.shape[1]}; name the space that it was fitted on"
        )
    one_hot = view.one_hot(rows)
    if features.shape != one_hot.shape or not np.array_equal(features, one_hot):
        raise OptionError(
            f"features of the space {view.space.name} are not one column per choice; gradients "
            "need such, or a space of few architectures"
        )
    return few


def _take_apart(devices: list[tuple[int, AdaptedFewShot]], usage: Usage, made: _Made) -> None:
    """Add the terms of devices that share what a pool has taught."""
    numbers = [number for number, _ in devices]
    prior = devices[0][1].fitted.prior
    folded = [prior.fold(one.weights) for _, one in devices]
    made.constant[numbers] += [constant for _, constant in folded]
    for i, basis in enumerate(prior.bases):
        weights = made.of_devices(numbers, np.stack([parts[i] for parts, _ in folded], axis=1))
        if isinstance(basis, Identity):
            made.linear += made.by_position(weights)
        elif isinstance(basis, TableBasis):
            _add_tables(basis, weights, usage, made)
        else:
            factors = made.by_position(np.ascontiguousarray(_factors(basis, made.sizes).T), 1.0)
            made.products.append(Products(factors, weights))


def _factors(basis: Basis, sizes: IntArray) -> FloatArray:
    """What each choice multiplies each basis function by, `[q, d]`; features are one-hot."""
    if isinstance(basis, HammingBasis):
        return np.exp(log(basis.rho) * (1 - basis.landmarks))
    if not isinstance(basis, RbfBasis):
        raise OptionError(
            f"the predictor's {type(basis).__name__} has no gradients in a space of more than "
            f"{SMALL:,} architectures; use additive_table(..., approximate=True) and ExpectedCost"
        )
    starts = np.cumsum([0, *sizes[:-1]])
    squares = basis.landmarks**2
    # Of a position's columns one is 1 and the others are 0.
    zero = np.repeat(np.add.reduceat(squares, starts, axis=1), sizes, axis=1)
    chosen = (1 / basis.scale - basis.landmarks) ** 2
    return np.exp(-0.5 * (zero - squares + chosen))


def _add_tables(basis: TableBasis, weights: FloatArray, usage: Usage, made: _Made) -> None:
    """Add a sum of tables, each over all choices at the positions that it depends on."""
    sizes = made.sizes
    values = basis.table @ weights
    starts = np.cumsum([0, *sizes])
    for codes in basis.codes.T:
        parts = [codes[starts[p] : starts[p + 1]] for p in range(len(sizes))]
        rest = sum(int(part[0]) for part in parts)
        varying = [p for p, part in enumerate(parts) if (part != part[0]).any()]
        if not varying:
            made.constant += values[rest]
            continue
        positions = usage.closed(np.array(varying))
        # The longest axis first: it is the one that is summed over the whole table.
        positions = positions[np.argsort(-sizes[positions], kind="stable")]
        shape = sizes[positions].tolist()
        rows = np.zeros((int(np.prod(shape)), len(sizes)), dtype=np.int64)
        rows[:, positions] = np.indices(shape).reshape(len(shape), -1).T
        rows = usage.canonical(rows)
        at = np.full(len(rows), rest)
        for p in varying:
            at += (parts[p] - parts[p][0])[rows[:, p]]
        made.add_table(positions, values[at].reshape(*shape, made.devices))
