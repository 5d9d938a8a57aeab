"""The device that a model is measured on where nobody names one."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from hwprof.models.base import ModelFormat
from hwprof.models.formats import format_of

USUAL = "onnxruntime-cpu"
_BY_FORMAT: Mapping[ModelFormat, str] = {
    "onnx": USUAL,
    "torch": "torch-cpu",
    "tflite": "litert-cpu",
}


def usual_device(model: object) -> str:
    """The device of the runtime that a model is made for.

    That of a file follows from its suffix: `torch-cpu` for .pt2, `litert-cpu` for .tflite, and
    `onnxruntime-cpu` for all others. Modules and programs of torch have `torch-cpu` as well.
    Whether the runtime is installed is not asked.
    """
    if isinstance(model, (str, Path)):
        return _BY_FORMAT[format_of(Path(model))]
    return _BY_FORMAT["torch"] if is_torch(model) else USUAL


def is_torch(model: object) -> bool:
    """Whether a class of torch is among the model's; asked without importing torch."""
    return any(kind.__module__.partition(".")[0] == "torch" for kind in type(model).__mro__)
