"""The maps in which a new device may deviate from the pool's devices."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from hwprof.similarity import Component, FeatureMap, Rbf, Similarity

FloatArray = NDArray[np.float64]


def transfer_maps(
    similarity: Similarity,
    smoothing: tuple[FeatureMap, ...],
    features: FloatArray,
    cost: FloatArray,
    rng: np.random.Generator,
) -> tuple[FeatureMap, ...]:
    """Of the transfer components; on the basis of a smoothing one where that is alike.

    `smoothing` are the fitted smoothing components. With a common basis a prediction maps an
    architecture once. Shapes as in `Component.fit`.
    """
    maps = []
    for component in similarity.transfer:
        pairs = zip(similarity.smoothing, smoothing, strict=True)
        shared = (_narrowed(component, other, fitted) for other, fitted in pairs)
        found = next((feature_map for feature_map in shared if feature_map is not None), None)
        maps.append(component.fit(features, cost, rng) if found is None else found)
    return tuple(maps)


def _narrowed(component: Component, other: Component, fitted: FeatureMap) -> FeatureMap | None:
    """The map of a component from that of another with the same Gaussians and as many directions.

    None for others.
    """
    if not (isinstance(component, Rbf) and isinstance(other, Rbf)):
        return None
    most = np.inf if other.rank is None else other.rank
    wanted = np.inf if component.rank is None else component.rank
    if replace(other, rank=component.rank) != component or wanted > most:
        return None
    # Directions stand in order, the leading one first.
    rank = slice(component.rank)
    return FeatureMap(fitted.basis, fitted.matrix[:, rank], fitted.offset[rank])
