"""Typed JSON for every value that leaves the process.

One codec serves the table, the exchange files and the worker protocol. Decoding checks types and
names the offending field; nothing in a file is ever executed.
"""

from __future__ import annotations

import json
from typing import Any, TypeVar, get_args

import msgspec
import numpy as np
from msgspec import Raw as Raw  # a part of a document that is decoded later

T = TypeVar("T")


class CodecError(ValueError):
    """JSON that is malformed or does not have the expected shape."""


def _encode_hook(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        return value.tolist()
    if isinstance(value, np.generic):
        return value.item()
    raise TypeError(f"{type(value).__name__} has no JSON form")


def _decode_hook(kind: Any, value: Any) -> Any:
    # The annotation is numpy.ndarray[shape, dtype[scalar]]: the scalar decides the dtype.
    scalar = get_args(get_args(kind)[1])[0]
    # NumPy would take "1.5", null and true for numbers too, and cut 1.5 down to an integer.
    wanted = (int,) if np.issubdtype(scalar, np.integer) else (int, float)
    if not isinstance(value, list) or any(type(item) not in wanted for item in value):
        raise ValueError(f"expected a flat list of {'integers' if len(wanted) == 1 else 'numbers'}")
    return np.asarray(value, dtype=scalar)


def to_json(value: Any) -> bytes:
    """Compact JSON. Floats keep every digit, so that decoding gives back the same value."""
    try:
        return msgspec.json.encode(value, enc_hook=_encode_hook)
    except OverflowError:
        # A whole number beyond 64 bits, as from a file that someone edited.
        plain = json.dumps(to_builtins(value), ensure_ascii=False, separators=(",", ":"))
        return plain.encode()


def to_builtins(value: Any) -> Any:
    """The same content as plain dicts, lists, strings and numbers."""
    return msgspec.to_builtins(value, enc_hook=_encode_hook)


def from_json(text: bytes | str, kind: type[T]) -> T:
    """Decode JSON into `kind`. Raises CodecError naming the field that does not fit."""
    try:
        return msgspec.json.decode(text, type=kind, dec_hook=_decode_hook)
    except (msgspec.MsgspecError, ValueError, TypeError, OverflowError, RecursionError) as error:
        raise CodecError(str(error)) from error


def from_builtins(value: Any, kind: type[T]) -> T:
    """Build `kind` from plain dicts and lists. Raises CodecError as `from_json` does."""
    try:
        return msgspec.convert(value, kind, dec_hook=_decode_hook)
    except (msgspec.MsgspecError, ValueError, TypeError, OverflowError, RecursionError) as error:
        raise CodecError(str(error)) from error
