"""The normal distribution, by scipy, which is imported when first used: that takes 0.2 seconds."""

from __future__ import annotations

from importlib.util import find_spec

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]

# What lacks is said when this is imported, rather than after a fit.
if find_spec("scipy") is None:
    raise ImportError("No module named 'scipy'", name="scipy")


def below(score: FloatArray) -> FloatArray:
    """Probability of at most so many deviations above the mean, any shape."""
    from scipy.special import ndtr

    found: FloatArray = ndtr(score)
    return found


def score_of(probability: FloatArray | float) -> FloatArray:
    """The inverse of `below`."""
    from scipy.special import ndtri

    found: FloatArray = ndtri(probability)
    return found
