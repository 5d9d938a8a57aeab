"""Converters of ONNX operators, by kind. Importing this package fills the table."""

from hwprof.devices.torch.convert.operators import (
    arithmetic,
    attention,
    convolution,
    elementwise,
    indexing,
    normalisation,
    pooling,
    products,
    quantisation,
    recurrent,
    reduction,
    resizing,
    shaping,
)

__all__ = [
    "arithmetic",
    "attention",
    "convolution",
    "elementwise",
    "indexing",
    "normalisation",
    "pooling",
    "products",
    "quantisation",
    "recurrent",
    "reduction",
    "resizing",
    "shaping",
]
