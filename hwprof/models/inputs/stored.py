"""Given values in a file of their own: arrays in NumPy's form, without pickled objects."""

from __future__ import annotations

import hashlib
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from hwprof.errors import ModelError

if TYPE_CHECKING:
    from hwprof.models.base import Model
    from hwprof.models.inputs.feed import Value

# Members are `tensor:NAME`, `sequence:NUMBER:NAME` or `none:NAME`; names may hold anything.


def write_values(values: Mapping[str, Value], path: Path) -> None:
    """Write `values` to `path`. Raises OSError."""
    members: dict[str, np.ndarray] = {}
    for name, value in values.items():
        if value is None:
            members[f"none:{name}"] = np.zeros(0, np.int8)
        elif isinstance(value, list):
            members[f"sequence:{len(value)}:{name}"] = np.zeros(0, np.int8)
            for number, item in enumerate(value):
                members[f"item:{number}:{name}"] = item
        else:
            members[f"tensor:{name}"] = value
    with zipfile.ZipFile(path, "w", allowZip64=True) as archive:
        for number, (name, array) in enumerate(members.items()):
            # NumPy's own writer takes names for paths; here they stand in the member's comment.
            info = zipfile.ZipInfo(f"{number}.npy")
            info.comment = name.encode("utf-8", "surrogateescape")
            with archive.open(info, "w", force_zip64=True) as stream:
                np.lib.format.write_array(stream, np.asarray(array), allow_pickle=False)


def read_values(model: Model) -> dict[str, Value]:
    """The given values of `model`'s inputs, by name.

    Raises ModelError when the file is not there, or is not what was written.
    """
    path = model.values_file
    if path is None:
        raise ModelError(f"the values given for '{model.path.name}' did not come with it")
    try:
        found = _read(path)
    except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
        raise ModelError(
            f"the values given for '{model.path.name}' cannot be read ({error}); measure it again"
        ) from error
    for each in model.subject.values:
        if each.sha256 and (each.name not in found or value_hash(found[each.name]) != each.sha256):
            raise ModelError(
                f"the values given for input '{each.name}' changed after they were read; "
                "measure again"
            )
    return found


def _read(path: Path) -> dict[str, Value]:
    arrays: dict[str, np.ndarray] = {}
    with zipfile.ZipFile(path) as archive:
        for info in archive.infolist():
            with archive.open(info) as stream:
                name = info.comment.decode("utf-8", "surrogateescape")
                arrays[name] = np.lib.format.read_array(stream, allow_pickle=False)
    found: dict[str, Value] = {}
    for member, array in arrays.items():
        kind, _, rest = member.partition(":")
        if kind == "tensor":
            found[rest] = array
        elif kind == "none":
            found[rest] = None
        elif kind == "sequence":
            count, _, name = rest.partition(":")
            found[name] = [arrays[f"item:{number}:{name}"] for number in range(int(count))]
    return found


def value_hash(value: Value) -> str:
    """SHA-256 over types, shapes and elements."""
    digest = hashlib.sha256()
    parts = value if isinstance(value, list) else [] if value is None else [value]
    digest.update(f"{type(value).__name__} {len(parts)}".encode())
    for part in parts:
        digest.update(f"{part.dtype.str} {part.shape} ".encode())
        digest.update(np.ascontiguousarray(part).tobytes())
    return digest.hexdigest()
