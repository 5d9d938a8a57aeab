"""Formats of model files: which a file has, and which a device opens."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from hwprof.errors import ModelError
from hwprof.models.base import Model, ModelFormat

NAMES: Mapping[ModelFormat, str] = {
    "onnx": "ONNX models (.onnx)",
    "torch": "programs of torch.export (.pt2)",
    "tflite": "LiteRT models (.tflite)",
}
SUFFIXES: Mapping[str, ModelFormat] = {".pt2": "torch", ".tflite": "tflite"}


def format_of(path: Path) -> ModelFormat:
    """A model file's format by its name: ONNX, where the name says nothing else."""
    return SUFFIXES.get(path.suffix, "onnx")


def refuse_other_formats(
    model: Model, known: ModelFormat | tuple[ModelFormat, ...], device: str
) -> None:
    """Raise ModelError when the model is of a format that `device` does not open."""
    formats = (known,) if isinstance(known, str) else known
    if model.format not in formats:
        listed = " and ".join(NAMES[each] for each in formats)
        raise ModelError(
            f"device {device} opens {listed}, and '{model.path.name}' is none; "
            "export the model in that form, or choose another device"
        )
