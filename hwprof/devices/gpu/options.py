"""Options that GPU devices share."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from hwprof.devices.options import option, switch
from hwprof.devices.private import intruder
from hwprof.errors import DeviceError, OptionError

MAX_DEVICES = 64


def gpu_index() -> Any:
    """The option `device`, CUDA's number of the GPU, 0 by default.

    A spec does not name it: it names the GPU.
    """
    return option(0, "number of the GPU, counted from 0", _read_index, form="N", in_spec=False)


def cold_cache() -> Any:
    """The option `cache`: whether the level-2 cache is flushed before each run."""
    return switch(
        False,
        "cold flushes the level-2 cache before each run",
        name="cache",
        values=("warm", "cold"),
        yes="cold",
    )


def engine_folder() -> Any:
    """The option `engines`, an existing folder to keep built engines in, empty for none.

    Engines are run from there, so nobody else may write to it.

    A spec tells whether, not where: the folder does not change how fast an engine runs.
    """
    return option(
        "",
        "folder to keep built engines in",
        _read_folder,
        written="",
        form="FOLDER",
        show=lambda folder: "kept" if folder else "off",
    )


def _read_index(name: str, text: str) -> int:
    if not text.isdecimal() or len(text) > 2 or int(text) >= MAX_DEVICES:
        raise OptionError(
            f"{name} must be the number of a GPU, counted from 0, got '{text[:80]}'; try {name}=0"
        )
    return int(text)


def _read_folder(name: str, text: str) -> str:
    if not text:
        return text
    try:
        there = Path(text).is_dir()
    except (OSError, ValueError):  # too long a name, or a NUL in it
        there = False
    if not there:
        raise OptionError(f"{name} must be a folder that exists, got '{text}'; create it first")
    reason = intruder(Path(os.path.realpath(text)))
    if reason:
        raise OptionError(
            f"{name} must be a folder of your own, because engines are run from it, and of "
            f"'{text}' {reason}; name another, or chmod 700 it"
        )
    return text


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
