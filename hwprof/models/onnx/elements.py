"""Names of element types: ONNX's numbers and the profile's words, as `hwprof.graph` calls them."""

from __future__ import annotations

from onnx import TensorProto

OPAQUE = "opaque"
"""Stands for what is no plain tensor (sequences, optionals) or could not be established."""

_TRACED = {"float": "float32", "double": "float64"}
_PACKED = {"int4x2": "int4", "uint4x2": "uint4"}


def onnx_dtype(number: int) -> str:
    """Name of an ONNX element type, `opaque` for one that this onnx version does not know."""
    if number not in TensorProto.DataType.values() or number == TensorProto.UNDEFINED:
        return OPAQUE
    return traced_dtype(TensorProto.DataType.Name(number))


def traced_dtype(word: str) -> str:
    """Name of an element type in ONNX Runtime's profile (`float` is 32 bits there)."""
    word = word.lower()
    if word.startswith("float8"):
        return "float8"
    return _TRACED.get(word) or _PACKED.get(word) or word
