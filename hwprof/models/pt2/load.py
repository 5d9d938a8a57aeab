"""Programs of torch.export (.pt2): what the file says of itself."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from hwprof.models.base import ModelFile
from hwprof.models.pt2.archive import read_archive
from hwprof.models.pt2.values import choose_for_exported


def model_file(path: Path) -> ModelFile:
    """What a program that `torch.export.save` wrote says of itself; read without torch.

    Raises ModelError.
    """
    archive = read_archive(path)
    inputs = tuple((each.name, each.dtype, list(each.dims)) for each in archive.inputs)
    return ModelFile(
        "torch", inputs, path.stat().st_size, choose=partial(choose_for_exported, archive)
    )
