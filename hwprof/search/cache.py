"""Values of architectures seen before, least recently used forgotten first."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hwprof.predictors.base import FloatArray


class RowCache:
    """At most `size` values, keyed by the bytes of an architecture's row."""

    def __init__(self, size: int) -> None:
        self.size = size
        self._values: OrderedDict[bytes, float] = OrderedDict()

    def __len__(self) -> int:
        return len(self._values)

    def values(
        self, rows: NDArray[Any], compute: Callable[[NDArray[Any]], FloatArray]
    ) -> FloatArray:
        """Values of rows `[n, ...]`, shape `[n]`; `compute` is asked once for what is not known."""
        keys = [row.tobytes() for row in np.ascontiguousarray(rows)]
        known = self._values
        fresh = {key: i for i, key in enumerate(keys) if key not in known}
        found = dict.fromkeys(keys, 0.0)
        if fresh:
            computed = compute(rows[list(fresh.values())])
            found.update(zip(fresh, computed.tolist(), strict=True))
        for key in found:
            if key in fresh:
                known[key] = found[key]
            else:
                found[key] = known[key]
                known.move_to_end(key)
        while len(known) > self.size:
            known.popitem(last=False)
        return np.array([found[key] for key in keys], dtype=np.float64)
