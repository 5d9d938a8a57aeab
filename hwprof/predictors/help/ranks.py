"""Rank correlation without a dependency."""

from __future__ import annotations

import numpy as np

from hwprof.predictors.pool import FloatArray


def rank_correlation(a: FloatArray, b: FloatArray) -> float:
    """Spearman's rank correlation, ties averaged; 0 when either is constant."""
    ranks = [_ranks(np.asarray(values, dtype=np.float64)) for values in (a, b)]
    first, second = (r - r.mean() for r in ranks)
    norm = float(np.sqrt((first @ first) * (second @ second)))
    return float(first @ second) / norm if norm > 0 else 0.0


def _ranks(values: FloatArray) -> FloatArray:
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    averaged: FloatArray = (np.cumsum(counts) - (counts - 1) / 2)[inverse]
    return averaged
