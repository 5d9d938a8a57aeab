"""LiteRT models (.tflite): their inputs, with every dimension decided."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from hwprof.errors import DeviceError, ModelError
from hwprof.measurement import Subject
from hwprof.models.base import Model, content_hash, printable
from hwprof.models.shapes import Declared, decide_shapes
from hwprof.models.tflite.file import LiteRtFile, read
from hwprof.models.tflite.runtime import import_runtime


def load(
    path: Path | str,
    *,
    shapes: Mapping[str, Sequence[int]] | None = None,
    batch: int | None = None,
    name: str | None = None,
) -> Model:
    """Read a LiteRT model file and decide its input shapes, as `load_model` does for ONNX.

    A dimension is open where the file's shape signature says so. Raises ModelError (the file, or
    no LiteRT to read it with) or OptionError (the shapes) in one sentence.
    """
    path = Path(path)
    inputs = decide_shapes(_declared(_read(path)), shapes or {}, batch, path.name)
    firsts = {t.shape[0] for t in inputs if t.shape}
    subject = Subject(
        name=printable(path.stem) if name is None else name,
        sha256=content_hash([path]),
        inputs=inputs,
        batch=firsts.pop() if len(firsts) == 1 else None,
    )
    needed = path.stat().st_size + sum(t.nbytes or 0 for t in inputs)
    return Model(path, subject, "tflite", needed_bytes=needed)


def input_names(path: Path) -> set[str]:
    """Names of the model's inputs. Raises ModelError."""
    return {name for name, _, _ in _declared(_read(path))}


def _read(path: Path) -> LiteRtFile:
    if path.is_dir():
        raise ModelError(f"'{path}' is a folder; name the .tflite file inside it")
    if not path.exists():
        raise ModelError(f"there is no file '{path}'; check the path")
    try:
        import_runtime()
    except DeviceError as error:
        raise ModelError(f"'{path.name}' cannot be read, because {error}") from error
    try:
        return read(path)
    except PermissionError as error:
        raise ModelError(f"'{path}' may not be read; check its permissions") from error
    except OSError as error:
        raise ModelError(f"'{path}' cannot be read: {error.strerror}; check the disk") from error


def _declared(file: LiteRtFile) -> list[Declared]:
    declared: list[Declared] = []
    for number in file.inputs:
        spec = file.tensors[number]
        signature = file.signatures[number] or spec.shape
        dims: list[int | str] = [d if d >= 0 else "" for d in signature]
        declared.append((spec.name, spec.dtype, dims))
    return declared
