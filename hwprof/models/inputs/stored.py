"""Given values in a file of their own: arrays in NumPy's form, without pickled objects."""

from __future__ import annotations

import hashlib
import struct
import tokenize
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import IO

import numpy as np

from hwprof.errors import ModelError

Value = np.ndarray | list[np.ndarray] | None
"""A tensor, the tensors of a sequence, or an optional that is left empty."""

BROKEN = (
    *(OSError, ValueError, KeyError, IndexError, TypeError, AttributeError, ArithmeticError),
    *(EOFError, SyntaxError, MemoryError, RuntimeError, struct.error, zlib.error),
    *(zipfile.BadZipFile, tokenize.TokenError),
)
"""What reading such a file may raise."""

# numpy.savez and savez_compressed write these; others pack a thousand times as tight.
_PACKED = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_TIGHTEST = 1032
"""Bytes that one of deflate makes at most (zlib, "Maximum Compression Factor")."""


def write_values(values: Mapping[str, Value], path: Path) -> None:
    """Write `values` to `path`. Raises OSError."""
    members: list[tuple[str, np.ndarray]] = []
    for name, value in values.items():
        if isinstance(value, np.ndarray):
            members.append((f"tensor:{name}", value))
        else:
            items = value or []
            # -1 stands for an optional without a value.
            count = -1 if value is None else len(items)
            members.append((f"sequence:{name}", np.array(count)))
            members += [(f"item:{name}", item) for item in items]
    with zipfile.ZipFile(path, "w") as archive:
        for number, (name, array) in enumerate(members):
            # Names of inputs may be no file names: they stand in the member's comment.
            info = zipfile.ZipInfo(f"{number}.npy")
            info.comment = name.encode("utf-8", "surrogateescape")
            with archive.open(info, "w", force_zip64=True) as stream:
                np.lib.format.write_array(stream, np.asarray(array), allow_pickle=False)


def read_values(path: Path) -> dict[str, Value]:
    """What `write_values` wrote. Raises ModelError."""
    found: dict[str, Value] = {}
    try:
        with zipfile.ZipFile(path) as archive:
            for info in archive.infolist():
                array = read_array(archive, info)
                kind, _, name = info.comment.decode("utf-8", "surrogateescape").partition(":")
                if kind == "item":
                    items = found[name]
                    if not isinstance(items, list):
                        raise ValueError(f"'{name}' is no sequence")
                    items.append(array)
                else:
                    found[name] = array if kind == "tensor" else None if array < 0 else []
    except BROKEN as error:
        raise ModelError(
            f"the values given for the inputs cannot be read ({error}); measure again"
        ) from error
    return found


def check_members(archive: zipfile.ZipFile, size: int) -> None:
    """Raise ValueError for an archive of `size` bytes whose members cannot be what it says."""
    members = archive.infolist()
    if any(info.compress_type not in _PACKED for info in members):
        raise ValueError("it is packed in a form that NumPy does not write")
    if sum(info.compress_size for info in members) > size:
        raise ValueError("its members lie over one another")
    if any(info.file_size > _TIGHTEST * info.compress_size for info in members):
        raise ValueError("its members say that they are larger than they are")


def read_array(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> np.ndarray:
    """One .npy member of a zip file. Raises what `BROKEN` lists."""
    with archive.open(info) as stream:
        refuse_larger(stream, info.file_size)
    with archive.open(info) as stream:
        array: np.ndarray = np.lib.format.read_array(stream, allow_pickle=False)
        return array


def refuse_larger(stream: IO[bytes], size: int) -> None:
    """Raise ValueError for a header that promises more than the member holds."""
    version = np.lib.format.read_magic(stream)
    read = np.lib.format.read_array_header_1_0
    if version != (1, 0):
        read = np.lib.format.read_array_header_2_0
    shape, _, kind = read(stream)
    count = 1
    for length in shape:
        count *= length
    if kind.hasobject or count * kind.itemsize > size:
        raise ValueError("it holds Python objects, or less than it promises")


def value_hash(value: Value) -> str:
    """SHA-256 over types, shapes and elements."""
    parts = value if isinstance(value, list) else [] if value is None else [value]
    digest = hashlib.sha256(f"{type(value).__name__} {len(parts)}".encode())
    for part in parts:
        digest.update(f" {part.dtype.str} {part.shape} ".encode())
        digest.update(np.ascontiguousarray(part).tobytes())
    return digest.hexdigest()
