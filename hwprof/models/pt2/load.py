"""Programs of torch.export: from a .pt2 file to a model whose every input dimension is decided."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from hwprof.errors import ModelError
from hwprof.measurement import Subject
from hwprof.models.base import Model, content_hash, printable
from hwprof.models.pt2.archive import read_archive
from hwprof.models.shapes import decide_shapes


def load(
    path: Path,
    *,
    shapes: Mapping[str, Sequence[int]] | None = None,
    batch: int | None = None,
    name: str | None = None,
) -> Model:
    """Read a program that `torch.export.save` wrote, without its weights and without torch.

    Arguments are those of `hwprof.models.load.load_model`. Nothing in the file is
    unpickled or run. Raises ModelError (the file) or OptionError (the shapes) in one sentence.
    """
    if path.is_dir():
        raise ModelError(f"'{path}' is a folder; name the .pt2 file inside it")
    if not path.exists():
        raise ModelError(f"there is no file '{path}'; check the path")
    archive = read_archive(path)
    declared = [(each.name, each.dtype, list(each.dims)) for each in archive.inputs]
    inputs = decide_shapes(declared, shapes or {}, batch, path.name)
    firsts = {t.shape[0] for t in inputs if t.shape}
    subject = Subject(
        name=printable(path.stem) if name is None else name,
        sha256=content_hash([path]),
        inputs=inputs,
        batch=firsts.pop() if len(firsts) == 1 else None,
    )
    needed = path.stat().st_size + sum(t.nbytes or 0 for t in inputs)
    return Model(path, subject, "torch", needed_bytes=needed)


def input_names(path: Path) -> set[str]:
    """Names of the program's inputs. Raises ModelError."""
    return {each.name for each in read_archive(path).inputs}
