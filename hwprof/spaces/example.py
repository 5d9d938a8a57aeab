"""A model to try hwprof on: a real network with real layers, made here rather than downloaded."""

from __future__ import annotations

import os
from pathlib import Path

from hwprof.errors import ModelError, OptionError
from hwprof.files import is_unknown, whole_file
from hwprof.spaces.registry import get

SPACE = "mobilenetv3"
# Among the smallest of the space: 13 MiB, 158 MFLOPs, some milliseconds on one core.
ARCH = (
    "r=160 d1=2 k1=3,5 e1=4,3 d2=2 k2=3,5 e2=4,3 d3=2 k3=3,5 e3=4,3 "
    "d4=2 k4=3,5 e4=4,3 d5=2 k5=3,5 e5=4,3"
)


def write_example(path: str | Path = "example.onnx", *, overwrite: bool = False) -> Path:
    """Write the example model, the same one every time, and give back its path.

    It is one architecture of the space mobilenetv3 (Cai et al., 2020): input `image`
    float32[1,3,160,160], output `logits` float32[1,1000]. Its weights are random, but fixed.
    Raises OptionError where something is at `path` already, unless `overwrite`, where no file can
    be, and over files of another kind than a model; ModelError where writing fails, as on a full
    disk.
    """
    path = Path(path)
    if os.path.lexists(path) and not overwrite:
        raise OptionError(
            f"'{path}' is there already and was left alone; name another file, or overwrite it "
            "with --force"
        )
    content = get(SPACE).build(ARCH).SerializeToString(deterministic=True)
    # Tables, predictors and the like are not models, whoever insists.
    with whole_file(path, ModelError, replaces=is_unknown) as stream:
        stream.write(content)
    return path
