"""Sums over the layers of architectures, for costs that are no sum of the totals.

Shapes: n architectures, l layers, c columns.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import product

import numpy as np
from numpy.typing import NDArray

from hwprof.errors import OptionError
from hwprof.spaces.base import Indices
from hwprof.spaces.fields import FieldSpace
from hwprof.spaces.fixed import FixedChoices
from hwprof.spaces.tables import Table, table_basis

FloatArray = NDArray[np.float64]
OfLayers = Callable[[FloatArray, FloatArray], FloatArray]
"""Multiply-accumulates `[l]` and bytes of traffic `[l]` of layers to numbers of each, `[l, c]`."""
Summed = Callable[[Indices], FloatArray]
"""Canonical rows to the numbers of their layers summed up, `[n, c]`."""


def summed_layers(space: object, of_layers: OfLayers) -> Summed:
    """What each layer gives, summed over the layers of architectures of `space`.

    Layers are the operators that the space counts, one by one (`hwprof.spaces.work`). A space of
    hwprof's is counted once, a part or a choice at a time; any other one for each architecture.
    Raises OptionError for a space that counts no layers.
    """

    def of_costs(costs: object) -> FloatArray:
        work = getattr(costs, "work", None)
        if work is None or (not work.layers and any(work.numbers)):
            raise OptionError(
                f"the space {getattr(space, 'name', space)} does not count its layers, only their "
                "totals; use per_layer=False, or give Costs.work of a Recorder"
            )
        layers = np.array(work.layers, dtype=np.float64).reshape(-1, 2)
        total: FloatArray = of_layers(layers[:, 0], layers[:, 1]).sum(axis=0)
        return total

    if isinstance(space, FieldSpace):
        return _of_tables(space, _field_tables(space, of_costs))
    if isinstance(space, FixedChoices):
        return _of_tables(space, _fixed_tables(space, of_costs))
    given: object = space
    costs = getattr(given, "costs", None)
    if not callable(costs):
        raise OptionError(
            f"the space {getattr(space, 'name', space)} does not tell what an architecture has to "
            "do; choose another space or another estimator"
        )

    def one_by_one(rows: Indices) -> FloatArray:
        if len(rows) == 0:
            return np.zeros((0, of_layers(np.zeros(0), np.zeros(0)).shape[1]))
        return np.stack([of_costs(costs(row)) for row in rows])

    positions: Sequence[object] = getattr(given, "positions", ())
    one_by_one(np.zeros((1, len(positions)), dtype=np.int64))
    return one_by_one


def _of_tables(space: FieldSpace | FixedChoices, tables: Sequence[Table]) -> Summed:
    basis = table_basis(space.sizes.tolist(), tables)
    return lambda rows: basis(space.encode(rows).astype(np.float64))


def _field_tables(space: FieldSpace, of_costs: Callable[[object], FloatArray]) -> list[Table]:
    place = {position.name: i for i, position in enumerate(space.positions)}
    found: list[Table] = []
    for part in space.parts():
        where = [place[name] for name in part.positions]
        choices = [space.positions[i].choices for i in where]
        values = np.array([of_costs(part.costs(*chosen)) for chosen in product(*choices)])
        found.append((where, values.reshape(*map(len, choices), -1)))
    return found


def _fixed_tables(space: FixedChoices, of_costs: Callable[[object], FloatArray]) -> list[Table]:
    """What every choice adds to the architecture of first choices; that one at the first."""
    positions, choices = len(space.positions), len(space.operations)
    first = of_costs(space.costs(np.zeros(positions, dtype=np.int64)))
    found: list[Table] = []
    for position in range(positions):
        values = np.zeros((choices, len(first)))
        for choice in range(1, choices):
            row = np.zeros(positions, dtype=np.int64)
            row[position] = choice
            values[choice] = of_costs(space.costs(row)) - first
        found.append(([position], values + (first if position == 0 else 0)))
    return found
