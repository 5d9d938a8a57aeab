"""A model to try hwprof on: a real network with real layers, made here rather than downloaded."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from hwprof.errors import HwprofError, ModelError, OptionError
from hwprof.files import MISNAMED
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
    Raises OptionError where something is at `path` already, unless `overwrite`, and where no file
    can be; ModelError where writing fails, as on a full disk.
    """
    kind: type[HwprofError]
    path = Path(path)
    if not overwrite and os.path.lexists(path):
        raise OptionError(
            f"'{path}' is there already and was left alone; name another file, or overwrite it "
            "with --force"
        )
    content = get(SPACE).build(ARCH).SerializeToString(deterministic=True)
    # Written beside it and renamed: on a full disk, what was there before stays whole.
    part = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        part.write_bytes(content)
        part.replace(path)
    except OSError as error:
        with suppress(OSError):
            part.unlink()
        kind = OptionError if error.errno in MISNAMED else ModelError
        raise kind(f"'{path}' cannot be written ({error.strerror}); name another file") from error
    return path
