"""Which model files a device opens."""

from __future__ import annotations

from hwprof.errors import ModelError
from hwprof.models.base import Model, ModelFormat

NAMES: dict[ModelFormat, str] = {
    "onnx": "ONNX models (.onnx)",
    "torch": "programs of torch.export (.pt2)",
    "tflite": "LiteRT models (.tflite)",
}


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
