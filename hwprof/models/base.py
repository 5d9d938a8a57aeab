"""A model file with everything about its inputs decided."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from hwprof.measurement import Subject

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
