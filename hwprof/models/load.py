"""From a path to a model whose every input dimension is decided, or a sentence why not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from hwprof.measurement import Subject
from hwprof.models.base import Model, content_hash, printable
from hwprof.models.onnx.file import declared_inputs, external_files, needed_bytes, read_proto
from hwprof.models.shapes import decide_shapes


def load_model(
    path: Path | str,
    *,
    shapes: Mapping[str, Sequence[int]] | None = None,
    batch: int | None = None,
    name: str | None = None,
) -> Model:
    """Read a model file, without its weights, and decide its input shapes.

    Files that end in .pt2 are programs of torch.export, in .tflite LiteRT models, and all others
    ONNX models.
    `shapes` gives dimensions by input name; `batch` sets the first dimension of every input that
    leaves it open; `name` is what the model is called, its file's name by
    default. Raises ModelError (the file) or OptionError (the shapes) in one sentence.
    """
    path = Path(path)
    if path.suffix == ".tflite":
        from hwprof.models.tflite import load as tflite  # it builds on this module

        return tflite.load(path, shapes=shapes, batch=batch, name=name)
    if path.suffix == ".pt2":
        from hwprof.models.pt2 import load as torch_program

        return torch_program.load(path, shapes=shapes, batch=batch, name=name)
    proto = read_proto(path)
    external = external_files(proto, path)
    inputs = decide_shapes(declared_inputs(proto), shapes or {}, batch, path.name)
    firsts = {t.shape[0] for t in inputs if t.shape}
    subject = Subject(
        name=printable(path.stem) if name is None else name,
        sha256=content_hash([path, *dict.fromkeys(external.values())]),
        inputs=inputs,
        batch=firsts.pop() if len(firsts) == 1 else None,
    )
    return Model(path, subject, "onnx", tuple(external), needed_bytes(proto, inputs))


def input_names(path: Path) -> set[str]:
    """Names of the inputs that a model file of any format declares. Raises ModelError."""
    if path.suffix == ".tflite":
        from hwprof.models.tflite import load as tflite

        return tflite.input_names(path)
    if path.suffix == ".pt2":
        from hwprof.models.pt2 import load as torch_program

        return torch_program.input_names(path)
    return {name for name, _, _ in declared_inputs(read_proto(path))}
