"""The files of a model: what a target is told of them, and sending those that it lacks."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path, PurePosixPath

from hwprof.errors import ModelError
from hwprof.models.base import CHUNK, Model, content_hash, printable
from hwprof.models.inputs.stored import write_values
from hwprof.targets.channel import Channel
from hwprof.targets.protocol import ModelFile, Stored, plain_name


def parts_of(model: Model) -> dict[str, Path]:
    """The model's files by where they lie beside each other, the model file first."""
    name = printable(model.path.name)
    if not (plain_name(name) and name.isascii()):
        # Nobody needs its own name there, where file names may be of another encoding.
        suffix = model.path.suffix
        name = f"model{suffix if suffix.isascii() else ''}"
    parts = {name: model.path}
    for location in model.external:
        parts[str(PurePosixPath(location))] = model.path.parent / location
    return parts


def by_size(model: Model) -> tuple[ModelFile, ...]:
    """The files for a target that has them too: names and sizes. Raises ModelError.

    Weights in a folder of their own are left to the runtime to miss.
    """
    parts = parts_of(model)
    return tuple(ModelFile(name, _size(parts[name])) for name in parts if plain_name(name))


def by_hash(model: Model) -> tuple[ModelFile, ...]:
    """The files for a target that is sent them: with the SHA-256 of each.

    Raises ModelError for a model that is no longer what was read, and for weights in a folder of
    their own: a target makes no folders by names that it is sent.
    """
    whole = hashlib.sha256()
    files, seen = [], set()
    parts = parts_of(model)
    for name, path in parts.items():
        if not plain_name(name):
            raise ModelError(
                f"'{model.path.name}' keeps weights in '{name}', which cannot be sent to another "
                "machine; save it with its weights beside it"
            )
        own, size = hashlib.sha256(), 0
        # The model's hash counts a file once, by whatever names it is known.
        first = path.resolve() not in seen
        seen.add(path.resolve())
        for part in _contents(path):
            own.update(part)
            size += len(part)
            if first:
                whole.update(part)
        files.append(ModelFile(name, size, own.hexdigest()))
    if whole.hexdigest() != model.subject.sha256:
        raise ModelError(
            f"'{model.path.name}' changed after it was read; measure it again when it is complete"
        )
    return tuple(files)


def values_file(model: Model, path: Path, *, hashed: bool) -> ModelFile:
    """The values that were given for `model`'s inputs, written to `path`.

    Raises ModelError when they cannot be written.
    """
    try:
        write_values(model.given, path)
    except OSError as error:
        raise ModelError(
            f"the values given for the inputs cannot be written to '{path}': {error.strerror}; "
            "free some space in the temporary folder"
        ) from error
    sha256 = content_hash([path]) if hashed else ""
    return ModelFile(path.name, _size(path), sha256)


def send(
    channel: Channel, paths: Mapping[str, Path], files: Iterable[ModelFile], need: Iterable[str]
) -> None:
    """Send the files that the target needs, by their SHA-256; `paths` says where each lies.

    Raises ModelError for one that changed meanwhile, and what the target reports. The channel must
    then be closed.
    """
    offered = {file.sha256: file for file in files}
    for sha256 in need:
        file = offered.get(sha256)
        if file is None:
            raise channel.unreadable("it asks for a file that was not offered")
        data = _exactly(paths[file.name], file.size)
        if channel.ask("put", Stored, file, data).sha256 != sha256:
            raise channel.unreadable("it stored another file than was sent")


def _exactly(path: Path, size: int) -> Iterator[bytes]:
    """The first `size` bytes: what follows is read as the next request.

    Raises ModelError for fewer; the channel is then of no more use.
    """
    left = size
    for part in _contents(path):
        yield part[:left]
        left -= len(part)
        if left <= 0:
            return
    if left:
        raise ModelError(f"'{path.name}' was cut off while it was sent; measure it again")


def _contents(path: Path) -> Iterator[bytes]:
    try:
        with path.open("rb") as stream:
            while part := stream.read(CHUNK):
                yield part
    except OSError as error:
        raise _gone(path, error) from error


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError as error:
        raise _gone(path, error) from error


def _gone(path: Path, error: OSError) -> ModelError:
    return ModelError(f"'{path}' can no longer be read: {error.strerror}; put it back")
