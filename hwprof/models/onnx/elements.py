"""Names of element types, as `hwprof.graph` calls them: NumPy's words, ONNX's where it has none."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from onnx import TensorProto

OPAQUE = "opaque"
"""Stands for what is no plain tensor (sequences, optionals) or could not be established."""

_RENAMED = {"float": "float32", "double": "float64"}


def onnx_dtype(number: int) -> str:
    """Name of an ONNX element type, `opaque` for one that this onnx version does not know."""
    from onnx import TensorProto

    if number not in TensorProto.DataType.values() or number == TensorProto.UNDEFINED:
        return OPAQUE
    return dtype_of_word(TensorProto.DataType.Name(number))


def dtype_of_word(word: str) -> str:
    """Name of the element type that ONNX calls `word`: `FLOAT` is `float32`.

    All formats of 8-bit floats go by one name.
    """
    word = word.lower()
    return "float8" if word.startswith("float8") else _RENAMED.get(word, word)


def array_of(tensor: TensorProto) -> np.ndarray | None:
    """The elements of a stored tensor; None where they lie in another file, or cannot be read."""
    from onnx import TensorProto, numpy_helper

    if tensor.data_location == TensorProto.EXTERNAL:
        return None
    try:
        array: np.ndarray = numpy_helper.to_array(tensor)
    except (ValueError, TypeError, KeyError):  # damaged, or a type that NumPy has not
        return None
    return array
