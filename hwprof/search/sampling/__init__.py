"""Architectures at a given cost, and by tiers of it."""

from __future__ import annotations

from hwprof.search.sampling.draw import Sampled, sample_at_cost
from hwprof.search.sampling.tiers import CostTiers

__all__ = ["CostTiers", "Sampled", "sample_at_cost"]
