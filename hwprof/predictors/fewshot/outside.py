"""Architectures by rows of the pool or by features, which the pool need not hold."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hwprof.predictors.fewshot.fitted import Fitted
from hwprof.predictors.pool import check_features

IntArray = NDArray[np.int64]


def placed(fitted: Fitted, architectures: ArrayLike) -> tuple[Fitted, ArrayLike]:
    """Where architectures stand: a fitted pool that holds them all, and their rows in it, `[k]`.

    Rows of the pool are given back as they are. Of feature rows, floats `[k, d]`, those that are in
    the pool are found there, and the others are put behind its rows. Raises OptionError for
    features that do not fit.
    """
    array = np.asarray(architectures)
    if array.ndim != 2 or array.dtype.kind != "f":
        return fitted, architectures
    features = check_features(array, fitted.features.shape[1], copy=False)
    rows = fitted.find(features)
    new = rows < 0
    if not new.any():
        return fitted, rows
    wider = fitted.extended(features[new])
    return wider, wider.find(features)


def moved(fitted: Fitted, wider: Fitted, rows: IntArray) -> IntArray:
    """Where rows `[k]` of a fitted pool stand in what `placed` made of it, `[k]`."""
    found = rows.copy()
    foreign = rows >= fitted.own
    found[foreign] = wider.find(fitted.features[rows[foreign]])
    return found
