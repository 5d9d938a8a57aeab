"""Programs of torch.export (.pt2): what the file says of itself."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from hwprof.models.base import ModelFile
from hwprof.models.plain_file import plain_size
from hwprof.models.pt2.archive import read_archive
from hwprof.models.pt2.values import choose_for_exported


def model_file(path: Path) -> ModelFile:
    """What a program that `torch.export.save` wrote says of itself; read without torch.

    Raises ModelError.
    """
    archive = read_archive(path)
    inputs = tuple((each.name, each.dtype, list(each.dims)) for each in archive.inputs)
    weights = sum(weight.nbytes for weight in archive.weights.values())
    needed = max(plain_size(path), weights)
    return ModelFile("torch", inputs, needed, choose=partial(choose_for_exported, archive))
