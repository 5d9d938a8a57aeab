"""Options that GPU devices share."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from hwprof.errors import DeviceError, OptionError

MAX_DEVICES = 64


def device_of(options: Mapping[str, str]) -> int:
    """The option `device`, CUDA's number of the GPU, 0 by default. Raises OptionError."""
    text = options.get("device", "0")
    if not text.isdecimal() or int(text) >= MAX_DEVICES:
        raise OptionError(
            f"device must be the number of a GPU, counted from 0, got '{text}'; try device=0"
        )
    return int(text)


def engine_folder(options: Mapping[str, str]) -> str:
    """The option `engines`, an existing folder, empty by default. Raises OptionError."""
    folder = options.get("engines", "")
    if folder and not Path(folder).is_dir():
        raise OptionError(f"engines must be a folder that exists, got '{folder}'; create it first")
    return folder


_decided: dict[str, str | None] = {}


def decide_environment(name: str, value: str | None) -> None:
    """Set a variable that NVIDIA's libraries read once, when they are loaded.

    None leaves it unset. Raises DeviceError when this process has decided otherwise before: the
    libraries would keep to the first decision, and the record would tell the second.
    """
    if name in _decided and _decided[name] != value:
        raise DeviceError(
            f"this process runs with {name}={_decided[name]} already, which cannot be changed "
            "any more; measure in a worker process, as the command line does"
        )
    _decided[name] = value
    if value is None:
        os.environ.pop(name, None)
    else:
        os.environ[name] = value
