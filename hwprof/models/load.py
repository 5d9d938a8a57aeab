"""From a path to a model whose every input dimension is decided, or a sentence why not."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from hwprof.errors import ModelError, WrongModel
from hwprof.models.base import Model, ModelFile, ModelFormat, described
from hwprof.models.formats import FOREIGN, format_of
from hwprof.models.inputs.given import Asked
from hwprof.models.onnx import file as onnx
from hwprof.models.pt2 import load as pt2
from hwprof.models.tflite import load as tflite

_READERS: Mapping[ModelFormat, Callable[[Path], ModelFile]] = {
    "onnx": onnx.model_file,
    "torch": pt2.model_file,
    "tflite": tflite.model_file,
}


def load_model(
    path: Path | str,
    *,
    shapes: Mapping[str, Sequence[int]] | None = None,
    batch: int | None = None,
    inputs: Asked = None,
    name: str | None = None,
    room_bytes: int | None = None,
) -> Model:
    """Read a model file, without its weights, and decide its input shapes.

    Files that end in .pt2 are programs of torch.export, in .tflite LiteRT models, and all others
    ONNX models. Nothing in a file is unpickled or run.
    `shapes` gives dimensions by input name, -1 for one that is left to the file or the batch;
    `batch` sets the batch of every input that leaves it open: the first dimension, the second where
    a recurrent operation takes time first; `inputs` are values for inputs
    (hwprof.models.inputs.given), the others are made up; `name` is what the model is called, its
    file's name by default. A model that needs more than `room_bytes`, the memory of the machine
    that is to run it, is refused before its weights are read. Raises ModelError (the file) or
    OptionError (shapes and values) in one sentence.
    """
    path = Path(path)
    file = read_model_file(path)
    return described(
        path, file, shapes=shapes, batch=batch, inputs=inputs, name=name, room_bytes=room_bytes
    )


def input_names(path: Path) -> set[str]:
    """Names of the inputs that a model file of any format declares. Raises ModelError."""
    return {name for name, _, _ in read_model_file(path).inputs}


def read_model_file(path: Path) -> ModelFile:
    """What a model file of any format says of itself. Raises ModelError."""
    try:
        return _READERS[format_of(path)](path)
    except WrongModel:
        raise
    except ModelError as error:
        # A name may say anything; it is asked only where the content is none of ours.
        if path.suffix.lower() in FOREIGN and _is_there(path):
            raise WrongModel(f"'{path}' {FOREIGN[path.suffix.lower()]}") from error
        raise


def _is_there(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:
        return False
