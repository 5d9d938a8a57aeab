"""Converters of ONNX operators, by kind. Importing this package fills the table."""

from hwprof.convert.torch.operators import (
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
