"""What the sizes of images should be: those that are there, where the file states no others."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping

import numpy as np

from hwprof.models.onnx.values.view import MOST_COUNTED, Rule, View, Wish, product

_MOST_CHOICES = 5000


def _resize(view: View) -> Mapping[int, Wish]:
    """The size that is there already, where the file does not state another."""
    shape, made = view.shape(0), view.made()
    scales, sizes = (1, -1) if len(view.operation.reads) == 2 else (2, 3)
    whole: dict[int, Wish] = {} if scales == 1 else {1: None}
    if shape is None:
        return {**whole, scales: 1, sizes: made}
    axes = view.operation.wholes("axes") or list(range(len(shape)))
    axes = [axis % len(shape) for axis in axes]
    target = made if made is not None and len(made) == len(shape) else shape
    whole[scales] = [_scale(shape[axis], target[axis]) for axis in axes]
    whole[sizes] = [target[axis] for axis in axes]
    if scales == 2:
        whole[1] = [*[0] * len(axes), *[1] * len(axes)]
    return whole


def _scale(old: int, new: int) -> float:
    """A factor that leads from one size to the other in 32-bit floats, rounded down."""
    factor = new / old if old else 1.0
    if math.floor(float(np.float32(factor)) * old) == new:
        return factor
    return (new + 0.01) / old if old else 1.0


def _affine_grid(view: View) -> Mapping[int, Wish]:
    made = view.made()
    return {1: [made[0], 1, *made[1:-1]] if made else None}


def _center_crop(view: View) -> Mapping[int, Wish]:
    shape, made = view.shape(0), view.made()
    target = made or shape
    if target is None:
        return {1: None}
    axes = view.operation.wholes("axes")
    return {1: [target[axis] for axis in axes] if axes else target}


def _col2im(view: View) -> Mapping[int, Wish]:
    """Image from the file's shape; a block that fits the channels and the number of places."""
    shape, made = view.shape(0), view.made()
    if not shape or not made or len(shape) != 3 or not made[1] or shape[1] > MOST_COUNTED:
        return {1: None, 2: None}
    image = made[2:]
    pads = view.operation.wholes("pads") or [0] * 2 * len(image)
    strides = view.operation.wholes("strides") or [1] * len(image)
    dilations = view.operation.wholes("dilations") or [1] * len(image)
    cells = shape[1] // made[1]
    divisors = [each for each in range(1, cells + 1) if cells % each == 0]
    for block in itertools.islice(itertools.product(divisors, repeat=len(image)), _MOST_CHOICES):
        places = [
            (size + pads[k] + pads[k + len(image)] - dilations[k] * (block[k] - 1) - 1)
            // strides[k]
            + 1
            for k, size in enumerate(image)
        ]
        if product(list(block)) == cells and product(places) == shape[2]:
            return {1: image, 2: block}
    return {1: image, 2: None}


def _unpool(view: View) -> Mapping[int, Wish]:
    return {2: view.made()}


def _crop_and_resize(view: View) -> Mapping[int, Wish]:
    made, shape = view.made(), view.shape(0)
    target = made or shape
    return {3: target[2:] if target else None}


RULES: Mapping[str, Rule] = {
    "Resize": _resize,
    "Upsample": _resize,
    "AffineGrid": _affine_grid,
    "CenterCropPad": _center_crop,
    "Col2Im": _col2im,
    "MaxUnpool": _unpool,
    "com.microsoft.CropAndResize": _crop_and_resize,
}
