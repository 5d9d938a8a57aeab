"""What a predicted mean is made of. Shapes: p positions, c choices at most, m devices, q terms."""

from __future__ import annotations

from dataclasses import dataclass

from hwprof.predictors.base import FloatArray, IntArray
from hwprof.search.relaxed.usage import Usage


@dataclass(frozen=True, slots=True, eq=False)
class Tables:
    """A sum of g tables of one shape, each of what is chosen at some positions together."""

    positions: IntArray
    """Which position each axis of each table is, `[g, axes]`."""
    values: FloatArray
    """Shape `[g, choices of the first axis, ..., m]`; of architectures in canonical form."""


@dataclass(frozen=True, slots=True, eq=False)
class Products:
    """A weighted sum of q products over all positions."""

    factors: FloatArray
    """What each choice contributes to each product, positive, `[p, c, q]`; 1 for padding."""
    weights: FloatArray
    """Shape `[q, m]`."""


@dataclass(frozen=True, slots=True, eq=False)
class Relaxed:
    """Predicted means of m devices as functions of what each position chooses, in base units."""

    sizes: IntArray
    """Choices of each position, `[p]`."""
    usage: Usage
    constant: FloatArray
    """Shape `[m]`."""
    linear: FloatArray
    """Cost of each choice by itself, `[p, c, m]`."""
    tables: tuple[Tables, ...]
    products: tuple[Products, ...]
