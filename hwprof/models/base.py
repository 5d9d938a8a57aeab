"""A model file with everything about its inputs decided."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

import numpy as np

from hwprof.errors import ModelError, OptionError
from hwprof.graph import TensorSpec
from hwprof.measurement import Subject, Values
from hwprof.models.inputs.given import Asked, Given, is_tensor, resolve
from hwprof.models.inputs.recipe import usual_recipe
from hwprof.models.inputs.stored import Value
from hwprof.models.plain_file import memory_bytes
from hwprof.models.plain_file import printable as printable
from hwprof.models.shapes import BatchAxis, DeclaredInput, decide_shapes, shared_batch

ModelFormat = Literal["onnx", "torch", "tflite"]
"""`onnx`, a program saved by `torch.export.save` (.pt2), or a LiteRT model (.tflite)."""


Chooser = Callable[[Sequence[TensorSpec], Collection[str]], Sequence[Values]]
"""From all inputs, and the names of those that values were given for, to what the others hold."""


def usual_values(inputs: Sequence[TensorSpec], given: Collection[str]) -> Sequence[Values]:
    """What inputs hold of which nothing is known. Raises ModelError for types without values."""
    chosen = [spec for spec in inputs if spec.name not in given]
    return [Values(spec.name, usual_recipe(spec).text) for spec in chosen]


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
    given: Mapping[str, Value] = field(default_factory=dict)
    """The values that were given for its inputs as arrays, by name."""


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
    choose: Chooser = usual_values
    """What inputs hold for which nothing was given."""


CHUNK = 1 << 20
MOST_ELEMENTS = 2**63 - 1
MOST_DIMENSIONS = 64
"""Of an array in NumPy, which every input is made as."""


def described(
    path: Path,
    file: ModelFile,
    *,
    shapes: Mapping[str, Sequence[int]] | None = None,
    batch: int | None = None,
    inputs: Asked = None,
    name: str | None = None,
    room_bytes: int | None = None,
) -> Model:
    """The model at `path` with its dimensions decided; arguments as `load_model` takes them.

    Raises OptionError when a dimension stays open or a value does not fit, ModelError when the
    file cannot be read or needs more than there is room for.
    """
    given = resolve(inputs, file.inputs, path.name)
    decided = _decided(file, shapes or {}, batch, given, path.name)
    _check_sizes(decided, path.name)
    needed = file.weights_bytes + sum(_least_bytes(t) for t in decided)
    if given.fills and room_bytes is None:
        room_bytes = memory_bytes()  # texts are made here
    # Before its contents are hashed: those of what fits nowhere take long to read.
    if room_bytes is not None and needed > room_bytes:
        raise ModelError(
            f"'{path.name}' needs at least {needed / 2**30:.1f} GiB for weights and inputs, but "
            f"the machine that is to run it has {room_bytes / 2**30:.1f} GiB; use a larger machine"
        )
    given = given.filled(decided)
    values = {each.name: each for each in file.choose(decided, given.names())}
    for spec in decided:
        if spec.name in given.names():
            told = values.get(spec.name)
            own = given.values(spec)
            values[spec.name] = own if told is None else replace(own, decides=told.decides)
    try:
        sha256 = content_hash([path, *dict.fromkeys(file.external.values())])
    except OSError as error:
        raise unreadable(str(error.filename or path), error) from error
    subject = Subject(
        name=printable(path.stem) if name is None else name,
        sha256=sha256,
        inputs=decided,
        batch=shared_batch(file.inputs, decided, file.batch_axes),
        values=tuple(values[t.name] for t in decided if t.name in values),
    )
    return Model(path, subject, file.format, tuple(file.external), needed, given.arrays)


def _check_sizes(inputs: Sequence[TensorSpec], model: str) -> None:
    """Raise OptionError for inputs that no array can have the shape of."""
    for spec in inputs:
        problem = ""
        if len(spec.shape) > MOST_DIMENSIONS:
            problem = f"{len(spec.shape)} dimensions"
        elif spec.elements > MOST_ELEMENTS:
            problem = "more elements than can be counted"
        if problem:
            raise OptionError(
                f"input '{spec.name}' of '{model}' would have {problem}; give smaller sizes "
                "with --shape, or export the model with smaller ones"
            )


def _least_bytes(spec: TensorSpec) -> int:
    """Memory that an input takes at least; a text is a place that points to it, if no more."""
    return 8 * spec.elements if spec.nbytes is None else spec.nbytes


def _decided(
    file: ModelFile,
    shapes: Mapping[str, Sequence[int]],
    batch: int | None,
    given: Given,
    model: str,
) -> tuple[TensorSpec, ...]:
    """Every input with its shape: sequences and optionals have that of what was given."""
    declared = {name: dims for name, _, dims in file.inputs}
    for name, shape in given.shapes.items():
        dims = declared[name]
        if dims is not None and (
            len(dims) != len(shape)
            or any(isinstance(d, int) and d != n for d, n in zip(dims, shape, strict=True))
        ):
            raise OptionError(
                f"the values given for input '{name}' of '{model}' have the shape "
                f"{list(shape)}, and it takes {list(dims)}; give values of that shape"
            )
        if name in shapes and tuple(shapes[name]) != shape:
            raise OptionError(
                f"the values given for input '{name}' of '{model}' have the shape "
                f"{','.join(map(str, shape))}, unlike its --shape; leave out --shape {name}"
            )
    tensors = [each for each in file.inputs if is_tensor(each[1])]
    asked = {**shapes, **{n: s for n, s in given.shapes.items() if n in {t[0] for t in tensors}}}
    decided = decide_shapes(tensors, asked, batch, model, file.batch_axes)
    by_name = {spec.name: spec for spec in decided}
    for name, dtype, _ in file.inputs:
        if name in by_name:
            continue
        if name not in given.names():
            raise OptionError(
                f"input '{name}' of '{model}' is of the type {dtype}, for which no values can be "
                "made up; "
                f"give them with --inputs FILE.npz (members '{name}.0', '{name}.1', ...), or "
                "inputs={...} in Python"
            )
        value = given.arrays.get(name)
        count = (len(value),) if isinstance(value, list) else ()
        by_name[name] = TensorSpec(
            name, dtype, value.shape if isinstance(value, np.ndarray) else count
        )
    return tuple(by_name[name] for name, _, _ in file.inputs)


def unreadable(path: Path | str, error: OSError) -> ModelError:
    """The sentence for a file that is there and cannot be read."""
    if isinstance(error, PermissionError):
        return ModelError(f"'{path}' may not be read; check its permissions")
    return ModelError(f"'{path}' cannot be read: {error.strerror or error}; check the disk")


def content_hash(files: Sequence[Path]) -> str:
    """SHA-256 over the contents of `files`, in order."""
    digest = hashlib.sha256()
    for file in files:
        with file.open("rb") as stream:
            while chunk := stream.read(CHUNK):
                digest.update(chunk)
    return digest.hexdigest()
