"""Which rows of a pool may be chosen for measurement."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from hwprof.errors import OptionError
from hwprof.predictors.base import IntArray
from hwprof.predictors.fewshot.checks import check_rows


def candidate_rows(
    k: int, rows: int, candidates: Sequence[int] | None, exclude: Sequence[int] | None
) -> IntArray:
    """Rows that may be chosen, rising. Raises OptionError when they are fewer than `k`."""
    if k < 1 or k != int(k):
        raise OptionError(f"k must be a positive integer, but is {k!r}; 10 is usual")
    allowed: NDArray[np.bool_] = np.zeros(rows, dtype=np.bool_)
    if candidates is None:
        allowed[:] = True
    else:
        allowed[check_rows(candidates, rows, "candidates")] = True
    if exclude is not None:
        allowed[check_rows(exclude, rows, "exclude")] = False
    chosen = np.flatnonzero(allowed)
    if len(chosen) < k:
        raise OptionError(
            f"k must not exceed the {len(chosen)} architectures to choose from, but is {k}; "
            "ask for fewer or allow more"
        )
    return chosen
