"""What a predictor's file may ask for: its parts fit each other, and the work fits the file.

A prior feature of every architecture is worked out when a file is read, so a file of a megabyte
could ask for terabytes. Shapes: as in `fitted`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from hwprof.errors import OptionError
from hwprof.predictors.fewshot.posterior import points_after

# Numbers worked out for one byte that is read, beyond what any file may: what is adapted from the
# shipped pools asks for 21, as it keeps features in bytes and no latencies.
_FREE_NUMBERS = 1 << 20
_NUMBERS_PER_BYTE = 64
_MOST_DEVICES = 1000
_MOST_GRID = 1 << 13
# Numbers of all the covariances that inference holds at once.
_MOST_COVARIANCES = 1 << 25

Tensors = Mapping[str, NDArray[np.generic]]


def check_parts(tensors: Tensors, devices: int, widths: Sequence[int], bases: int) -> None:
    """Raises ValueError, or KeyError for a part that is missing, before anything is worked out."""
    features = tensors["features"]
    rows, columns = _matrix(features, "features")
    if not 2 <= devices <= _MOST_DEVICES or any(width < 0 for width in widths):
        raise ValueError("its devices or components cannot be so many")
    prior = 1 + devices + sum(widths)
    asked = rows * (prior + columns)
    for i in range(bases):
        basis, width = _matrix(tensors[f"matrix.{i}"], f"matrix.{i}")
        if width != prior:
            raise ValueError(f"its matrix.{i} does not fit its components")
        asked += rows * basis
        if f"edges.{i}" in tensors:
            asked += rows * len(tensors[f"edges.{i}"])
        if f"table.{i}" in tensors:
            wide, parts = _matrix(tensors[f"codes.{i}"], f"codes.{i}")
            values = _matrix(tensors[f"table.{i}"], f"table.{i}")[1]
            if (wide, values) != (columns, basis):
                raise ValueError(f"its table.{i} does not fit its features")
            asked += rows * parts
        if f"landmarks.{i}" in tensors and _matrix(tensors[f"landmarks.{i}"], f"landmarks.{i}") != (
            basis,
            columns,
        ):
            raise ValueError(f"its landmarks.{i} do not fit its features")
        if f"scale.{i}" in tensors and not (
            tensors[f"scale.{i}"].shape == (columns,) and _above(tensors[f"scale.{i}"], 0)
        ):
            raise ValueError(f"its scale.{i} does not fit its features")
    size = sum(tensor.nbytes for tensor in tensors.values())
    if asked > _FREE_NUMBERS + _NUMBERS_PER_BYTE * size:
        raise ValueError(f"it asks for {asked} numbers in {size} bytes")
    _check_grid(tensors, len(widths) + 1)
    _check_figures(tensors, devices)


def check_cost(measurements: int, grid: int, components: int) -> None:
    """Raises OptionError for more measurements than inference has memory for."""
    points = points_after(measurements, grid)
    if measurements**2 * (points + components) > _MOST_COVARIANCES:
        most = int((_MOST_COVARIANCES / (points + components)) ** 0.5)
        raise OptionError(
            f"{measurements} architectures are more than a device can be adapted to; give {most} "
            "at most, 10 are usual"
        )


def _check_grid(tensors: Tensors, components: int) -> None:
    combinations, columns = _matrix(tensors["amplitudes"], "amplitudes")
    noises = tensors["noises"]
    if columns != components or noises.ndim != 1 or not len(noises):
        raise ValueError("its grid does not fit its components")
    if combinations * len(noises) > _MOST_GRID:
        raise ValueError("its grid has more points than any")
    if _negative(tensors["amplitudes"]) or _negative(noises):
        raise ValueError("its grid has negative variances")


def _check_figures(tensors: Tensors, devices: int) -> None:
    scale, counts = tensors["scale_s"], tensors["calibration.counts"]
    if scale.shape != (devices,) or not _above(scale, 0):
        raise ValueError("its devices have no possible speeds")
    factors = tensors["calibration.factors"]
    if counts.ndim != 1 or not len(counts) or factors.shape != counts.shape:
        raise ValueError("its calibration does not fit itself")
    if not (_above(counts, 0) and np.isfinite(factors.astype(np.float64)).all()):
        raise ValueError("its calibration has no possible factors")


def _above(tensor: NDArray[np.generic], least: float) -> bool:
    return bool((tensor.astype(np.float64) > least).all())


def _negative(tensor: NDArray[np.generic]) -> bool:
    return bool((tensor.astype(np.float64) < 0).any())


def _matrix(tensor: NDArray[np.generic], name: str) -> tuple[int, int]:
    if tensor.ndim != 2 or 0 in tensor.shape:
        raise ValueError(f"its {name} has the shape {tensor.shape}")
    return tensor.shape[0], tensor.shape[1]
