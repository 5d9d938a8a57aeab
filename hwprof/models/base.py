"""A model file with everything about its inputs decided."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from hwprof.errors import ModelError
from hwprof.machine.host import snapshot
from hwprof.measurement import Subject

ModelFormat = Literal["onnx", "torch", "tflite"]
"""`onnx`, a program saved by `torch.export.save` (.pt2), or a LiteRT model (.tflite)."""


@dataclass(frozen=True, slots=True)
class Model:
    """A model file with every input dimension decided."""

    path: Path
    subject: Subject
    format: ModelFormat = "onnx"


CHUNK = 1 << 20


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


def check_free_memory(needed: int, name: str) -> None:
    """Raise ModelError if `needed` bytes exceed the memory that is free now."""
    free = snapshot().memory_available_bytes
    if free is not None and needed > free:
        raise ModelError(
            f"'{name}' needs at least {needed / 2**30:.1f} GiB for weights and inputs, but only "
            f"{free / 2**30:.1f} GiB is free; close other programs or use a larger machine"
        )
