"""Inputs made up for a run: fixed seed, values that are valid for nearly every operator."""

from __future__ import annotations

import numpy as np

from hwprof.errors import ModelError
from hwprof.graph import TensorSpec

SEED = 0


def random_input(spec: TensorSpec) -> np.ndarray:
    """An array for one input: floats uniform in [0, 1), integers and booleans 0 or 1.

    Integers stay at 0 and 1 because they are mostly token ids, masks or indices, and every
    vocabulary and axis has those two. Values hardly change latency; shapes do. Raises ModelError
    for a type that has no such array.
    """
    rng = np.random.default_rng(SEED)
    if spec.dtype == "bool":
        return rng.integers(0, 2, spec.shape).astype(np.bool_)
    try:
        kind = np.dtype(spec.dtype)
    except TypeError:
        kind = None
    if kind is not None and kind.kind in "iu":
        return rng.integers(0, 2, spec.shape).astype(kind)
    if kind is not None and kind.kind == "f":
        return rng.random(spec.shape, dtype=np.float32).astype(kind)
    raise ModelError(
        f"input '{spec.name}' has type {spec.dtype}, which cannot be filled with random values; "
        "export the model with float, integer or boolean inputs"
    )
