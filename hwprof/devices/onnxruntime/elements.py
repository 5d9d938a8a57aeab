"""Names of element types in ONNX Runtime's profile."""

from __future__ import annotations

from hwprof.models.onnx.elements import dtype_of_word

# Two numbers of four bits lie in one element there.
_PACKED = {"int4x2": "int4", "uint4x2": "uint4"}


def traced_dtype(word: str) -> str:
    """Name of an element type as the profile calls it (`float` is 32 bits there)."""
    return _PACKED.get(word.lower()) or dtype_of_word(word)
