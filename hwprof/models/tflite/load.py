"""LiteRT models (.tflite): what the file says of itself."""

from __future__ import annotations

from pathlib import Path

from hwprof.errors import DeviceError, ModelError
from hwprof.models.base import ModelFile, unreadable
from hwprof.models.plain_file import plain_size
from hwprof.models.shapes import DeclaredInput
from hwprof.models.tflite.file import LiteRtFile, read
from hwprof.models.tflite.runtime import import_runtime


def model_file(path: Path) -> ModelFile:
    """What a LiteRT model file says of itself.

    A dimension is open where the file's shape signature says so. Raises ModelError, also where
    there is no LiteRT to read the file with.
    """
    size = plain_size(path)
    try:
        import_runtime()
    except DeviceError as error:
        raise ModelError(f"'{path.name}' cannot be read, because {error}") from error
    try:
        return ModelFile("tflite", _declared(read(path)), size)
    except OSError as error:
        raise unreadable(path, error) from error


def _declared(file: LiteRtFile) -> tuple[DeclaredInput, ...]:
    declared: list[DeclaredInput] = []
    for number in file.inputs:
        spec = file.tensors[number]
        signature = file.signatures[number] or spec.shape
        dims: list[int | str] = [d if d >= 0 else "" for d in signature]
        declared.append((spec.name, spec.dtype, dims))
    return tuple(declared)
