"""Formats of model files: which a file has, and which a device opens."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from hwprof.errors import WrongModel
from hwprof.models.base import Model, ModelFormat

NAMES: Mapping[ModelFormat, str] = {
    "onnx": "ONNX models (.onnx)",
    "torch": "programs of torch.export (.pt2)",
    "tflite": "LiteRT models (.tflite)",
}
SUFFIXES: Mapping[str, ModelFormat] = {".pt2": "torch", ".tflite": "tflite"}

_OPENED = "hwprof opens ONNX models (.onnx), programs of torch.export (.pt2) and .tflite models"
_PICKLED = (
    "holds pickled Python objects, which hwprof never loads, because loading runs them; save the "
    "model with torch.export.save(torch.export.export(model, inputs), 'model.pt2') or "
    "torch.onnx.export"
)
_CONVERT = f"is of a format that is not opened: {_OPENED}; "
FOREIGN: Mapping[str, str] = {
    ".xml": f"is a model of OpenVINO's own format, and {_OPENED}; "
    "measure the ONNX model that it was made of, with device openvino-cpu",
    **dict.fromkeys((".pt", ".pth", ".ckpt", ".pkl", ".joblib"), _PICKLED),
    **dict.fromkeys((".h5", ".keras", ".pb"), f"{_CONVERT}convert it with tf2onnx, or to LiteRT"),
    **dict.fromkeys(
        (".safetensors", ".gguf"), f"{_CONVERT}it holds weights alone, so export the model"
    ),
    **dict.fromkeys(
        (".mnn", ".param", ".pte", ".engine", ".plan", ".mlmodel", ".ort"),
        f"{_CONVERT}measure the ONNX model that it was made of, with the device of that runtime",
    ),
}
"""By suffix: what is said of files that are known, and are not opened."""


def format_of(path: Path) -> ModelFormat:
    """A model file's format by its name: ONNX, where the name says nothing else."""
    return SUFFIXES.get(path.suffix, "onnx")


def refuse_other_formats(
    model: Model, known: ModelFormat | tuple[ModelFormat, ...], device: str
) -> None:
    """Raise WrongModel when the model is of a format that `device` does not open."""
    formats = (known,) if isinstance(known, str) else known
    if model.format not in formats:
        listed = " and ".join(NAMES[each] for each in formats)
        raise WrongModel(
            f"device {device} opens {listed}, and '{model.path.name}' is none; "
            "export the model in that form, or choose another device"
        )
