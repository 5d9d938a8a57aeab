"""A model file with everything about its inputs decided."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from hwprof.errors import ModelError
from hwprof.measurement import Subject
from hwprof.models.shapes import BatchAxis, DeclaredInput, decide_shapes, shared_batch

ModelFormat = Literal["onnx", "torch", "tflite"]
"""`onnx`, a program saved by `torch.export.save` (.pt2), or a LiteRT model (.tflite)."""


@dataclass(frozen=True, slots=True)
class Model:
    """A model file with every input dimension decided."""

    path: Path
    subject: Subject
    format: ModelFormat = "onnx"
    external: tuple[str, ...] = ()
    """Files that hold its weights, where the model says they are: relative to its folder."""
    needed_bytes: int = 0
    """At least this much memory is needed to run it: its weights and inputs."""
    values_file: Path | None = None
    """Holds the values that were given for its inputs (hwprof.models.inputs.stored)."""


@dataclass(frozen=True, slots=True)
class ModelFile:
    """What a model file of any format says before its shapes are decided."""

    format: ModelFormat
    inputs: tuple[DeclaredInput, ...]
    weights_bytes: int
    external: Mapping[str, Path] = field(default_factory=dict)
    """Files that hold its weights, by the locations that it names."""
    batch_axes: Mapping[str, BatchAxis] = field(default_factory=dict)
    """Where the batch of an input lies, where the model tells; else it is the first dimension."""


CHUNK = 1 << 20


def described(
    path: Path,
    file: ModelFile,
    *,
    shapes: Mapping[str, Sequence[int]] | None = None,
    batch: int | None = None,
    name: str | None = None,
    room_bytes: int | None = None,
) -> Model:
    """The model at `path` with its dimensions decided; arguments as `load_model` takes them.

    Raises OptionError when a dimension stays open, ModelError when the file cannot be read or
    needs more than there is room for.
    """
    inputs = decide_shapes(file.inputs, shapes or {}, batch, path.name, file.batch_axes)
    needed = file.weights_bytes + sum(t.nbytes or 0 for t in inputs)
    # Before its contents are hashed: those of what fits nowhere take long to read.
    if room_bytes is not None and needed > room_bytes:
        raise ModelError(
            f"'{path.name}' needs at least {needed / 2**30:.1f} GiB for weights and inputs, but "
            f"the machine that is to run it has {room_bytes / 2**30:.1f} GiB; use a larger machine"
        )
    try:
        sha256 = content_hash([path, *dict.fromkeys(file.external.values())])
    except OSError as error:
        raise unreadable(str(error.filename or path), error) from error
    subject = Subject(
        name=printable(path.stem) if name is None else name,
        sha256=sha256,
        inputs=inputs,
        batch=shared_batch(file.inputs, inputs, file.batch_axes),
    )
    return Model(path, subject, file.format, tuple(file.external), needed)


def check_exists(path: Path) -> None:
    """Raise ModelError for a folder, and where there is nothing."""
    if path.is_dir():
        raise ModelError(f"'{path}' is a folder; name the model file inside it")
    if not path.exists():
        raise ModelError(f"there is no file '{path}'; check the path")


def unreadable(path: Path | str, error: OSError) -> ModelError:
    """The sentence for a file that is there and cannot be read."""
    if isinstance(error, PermissionError):
        return ModelError(f"'{path}' may not be read; check its permissions")
    return ModelError(f"'{path}' cannot be read: {error.strerror or error}; check the disk")


def printable(name: str) -> str:
    """A file's name as text: bytes that are not UTF-8 become escapes, so that it can be stored."""
    return os.fsencode(name).decode("utf-8", "backslashreplace")


def content_hash(files: Sequence[Path]) -> str:
    """SHA-256 over the contents of `files`, in order."""
    digest = hashlib.sha256()
    for file in files:
        with file.open("rb") as stream:
            while chunk := stream.read(CHUNK):
                digest.update(chunk)
    return digest.hexdigest()
